//! Checks before the first step.

use burn::tensor::{DType, Device};
use miss_data::ImageSet;
use miss_model::{ModelConfig, Precision};

use crate::error::EngineError;

/// That there are at least `need` records.
pub(crate) fn enough(what: &'static str, have: usize, need: usize) -> Result<(), EngineError> {
    if have < need {
        return Err(EngineError::TooFew { what, have, need });
    }
    Ok(())
}

/// That the model has a position for each of `tokens` tokens.
pub(crate) fn fits(
    what: &'static str,
    tokens: usize,
    model: &ModelConfig,
) -> Result<(), EngineError> {
    let positions = model.text.positions;
    if tokens > positions {
        return Err(EngineError::TooLong {
            what,
            tokens,
            positions,
        });
    }
    Ok(())
}

/// That the device multiplies in the precision asked for.
pub(crate) fn precision(model: &ModelConfig, device: &Device) -> Result<(), EngineError> {
    match model.precision {
        Precision::Bf16 if !device.supports_dtype(DType::BF16) => Err(EngineError::Precision),
        _ => Ok(()),
    }
}

/// That every record's image is loaded: better known now than in the middle of an epoch.
pub(crate) fn images<'a>(
    images: &ImageSet,
    records: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), EngineError> {
    for (record, image) in records {
        if images.get(image).is_none() {
            return Err(EngineError::NoImage {
                record: record.to_string(),
                image: image.to_string(),
            });
        }
    }
    Ok(())
}
