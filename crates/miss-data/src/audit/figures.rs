//! Pretraining, of which only the images are compared, against a test set.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::images::{Images, Sameness, matches};
use super::{Pair, certain, image_pairs, names};
use crate::image_hash::Likeness;
use crate::record::Question;

/// What a test set shares with the figures or labelled images of pretraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FigureAudit {
    /// Pretraining figures or labelled images.
    pub figures: usize,
    /// Distinct pretraining images.
    pub figure_images: usize,
    /// Test questions.
    pub test_questions: usize,
    /// Distinct test images.
    pub test_images: usize,
    /// Test images whose name is also a pretraining image's, in the same folder.
    pub shared_images: usize,
    /// Test images whose bytes are also a pretraining image's, under another name.
    pub shared_image_bytes: usize,
    /// Test images that show the same picture as a pretraining image of other bytes.
    pub near_identical_images: usize,
    /// Test images that are much like a pretraining image. A possible leak, not counted as one.
    pub similar_images: usize,
    /// Images among those loaded, of either [`Images`], that could not be looked at.
    pub unread_images: usize,
    /// Test questions that ask about an image shared by name, bytes or picture.
    pub test_questions_on_figure_images: usize,
    /// What is behind the counts: for each test image that leaks or may leak, the first figure or
    /// labelled image with the image it is the same as, by id.
    pub pairs: Vec<Pair>,
}

/// Compares figures or labelled images, each given by its id and its image, with a set of questions.
#[must_use]
pub fn audit_figures<'a>(
    figures: impl IntoIterator<Item = (&'a str, &'a str)>,
    figure_images: &Images,
    test: &[&Question],
    test_images: &Images,
) -> FigureAudit {
    let mut first_of: HashMap<&str, &str> = HashMap::new();
    let mut count_figures = 0;
    for (id, image) in figures {
        first_of.entry(image).or_insert(id);
        count_figures += 1;
    }
    let figure_names: BTreeSet<&str> = first_of.keys().copied().collect();
    let test_names = names(test);
    let found = matches(&figure_names, figure_images, &test_names, test_images);
    let count = |wanted: &dyn Fn(Sameness) -> bool| {
        let of_kind = found.values().filter(|(_, sameness)| wanted(*sameness));
        of_kind.count()
    };
    let on_figure_images = |row: &&&Question| certain(&found, row).is_some();
    let mut pairs = image_pairs(&found);
    for pair in &mut pairs {
        if let Some(id) = first_of.get(pair.train.as_str()) {
            pair.train = (*id).into();
        }
    }
    FigureAudit {
        figures: count_figures,
        figure_images: figure_names.len(),
        test_questions: test.len(),
        test_images: test_names.len(),
        shared_images: count(&|sameness| sameness == Sameness::Name),
        shared_image_bytes: count(&|sameness| sameness == Sameness::Bytes),
        near_identical_images: count(&|sameness| sameness.is(Likeness::Near)),
        similar_images: count(&|sameness| sameness.is(Likeness::Similar)),
        unread_images: figure_images.unread.len() + test_images.unread.len(),
        test_questions_on_figure_images: test.iter().filter(on_figure_images).count(),
        pairs,
    }
}

impl FigureAudit {
    /// Whether a test image was seen in pretraining.
    #[must_use]
    pub fn leaks(&self) -> bool {
        self.test_questions_on_figure_images > 0
    }

    /// Whether test images are much like pretraining images: patients may be in both.
    #[must_use]
    pub fn may_leak(&self) -> bool {
        self.similar_images > 0
    }
}
