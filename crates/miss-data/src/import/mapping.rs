//! Which column is which field.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::format::Kind;

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `id`.
    Id,
    /// `image`.
    Image,
    /// `question`.
    Question,
    /// `answer`.
    Answer,
    /// `answer_type`.
    AnswerType,
    /// `question_types`.
    QuestionTypes,
    /// `organ`.
    Organ,
    /// `modality`.
    Modality,
    /// `language`.
    Language,
    /// `caption`.
    Caption,
    /// `licence`.
    Licence,
    /// `part`.
    Part,
    /// `linked_id` of a question, `group` of a figure.
    Group,
}

/// What a field is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A column, as was told.
    Told(String),
    /// A column, by its name.
    Guessed(String),
    /// The same text for all rows, as was told.
    Constant(String),
}

/// What is told about a source; what is not told is guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Columns and constants.
    pub fields: BTreeMap<Field, Column>,
    /// Whether questions or figures are wanted; `None`: questions where there are questions and answers.
    pub kind: Option<Kind>,
    /// The first part of ids where no column has any; `None`: the name of the source without its ending.
    pub name: Option<String>,
    /// Put behind every `image`: `.jpg`, where the column has names without ending.
    pub image_suffix: String,
    /// The file of annotations that belongs to a file of questions (the VQA challenge's pair).
    pub annotations: Option<PathBuf>,
}

/// A setting that is none.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{setting:?} must be written FIELD=COLUMN, FIELD:=TEXT or image+=ENDING, where FIELD is one of {}",
    Field::ALL.map(|field| field.key(Kind::Questions)).join(", ")
)]
pub struct MappingError {
    /// What was written.
    pub setting: String,
}

impl Mapping {
    /// Takes one setting: `image=img_file` names a column, `language:=zh` gives all rows the same, `image+=.jpg`
    /// puts an ending behind each name.
    ///
    /// # Errors
    ///
    /// [`MappingError`] for anything else.
    pub fn set(&mut self, setting: &str) -> Result<(), MappingError> {
        let error = || MappingError {
            setting: setting.into(),
        };
        let (key, value) = setting.split_once('=').ok_or_else(error)?;
        if let Some(key) = key.strip_suffix('+') {
            if key.trim() != "image" {
                return Err(error());
            }
            self.image_suffix = value.to_owned();
            return Ok(());
        }
        let (key, constant) = match key.strip_suffix(':') {
            Some(key) => (key, true),
            None => (key, false),
        };
        let field = Field::named(key.trim()).ok_or_else(error)?;
        let column = match constant {
            true => Column::Constant(value.to_owned()),
            false => Column::Told(value.to_owned()),
        };
        self.fields.insert(field, column);
        Ok(())
    }

    /// What each field is taken from, given the columns that there are: as told, else guessed. A told column that
    /// is not there is given back as the error.
    pub(super) fn resolve(
        &self,
        columns: &[String],
    ) -> Result<BTreeMap<Field, Column>, (Field, String)> {
        let mut found = BTreeMap::new();
        let plain: Vec<String> = columns.iter().map(|column| bare(column)).collect();
        let mut taken = vec![false; columns.len()];
        for (&field, column) in &self.fields {
            if let Column::Told(name) = column {
                let place = columns.iter().position(|other| other == name);
                let place = place.ok_or_else(|| (field, name.clone()))?;
                taken[place] = true;
            }
            found.insert(field, column.clone());
        }
        for field in Field::ALL {
            if found.contains_key(&field) {
                continue;
            }
            let place = field.usual().iter().find_map(|usual| {
                (0..columns.len()).find(|&place| !taken[place] && plain[place] == *usual)
            });
            if let Some(place) = place {
                taken[place] = true;
                found.insert(field, Column::Guessed(columns[place].clone()));
            }
        }
        Ok(found)
    }
}

impl Column {
    /// The column's name, where there is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Told(name) | Self::Guessed(name) => Some(name),
            Self::Constant(_) => None,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(name) => write!(formatter, "column `{name}`"),
            Self::Guessed(name) => write!(formatter, "column `{name}` (guessed)"),
            Self::Constant(text) => write!(formatter, "{text:?} for all"),
        }
    }
}

