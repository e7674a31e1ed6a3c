#![doc = include_str!("../README.md")]

pub mod audit;
mod describe;
mod draw;
pub mod embed;
pub mod figure;
pub mod file;
pub mod format;
pub mod image;
pub mod labelled;
pub mod loader;
pub mod manifest;
pub mod order;
pub mod read;
pub mod record;
pub mod split;
pub mod text;
pub mod vqa_rad;

pub use audit::Audit;
pub use describe::{DescribeError, describe};
pub use draw::draw;
pub use figure::{Figure, Figures};
pub use file::write_atomic;
pub use format::Format;
pub use image::{ImageError, ImageSet, decode_rgb};
pub use labelled::{LabelledImage, LabelledImages};
pub use loader::Loader;
pub use manifest::Manifest;
pub use order::{Batches, Epochs, Order, mix};
pub use read::{Finding, Read, ReadError};
pub use record::{AnswerType, Language, Part, Question, Questions};
pub use split::Split;
pub use text::Tokenizer;
