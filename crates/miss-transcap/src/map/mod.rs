//! From what a dataset says of an image to its attributes.

pub mod vqa_rad;
