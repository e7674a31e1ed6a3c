//! One line of a MedICaT file, with nothing left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One figure as the publishers describe it. A key that is absent and one that is null are the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The article, by the SHA-1 of its PDF.
    pub pdf_hash: String,
    /// The figure's name in the article: `Figure4`.
    pub fig_key: Option<String>,
    /// The figure's file without the article: `3-Figure4-1.png`.
    pub fig_uri: String,
    /// The caption as Semantic Scholar extracted it from the PDF.
    pub s2_caption: Option<String>,
    /// The caption as S2ORC gives it.
    pub s2orc_caption: Option<String>,
    /// Paragraphs of the article that mention the figure.
    pub s2orc_references: Option<Vec<String>>,
    /// Whether a classifier took it for a radiological image.
    pub radiology: Option<bool>,
    /// Whether a classifier took it for an image of an endoscope or microscope.
    pub scope: Option<bool>,
    /// What a classifier took it for: `Medical images`.
    pub predicted_type: Option<String>,
    /// On what terms the article is open.
    pub oa_info: Option<OaInfo>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The article's identity and its openness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OaInfo {
    /// Digital object identifier.
    pub doi: Option<String>,
    /// Its address.
    pub doi_url: Option<String>,
    /// What was found about its openness.
    pub oa: Option<OpenAccess>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is known of an article's openness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAccess {
    /// Whether it can be read by all.
    pub is_oa: Option<bool>,
    /// `gold`, `hybrid`, `bronze` or `green`.
    pub oa_status: Option<String>,
    /// Whether the whole journal is open.
    pub journal_is_oa: Option<bool>,
    /// Whether the journal is in the Directory of Open Access Journals.
    pub journal_is_in_doaj: Option<bool>,
    /// `cc-by`, `cc-by-nc-nd` and so on; nothing where no licence was found.
    pub license: Option<String>,
    /// Who says so: `unpaywall`.
    pub provenance: Option<String>,
    /// Keys of other versions.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Entry {
    /// The licence of the article, where one was found.
    #[must_use]
    pub fn licence(&self) -> Option<&str> {
        self.oa_info.as_ref()?.oa.as_ref()?.license.as_deref()
    }

    /// Unique: `medicat/<pdf_hash>/<fig_uri>`.
    #[must_use]
    pub fn id(&self) -> String {
        figure_id(&self.pdf_hash, &self.fig_uri)
    }

    /// The image's name below the folder of figures.
    #[must_use]
    pub fn image(&self) -> String {
        image_name(&self.pdf_hash, &self.fig_uri)
    }
}

pub(super) fn figure_id(pdf_hash: &str, fig_uri: &str) -> String {
    format!("medicat/{pdf_hash}/{fig_uri}")
}

pub(super) fn image_name(pdf_hash: &str, fig_uri: &str) -> String {
    format!("{pdf_hash}_{fig_uri}")
}
