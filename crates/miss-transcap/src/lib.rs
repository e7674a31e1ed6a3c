#![doc = include_str!("../README.md")]

pub mod attributes;
mod caption_set;
#[cfg(feature = "client")]
pub mod llm;
pub mod map;
mod realise;

pub use attributes::{Attributes, Modality, Organ, Plane};
pub use caption_set::{CaptionSet, CaptionsError, read_captions, write_captions};
pub use miss_data::{Captions, draw};
pub use realise::{REALISER, Sampler, realise};
