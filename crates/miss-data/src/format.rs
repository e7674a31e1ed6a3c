//! The layouts of datasets that can be read.

use serde::{Deserialize, Serialize};

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
            Self::Slake => "imgs",
            Self::Medicat => "figures",
            Self::RsnaPneumonia => "stage_2_train_images",
            _ => "images",
        }
    }
}
