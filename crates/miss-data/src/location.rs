//! Where in an image a finding lies, in words, under a declared convention.

use serde::{Deserialize, Serialize};

use crate::labelled::LabelledBox;

/// Whose left "left" is.
///
/// A frontal radiograph is shown as if the patient stood before the viewer: the image's left is the
/// patient's right. Texts that mix the two conventions teach a model to swap sides, so a set of captions must
/// declare one. The example in the MISS paper, `000db696-…`, has boxes around (401, 557) and (733, 576) in
/// 1024 x 1024 pixels and calls them "the upper left" and "the upper right": its sides are the image's, and
/// its "upper" is no third of the height, for both lie in the middle one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// Left is where the image's left edge is. The captions of the MISS paper.
    #[default]
    ImageSide,
    /// Left is the patient's left, as radiologists write. Only right for frontal images shown as usual.
    PatientSide,
}

/// A coarse place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The third of the height.
    pub height: Third,
    /// The half of the width.
    pub side: Side,
}

/// A third of the image's height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Third {
    /// At the image's top.
    Upper,
    /// Between.
    Middle,
    /// At the image's bottom.
    Lower,
}

/// A side, under a [`Convention`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// Where the centre of `finding` lies in an image of `width` x `height` pixels.
///
/// A centre on a border belongs to what follows it: to the image's right half, to the lower third of two.
#[must_use]
pub fn location(
    finding: &LabelledBox,
    (width, height): (f64, f64),
    convention: Convention,
) -> Location {
    let x = finding.x + finding.width / 2.0;
    let y = finding.y + finding.height / 2.0;
    let on_image_left = x < width / 2.0;
    // On the image's left is the patient's right.
    let is_left = on_image_left == (convention == Convention::ImageSide);
    Location {
        height: match y {
            y if y < height / 3.0 => Third::Upper,
            y if y < height * 2.0 / 3.0 => Third::Middle,
            _ => Third::Lower,
        },
        side: if is_left { Side::Left } else { Side::Right },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64, convention: Convention) -> (Third, Side) {
        let finding = LabelledBox {
            label: None,
            x: x - 5.0,
            y: y - 10.0,
            width: 10.0,
            height: 20.0,
        };
        let found = location(&finding, (1024.0, 1024.0), convention);
        (found.height, found.side)
    }

    #[test]
    fn the_example_of_the_paper_has_image_sides() {
        let image = |x, y| at(x, y, Convention::ImageSide);
        assert_eq!(image(401.0, 557.0), (Third::Middle, Side::Left));
        assert_eq!(image(733.0, 576.0), (Third::Middle, Side::Right));
        let patient = |x, y| at(x, y, Convention::PatientSide);
        assert_eq!(patient(401.0, 557.0), (Third::Middle, Side::Right));
        assert_eq!(patient(733.0, 576.0), (Third::Middle, Side::Left));
    }

    #[test]
    fn mirroring_the_image_swaps_the_sides_and_nothing_else() {
        for step in 0..1024 {
            let (x, y) = (f64::from(step) + 0.25, f64::from(step * 7 % 1024));
            for convention in [Convention::ImageSide, Convention::PatientSide] {
                let (third, side) = at(x, y, convention);
                let (mirrored_third, mirrored_side) = at(1024.0 - x, y, convention);
                assert_eq!(third, mirrored_third);
                assert_ne!(side, mirrored_side);
                assert_eq!(third as usize, (y * 3.0 / 1024.0) as usize);
            }
        }
    }
}