impl Field {
    /// All of them. Fields that cannot be done without come first, and choose first.
    pub const ALL: [Self; 13] = [
        Self::Image,
        Self::Question,
        Self::Answer,
        Self::Caption,
        Self::Id,
        Self::AnswerType,
        Self::QuestionTypes,
        Self::Organ,
        Self::Modality,
        Self::Language,
        Self::Part,
        Self::Group,
        Self::Licence,
    ];

    /// Its key in a line of records of `kind`.
    #[must_use]
    pub fn key(self, kind: Kind) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Image => "image",
            Self::Question => "question",
            Self::Answer => "answer",
            Self::AnswerType => "answer_type",
            Self::QuestionTypes => "question_types",
            Self::Organ => "organ",
            Self::Modality => "modality",
            Self::Language => "language",
            Self::Caption => "caption",
            Self::Licence => "licence",
            Self::Part => "part",
            Self::Group if kind == Kind::Figures => "group",
            Self::Group => "linked_id",
        }
    }

    fn named(key: &str) -> Option<Self> {
        let kinds = [Kind::Questions, Kind::Figures];
        Self::ALL
            .into_iter()
            .find(|field| kinds.iter().any(|kind| field.key(*kind) == key))
    }

    /// Whether a record of `kind` has such a field.
    pub(super) fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Self::Id | Self::Image | Self::Part | Self::Group => true,
            Self::Caption | Self::Licence => kind == Kind::Figures,
            _ => kind == Kind::Questions,
        }
    }

    /// What others call it, the surest name first, as [`bare`] gives it.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Id => &[
                "id",
                "qid",
                "questionid",
                "qaid",
                "uid",
                "sampleid",
                "annotationid",
            ],
            Self::Image => &[
                "image",
                "imagename",
                "imgname",
                "imagefile",
                "imgfile",
                "filename",
                "imagefilename",
                "imagepath",
                "imgpath",
                "filepath",
                "path",
                "file",
                "img",
                "figure",
                "figurepath",
                "imageid",
                "imgid",
            ],
            Self::Question => &["question", "questiontext", "query", "q"],
            Self::Answer => &[
                "answer",
                "answertext",
                "multiplechoiceanswer",
                "groundtruth",
                "answers",
                "a",
            ],
            Self::AnswerType => &["answertype", "answerkind"],
            Self::QuestionTypes => &[
                "questiontypes",
                "questiontype",
                "contenttype",
                "questionkind",
            ],
            Self::Organ => &[
                "organ",
                "imageorgan",
                "location",
                "bodypart",
                "bodyregion",
                "region",
                "anatomy",
            ],
            Self::Modality => &["modality", "imagemodality", "imagingmodality"],
            Self::Language => &["language", "lang", "qlang"],
            Self::Caption => &[
                "caption",
                "captions",
                "captiontext",
                "s2caption",
                "report",
                "text",
                "description",
            ],
            Self::Licence => &["licence", "license"],
            Self::Part => &["part", "split", "subset", "partition"],
            Self::Group => &[
                "linkedid",
                "qidlinkedid",
                "group",
                "groupid",
                "patientid",
                "patient",
                "subjectid",
                "subject",
                "caseid",
                "studyid",
                "study",
                "reportid",
                "articleid",
                "pmcid",
                "pmid",
            ],
        }
    }
}

/// The key of our format that others call `name`, of questions or of figures.
pub(crate) fn usual_keys(name: &str) -> Option<[&'static str; 2]> {
    let name = bare(name);
    let field = Field::ALL
        .into_iter()
        .find(|field| field.usual().contains(&name.as_str()))?;
    Some([Kind::Questions, Kind::Figures].map(|kind| field.key(kind)))
}

/// Lower case, letters and digits only: `Image_Name` is `imagename`.
fn bare(name: &str) -> String {
    name.chars()
        .filter(|char| char.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
