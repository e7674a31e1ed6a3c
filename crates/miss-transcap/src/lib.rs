#![doc = include_str!("../README.md")]

pub mod attributes;
mod caption_set;
#[cfg(feature = "client")]
pub mod journal;
#[cfg(feature = "client")]
pub mod llm;
pub mod map;
pub mod noise;
pub mod page;
#[cfg(feature = "client")]
pub mod plan;
#[cfg(feature = "client")]
pub mod price;
mod realise;
#[cfg(feature = "client")]
pub mod run;
pub mod verify;

pub use attributes::{Attributes, Modality, Organ, Plane};
pub use caption_set::{
    CaptionFile, CaptionSet, CaptionsError, MadeBy, Rejected, read_caption_file, read_captions,
    write_caption_file, write_captions,
};
pub use miss_data::{Captions, draw};
pub use realise::{REALISER, Sampler, realise};
pub use verify::{Reason, verify};
