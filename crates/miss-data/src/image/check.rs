//! Finding broken images before anything is computed from them.

use std::path::Path;

use rayon::prelude::*;

use super::ImageError;
use super::decode::decode_below;

/// What is wrong with those of the images `names` below the folder `dir` that cannot be decoded, in
/// the order of `names`. They are decoded in parallel and nothing of them is kept.
#[must_use]
pub fn broken(dir: &Path, names: &[&str]) -> Vec<ImageError> {
    names
        .par_iter()
        .filter_map(|name| decode_below(dir, name).err())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::image::RgbImage;

    #[test]
    fn every_broken_image_is_told_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        RgbImage::new(4, 4).save(at("good.png")).unwrap();
        let bytes = std::fs::read(at("good.png")).unwrap();
        std::fs::write(at("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
        let names = ["missing.png", "good.png", "cut.png", "../good.png"];
        let told: Vec<String> = broken(folder.path(), &names)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (told, said) in told.iter().zip(["missing.png", "cut.png", "not lie below"]) {
            assert!(told.contains(said), "{told}");
        }
    }
}
