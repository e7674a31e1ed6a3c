//! How an image was made.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an image was made. An MRI may name its sequence; [`Modality::Mri`] leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Plain radiograph.
    Xray,
    /// Computed tomography.
    Ct,
    /// Magnetic resonance imaging, sequence not known.
    Mri,
    /// T1-weighted MRI.
    MriT1,
    /// T2-weighted MRI.
    MriT2,
    /// Fluid-attenuated inversion recovery MRI.
    MriFlair,
    /// Diffusion-weighted MRI.
    MriDiffusion,
    /// Apparent diffusion coefficient map, computed from diffusion-weighted MRI.
    MriAdc,
    /// Ultrasound.
    Ultrasound,
    /// Mammography.
    Mammography,
    /// Fluoroscopy.
    Fluoroscopy,
    /// Angiography.
    Angiography,
    /// Positron emission tomography.
    Pet,
}

impl Modality {
    /// Every modality, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::Xray,
        Self::Ct,
        Self::Mri,
        Self::MriT1,
        Self::MriT2,
        Self::MriFlair,
        Self::MriDiffusion,
        Self::MriAdc,
        Self::Ultrasound,
        Self::Mammography,
        Self::Fluoroscopy,
        Self::Angiography,
        Self::Pet,
    ];

    fn is_mri(self) -> bool {
        matches!(
            self,
            Self::Mri
                | Self::MriT1
                | Self::MriT2
                | Self::MriFlair
                | Self::MriDiffusion
                | Self::MriAdc
        )
    }

    /// The more exact of two statements about one image, or `None` where they contradict each other:
    /// "MRI" and "FLAIR" make FLAIR, "CT" and "MRI" make nothing.
    pub(crate) fn agree(self, other: Self) -> Option<Self> {
        match (self, other) {
            (one, two) if one == two => Some(one),
            (Self::Mri, exact) | (exact, Self::Mri) if exact.is_mri() => Some(exact),
            _ => None,
        }
    }
}

/// The section of a tomogram or the projection of a radiograph: an image has one or the other,
/// never both, so they share an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plane {
    /// Transverse section.
    Axial,
    /// Section that parts front from back.
    Coronal,
    /// Section that parts left from right.
    Sagittal,
    /// Projection with the detector in front of the patient (PA).
    Posteroanterior,
    /// Projection with the detector behind the patient (AP).
    Anteroposterior,
    /// Projection from the side.
    Lateral,
}

impl Plane {
    /// Every plane, in the order of the enum.
    pub const ALL: [Self; 6] = [
        Self::Axial,
        Self::Coronal,
        Self::Sagittal,
        Self::Posteroanterior,
        Self::Anteroposterior,
        Self::Lateral,
    ];

    /// True of the projections of a radiograph, false of the sections of a tomogram.
    pub fn is_projection(self) -> bool {
        matches!(
            self,
            Self::Posteroanterior | Self::Anteroposterior | Self::Lateral
        )
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Xray => "X-ray",
            Self::Ct => "CT",
            Self::Mri => "MRI",
            Self::MriT1 => "T1-weighted MRI",
            Self::MriT2 => "T2-weighted MRI",
            Self::MriFlair => "FLAIR MRI",
            Self::MriDiffusion => "diffusion-weighted MRI",
            Self::MriAdc => "MRI ADC map",
            Self::Ultrasound => "ultrasound",
            Self::Mammography => "mammography",
            Self::Fluoroscopy => "fluoroscopy",
            Self::Angiography => "angiography",
            Self::Pet => "PET",
        })
    }
}

impl fmt::Display for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Axial => "axial",
            Self::Coronal => "coronal",
            Self::Sagittal => "sagittal",
            Self::Posteroanterior => "posteroanterior",
            Self::Anteroposterior => "anteroposterior",
            Self::Lateral => "lateral",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_sequence_wins_over_plain_mri_and_contradictions_say_nothing() {
        assert_eq!(
            Modality::Mri.agree(Modality::MriFlair),
            Some(Modality::MriFlair)
        );
        assert_eq!(Modality::Ct.agree(Modality::Ct), Some(Modality::Ct));
        assert_eq!(Modality::Ct.agree(Modality::Mri), None);
        assert_eq!(Modality::MriT1.agree(Modality::MriT2), None);
        for one in Modality::ALL {
            for two in Modality::ALL {
                assert_eq!(one.agree(two), two.agree(one), "{one} and {two}");
            }
        }
    }
}
