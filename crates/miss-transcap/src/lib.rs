#![doc = include_str!("../README.md")]

mod attributes;
mod caption_set;
mod phrases;
mod realise;
pub mod vqa_rad;

pub use attributes::{Attributes, Modality, Organ, Plane};
pub use caption_set::{CaptionSet, CaptionsError, read_captions, write_captions};
pub use miss_data::draw;
pub use realise::{REALISER, realise};
