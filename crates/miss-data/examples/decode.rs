//! Decodes image files, DICOM too, to PNG: `decode OUT_FOLDER FILE...` writes `OUT_FOLDER/N.png`
//! for the N-th file, or prints why it cannot be decoded.

#![allow(clippy::print_stdout, reason = "an example speaks to people")]

use std::path::{Path, PathBuf};

use miss_data::decode_rgb;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("usage: decode OUT_FOLDER FILE...")?;
    for (index, file) in arguments.enumerate() {
        match decode_rgb(Path::new(&file)) {
            Ok(image) => image.save(folder.join(format!("{index}.png")))?,
            Err(error) => println!("{index}\t{error}"),
        }
    }
    Ok(())
}
