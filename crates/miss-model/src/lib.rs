#![doc = include_str!("../README.md")]

mod attention;
mod attention_map;
mod config;
mod generate;
mod head;
mod image_encoder;
mod init;
pub mod losses;
mod momentum;
mod patches;
mod position;
mod precision;
mod pretrain;
mod queues;
mod rows;
mod sizes;
mod text;
mod tokens;
mod vqa;
mod weights;

pub use attention::{Attention, KeyValue};
pub use attention_map::AttentionMap;
pub use config::{ConfigError, ImageEncoderConfig, ImageWork, ModelConfig, Precision, TextConfig};
pub use generate::{BeamSearch, Generated};
pub use head::LanguageModelHead;
pub use image_encoder::ImageEncoder;
pub use position::interpolate_positions;
pub use pretrain::{
    Captions, Contrast, Encoders, MatchAndCaption, NegativePair, PretrainModel, TiedDecoder,
};
pub use queues::Queues;
pub use rows::Rows;
pub use sizes::Size;
pub use text::{CrossSource, FeedForward, LayerParts, TextEmbeddings, TextLayer, TextStack};
pub use tokens::{SpecialTokens, Targets, Tokens};
pub use vqa::{Answers, Explanation, QuestionStates, Questions, VqaModel};
pub use weights::{WeightsError, load, save};
