//! From records to tensors.

use burn::tensor::{Device, Tensor, TensorData};
use miss_data::image::{BLIP_MEAN, BLIP_STD};
use miss_data::{ImageSet, Tokenizer};
use miss_model::ImageWork;
use rayon::prelude::*;

use crate::error::EngineError;

/// The images called `names`, normalised: `[images, 3, size, size]`.
pub(crate) fn image_tensor(
    images: &ImageSet,
    names: &[&str],
    device: &Device,
) -> Result<Tensor<4>, EngineError> {
    let side = images.size() as usize;
    let plane = side * side;
    let pixels = names
        .iter()
        .map(|name| {
            images.get(name).ok_or_else(|| EngineError::NoImage {
                record: (*name).to_string(),
                image: (*name).to_string(),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut values = vec![0f32; names.len() * 3 * plane];
    values
        .par_chunks_exact_mut(3 * plane)
        .zip(pixels)
        .for_each(|(values, pixels)| {
            for (channel, values) in values.chunks_exact_mut(plane).enumerate() {
                let (mean, scale) = (BLIP_MEAN[channel], 1.0 / BLIP_STD[channel]);
                for (value, pixel) in values.iter_mut().zip(pixels.chunks_exact(3)) {
                    *value = (f32::from(pixel[channel]) / 255.0 - mean) * scale;
                }
            }
        });
    let data = TensorData::new(values, [names.len(), 3, side, side]);
    Ok(Tensor::from_data(data, device))
}

/// The images to encode for questions about `names`, and for every question the place of its image
/// among them: each image once, in order of appearance, unless the work is to be repeated.
pub(crate) fn images_of<'a>(
    names: impl Iterator<Item = &'a str>,
    work: ImageWork,
) -> (Vec<&'a str>, Vec<usize>) {
    if work == ImageWork::Repeated {
        let names: Vec<&str> = names.collect();
        let places = (0..names.len()).collect();
        return (names, places);
    }
    let mut places = std::collections::HashMap::new();
    let mut distinct = Vec::new();
    let rows = names
        .map(|name| {
            *places.entry(name).or_insert_with(|| {
                distinct.push(name);
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, rows)
}

/// Tokens `[CLS] … [SEP]` of `text`, which belongs to `record`.
pub(crate) fn encode(
    tokenizer: &Tokenizer,
    record: &str,
    text: &str,
    longest: Option<usize>,
) -> Result<Vec<u32>, EngineError> {
    tokenizer
        .encode(text, longest)
        .map_err(|error| EngineError::Text {
            record: record.to_string(),
            reason: error.to_string(),
        })
}

/// The shipped tokenizer.
pub(crate) fn tokenizer() -> Result<Tokenizer, EngineError> {
    Tokenizer::new().map_err(|error| EngineError::Text {
        record: "vocabulary".to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let asked = ["b", "a", "b", "c", "a"];
        let (names, rows) = images_of(asked.into_iter(), ImageWork::Once);
        assert_eq!(names, ["b", "a", "c"]);
        assert_eq!(rows, [0, 1, 0, 2, 1]);
        let (names, rows) = images_of(asked.into_iter(), ImageWork::Repeated);
        assert_eq!(names, asked);
        assert_eq!(rows, [0, 1, 2, 3, 4]);
    }
}
