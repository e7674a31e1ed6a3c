#![doc = include_str!("../README.md")]

mod batch;
mod config;
mod device;
mod error;
mod estimate;
mod finetune;
mod guard;
mod journal;
mod observe;
mod predict;
mod pretrain;
mod schedule;
mod state;

pub use burn::tensor::Device;
pub use config::{FinetuneConfig, PredictConfig, PretrainConfig};
pub use device::{DeviceError, open_device};
pub use error::EngineError;
pub use estimate::{Estimate, Workload, matrix_rate};
pub use finetune::{Pretrained, finetune};
pub use miss_model::{
    ConfigError, ImageEncoderConfig, ImageWork, ItcTargets, ModelConfig, Precision, TextConfig,
};
pub use observe::{Ended, Observer, StepEvent};
pub use predict::{Answer, predict};
pub use pretrain::{Pair, pretrain};
