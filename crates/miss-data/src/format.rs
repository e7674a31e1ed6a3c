//! The layouts of datasets that can be read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How a dataset's folder is laid out, as its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// VQA-RAD, the official release: questions.
    VqaRad,
    /// VQA-RAD in the two files of MEVF: questions.
    VqaRadMevf,
    /// SLAKE: questions in English and Chinese.
    Slake,
    /// MedICaT: figures with captions.
    Medicat,
    /// ROCOv2: figures with captions.
    Rocov2,
    /// The RSNA pneumonia challenge: radiographs with classes and boxes.
    RsnaPneumonia,
    /// One folder a class: labelled images.
    ClassFolders,
    /// Our own lines of JSON with questions.
    QuestionsJsonl,
    /// Our own lines of JSON with figures.
    FiguresJsonl,
}

/// What the records of a dataset are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// [`Question`](crate::Question)s.
    Questions,
    /// [`Figure`](crate::Figure)s.
    Figures,
    /// [`LabelledImage`](crate::LabelledImage)s.
    LabelledImages,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::VqaRad,
        Self::VqaRadMevf,
        Self::Slake,
        Self::Medicat,
        Self::Rocov2,
        Self::RsnaPneumonia,
        Self::ClassFolders,
        Self::QuestionsJsonl,
        Self::FiguresJsonl,
    ];

    /// Its name in manifests and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::VqaRad => "vqa-rad",
            Self::VqaRadMevf => "vqa-rad-mevf",
            Self::Slake => "slake",
            Self::Medicat => "medicat",
            Self::Rocov2 => "rocov2",
            Self::RsnaPneumonia => "rsna-pneumonia",
            Self::ClassFolders => "class-folders",
            Self::QuestionsJsonl => "questions-jsonl",
            Self::FiguresJsonl => "figures-jsonl",
        }
    }

    /// What its records are.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::VqaRad | Self::VqaRadMevf | Self::Slake | Self::QuestionsJsonl => Kind::Questions,
            Self::Medicat | Self::Rocov2 | Self::FiguresJsonl => Kind::Figures,
            Self::RsnaPneumonia | Self::ClassFolders => Kind::LabelledImages,
        }
    }

    /// The folder of images below the dataset's folder.
    #[must_use]
    pub fn images_dir(self) -> &'static str {
        match self {
            Self::Slake => crate::slake::IMAGES_DIR,
            Self::Medicat => crate::medicat::IMAGES_DIR,
            Self::RsnaPneumonia => crate::rsna::IMAGES_DIR,
            _ => "images",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Questions => "questions",
            Self::Figures => "figures",
            Self::LabelledImages => "labelled images",
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A name that no format has.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("there is no format `{name}`; there are {}", Format::ALL.map(Format::name).join(", "))]
pub struct UnknownFormat {
    /// The name.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| UnknownFormat { name: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_and_the_command_line_use_one_name() {
        for format in Format::ALL {
            assert_eq!(serde_json::json!(format), format.name());
            assert_eq!(format.name().parse(), Ok(format));
        }
        let error = crate::dataset::figures(Format::Slake, std::path::Path::new("s"));
        let told = error.expect_err("SLAKE has questions").to_string();
        assert!(
            told.contains("`slake`") && told.contains("name a dataset of figures"),
            "{told}"
        );
        let error = "dicom".parse::<Format>().expect_err("no such format");
        assert!(error.to_string().contains("slake"), "{error}");
    }
}
