//! What can stop training or prediction.

use std::path::{Path, PathBuf};

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The sizes of the model do not fit together.
    #[error("model: {0}")]
    Model(#[from] miss_model::ConfigError),
    /// Weights could not be saved or do not fit.
    #[error(transparent)]
    Weights(#[from] miss_model::WeightsError),
    /// Answers could not be written.
    #[error(transparent)]
    Generate(#[from] miss_model::GenerateError),
    /// The device failed while it computed.
    #[error(
        "the device did not give back what it computed: {0}; \
         a smaller batch may fit, and the run goes on from its last state when called again"
    )]
    Device(String),
    /// bfloat16 on a device that has none.
    #[error("this device cannot multiply in bf16; set model.precision to \"fp32\"")]
    Precision,
    /// A text could not be tokenised.
    #[error("record {record}: {reason}")]
    Text {
        /// The record.
        record: String,
        /// What the tokenizer said.
        reason: String,
    },
    /// A record names an image that is not among those loaded.
    #[error(
        "record {record} names image {image}, which was not loaded; load every image that the records name"
    )]
    NoImage {
        /// The record.
        record: String,
        /// The image.
        image: String,
    },
    /// There is nothing to learn from, or too little.
    #[error("{what}: {have} records, and at least {need} are needed")]
    TooFew {
        /// What was asked for.
        what: &'static str,
        /// Records there are.
        have: usize,
        /// Records there must be.
        need: usize,
    },
    /// A text is longer than the model has positions for.
    #[error(
        "{what} may have {tokens} tokens, but the model has {positions} positions; lower the one or raise text.positions"
    )]
    TooLong {
        /// Captions, questions or answers.
        what: &'static str,
        /// Tokens they may have.
        tokens: usize,
        /// Positions of the model.
        positions: usize,
    },
    /// The loss is not a number any more.
    #[error("the loss of step {step} is {loss}; lower the learning rate. Records of the step: {}", records.join(", "))]
    NotFinite {
        /// The step, from 1.
        step: usize,
        /// The loss.
        loss: f64,
        /// What was in the batch.
        records: Vec<String>,
    },
    /// A file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

impl EngineError {
    /// A failure at `path`.
    pub(crate) fn at(path: &Path) -> impl Fn(String) -> Self + '_ {
        move |reason| Self::File {
            path: path.to_path_buf(),
            reason,
        }
    }
}

impl From<burn::tensor::TensorReadError> for EngineError {
    fn from(error: burn::tensor::TensorReadError) -> Self {
        Self::Device(format!("{error:?}"))
    }
}
