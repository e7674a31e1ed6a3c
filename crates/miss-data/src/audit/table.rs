//! An audit as a table for people.

use std::fmt;

use super::{Audit, FigureAudit, Pair, PairKind};

/// Pairs shown of each kind; the rest are counted. JSON has them all.
const SHOWN: usize = 5;

/// Name, count, of how many.
pub(super) type Line<'a> = (&'a str, usize, Option<usize>);

impl fmt::Display for Audit {
    /// One line a quantity: name, count, of how many; then the first pairs that leak or may leak, but
    /// for images of one name, and the verdict.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, questions) = (Some(self.test_images), Some(self.test_questions));
        let lines = [
            ("training questions", self.train_questions, None),
            ("training images", self.train_images, None),
            ("test questions", self.test_questions, None),
            ("test images", self.test_images, None),
            ("test images also in training", self.shared_images, images),
            (
                "  the same bytes under another name",
                self.shared_image_bytes,
                images,
            ),
            (
                "  of these, in another language",
                self.shared_across_languages,
                images,
            ),
            (
                "  the same picture in another file",
                self.near_identical_images,
                images,
            ),
            ("  much alike: a possible leak", self.similar_images, images),
            (
                "test questions on a training image",
                self.test_questions_on_train_images,
                questions,
            ),
            ("rephrasings on both sides", self.shared_linked_ids, None),
            (
                "image, question and answer in training",
                self.duplicate_triples,
                questions,
            ),
            (
                "question text in training",
                self.repeated_question_text,
                questions,
            ),
            (
                "answer never seen in training",
                self.test_answers_unseen,
                questions,
            ),
            (
                "  of the open questions",
                self.test_open_answers_unseen,
                Some(self.test_open),
            ),
        ];
        write_lines(formatter, &lines)?;
        write_unread(formatter, self.unread_images)?;
        write_pairs(formatter, &self.pairs)?;
        write_verdict(formatter, self.leaks(), self.may_leak(), self.unread_images)
    }
}

impl fmt::Display for FigureAudit {
    /// As that of [`Audit`].
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let images = Some(self.test_images);
        let lines = [
            ("pretraining records", self.figures, None),
            ("pretraining images", self.figure_images, None),
            ("test questions", self.test_questions, None),
            ("test images", self.test_images, None),
            (
                "test images also in pretraining",
                self.shared_images,
                images,
            ),
            (
                "  the same bytes under another name",
                self.shared_image_bytes,
                images,
            ),
            (
                "  the same picture in another file",
                self.near_identical_images,
                images,
            ),
            ("  much alike: a possible leak", self.similar_images, images),
            (
                "test questions on a pretraining image",
                self.test_questions_on_figure_images,
                Some(self.test_questions),
            ),
        ];
        write_lines(formatter, &lines)?;
        write_unread(formatter, self.unread_images)?;
        write_pairs(formatter, &self.pairs)?;
        write_verdict(formatter, self.leaks(), self.may_leak(), self.unread_images)
    }
}

fn write_lines(formatter: &mut fmt::Formatter<'_>, lines: &[Line<'_>]) -> fmt::Result {
    for (name, count, whole) in lines {
        write!(formatter, "{name:<40}{count:>8}")?;
        if let Some(whole) = whole {
            write!(formatter, " of {whole}")?;
        }
        writeln!(formatter)?;
    }
    Ok(())
}

fn write_unread(formatter: &mut fmt::Formatter<'_>, unread: usize) -> fmt::Result {
    match unread {
        0 => Ok(()),
        _ => writeln!(
            formatter,
            "{:<40}{unread:>8}",
            "images that could not be read"
        ),
    }
}

fn write_pairs(formatter: &mut fmt::Formatter<'_>, pairs: &[Pair]) -> fmt::Result {
    // Images of one name need no telling which is which.
    let kinds = [
        (PairKind::ImageBytes, "same bytes"),
        (PairKind::NearIdenticalImage, "same picture"),
        (PairKind::SimilarImage, "much alike"),
        (PairKind::LinkedId, "rephrased"),
        (PairKind::Triple, "repeated"),
    ];
    for (kind, name) in kinds {
        let of_kind: Vec<&Pair> = pairs.iter().filter(|pair| pair.kind == kind).collect();
        for pair in of_kind.iter().take(SHOWN) {
            write!(formatter, "  {name}: {} and {}", pair.test, pair.train)?;
            if let (Some(distance), Some(correlation)) = (pair.distance, pair.correlation) {
                write!(
                    formatter,
                    " (hashes differ in {distance} of 64 bits, correlation {correlation:.4})"
                )?;
            }
            writeln!(formatter)?;
        }
        if of_kind.len() > SHOWN {
            writeln!(formatter, "  {name}: and {} more", of_kind.len() - SHOWN)?;
        }
    }
    Ok(())
}

fn write_verdict(
    formatter: &mut fmt::Formatter<'_>,
    leaks: bool,
    may_leak: bool,
    unread: usize,
) -> fmt::Result {
    if leaks {
        return formatter.write_str("LEAKS: the test set is not independent of the training set");
    }
    formatter.write_str("no leak found")?;
    if unread > 0 {
        formatter.write_str(" among the images that could be read")?;
    }
    if may_leak {
        formatter.write_str(
            ", but test images are much like training images: look whether they are of the same patients",
        )?;
    }
    Ok(())
}
