#![doc = include_str!("../README.md")]

pub mod audit;
mod describe;
mod draw;
pub mod embed;
pub mod file;
pub mod image;
pub mod manifest;
pub mod order;
pub mod record;
pub mod split;
pub mod text;
pub mod vqa_rad;

pub use audit::Audit;
pub use describe::{DescribeError, describe};
pub use draw::draw;
pub use file::write_atomic;
pub use image::{ImageError, ImageSet, decode_rgb};
pub use manifest::Manifest;
pub use order::{Order, mix};
pub use record::{AnswerType, Question, Questions};
pub use split::Split;
pub use text::Tokenizer;
