//! Splits by the parts that the publishers put the questions into.

use std::collections::{HashMap, HashSet};

use super::{Split, ids};
use crate::record::{Language, Part, Question};

/// The publishers' own split; VQA-RAD has no validation side. In VQA-RAD nearly every test image is
/// also a training image: see [`audit`](crate::audit::audit). As in all splits by part, questions that
/// are given none are on no side.
#[must_use]
pub fn official(questions: &[Question]) -> Split {
    by_part("official", questions.iter())
}

/// The publishers' own split of the questions in one language.
pub(super) fn of_language(questions: &[Question], language: Language) -> Split {
    let rows = questions.iter().filter(|row| row.language == language);
    by_part("official", rows)
}

/// The publishers' own split without training questions that stand twice or in the test set: same
/// image, question and answer, to the letter. Of VQA-RAD, 1,793 and 451 questions remain: the sizes of
/// the copy on the Hugging Face hub. Images stay shared.
#[must_use]
pub fn official_dedup(questions: &[Question]) -> Split {
    let triple = |row: &Question| (row.image.clone(), row.question.clone(), row.answer.clone());
    let of = |part| questions.iter().filter(move |row| row.part == Some(part));
    let mut seen: HashSet<_> = of(Part::Test).map(triple).collect();
    // Validation before training: what a model is selected on is not to be trained on.
    let validation: Vec<&Question> = of(Part::Validation)
        .filter(|row| seen.insert(triple(row)))
        .collect();
    let train: Vec<&Question> = of(Part::Train)
        .filter(|row| seen.insert(triple(row)))
        .collect();
    let rest = train.into_iter().chain(validation).chain(of(Part::Test));
    by_part("official-dedup", rest)
}

/// Questions of all languages, no image on two sides. An image belongs to the test side if any question
/// in any language about it is a test question, else to the validation side if any is a validation
/// question; only questions whose own part is that of their image are taken, so that the test side is
/// the publishers' test questions in all languages.
///
/// This is what training on SLAKE's two languages at once needs: each language divides the images in
/// its own way, and 72 of the 96 English test images are Chinese training images.
#[must_use]
pub fn bilingual_safe(questions: &[Question]) -> Split {
    let mut part_of: HashMap<&str, Part> = HashMap::new();
    for row in questions {
        if let Some(part) = row.part {
            let of_image = part_of.entry(&row.image).or_insert(part);
            // `Part` is ordered train, validation, test.
            *of_image = part.max(*of_image);
        }
    }
    let stays = |row: &&Question| {
        row.part.is_some() && part_of.get(row.image.as_str()).copied() == row.part
    };
    by_part("bilingual-safe", questions.iter().filter(stays))
}

fn by_part<'a>(name: &str, rows: impl Iterator<Item = &'a Question> + Clone) -> Split {
    let side = |part| ids(rows.clone().filter(|row| row.part == Some(part)));
    Split {
        name: name.into(),
        seed: 0,
        train: side(Part::Train),
        validation: side(Part::Validation),
        test: side(Part::Test),
    }
}
