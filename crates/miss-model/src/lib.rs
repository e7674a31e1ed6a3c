#![doc = include_str!("../README.md")]

mod attention;
mod attention_map;
mod baseline;
mod checkpoint;
mod config;
mod gelu;
mod generate;
mod hash;
mod head;
mod image_encoder;
mod init;
pub mod losses;
mod masking;
mod momentum;
mod negatives;
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
pub use baseline::{BaselinePretrainModel, Masked, MatchAndUnmask, Teacher, masked_probabilities};
pub use checkpoint::{
    Checkpoint, CheckpointError, Family, LoadEntry, LoadOptions, LoadReport, TokenTypes,
    export_hugging_face, original_names,
};
pub use config::{ConfigError, ImageEncoderConfig, ImageWork, ModelConfig, Precision, TextConfig};
pub use generate::{
    BeamSearch, GenerateError, Generated, LengthRule, PrefixTree, RankScoring, Ranked, Ranking,
    Sampling,
};
pub use head::LanguageModelHead;
pub use image_encoder::ImageEncoder;
pub use losses::ItcTargets;
pub use masking::Masking;
pub use negatives::hard_negatives;
pub use position::interpolate_positions;
pub use pretrain::{
    Aim, Captions, Contrast, Encoders, MatchAndCaption, NegativePair, PretrainModel, TiedDecoder,
};
pub use queues::Queues;
pub use rows::{Rows, Slots};
pub use sizes::Size;
pub use text::{CrossSource, FeedForward, LayerParts, TextEmbeddings, TextLayer, TextStack};
pub use tokens::{SpecialTokens, Targets, Tokens};
pub use vqa::{Answers, Explanation, QuestionStates, Questions, VqaModel};
pub use weights::{WeightsError, load, save};
