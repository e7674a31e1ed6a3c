//! Images that are missing, cut short, empty, enormous or not images.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat, RgbaImage};
use miss_data::image::{ImageError, ImageSet, MAX_FILE_BYTES, decode_rgb, stretch};

fn real_jpeg() -> Vec<u8> {
    fs::read(common::embedded().join("images/synpic54610.jpg")).unwrap()
}

fn written(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn a_jpeg_cut_anywhere_is_an_error_and_never_a_grey_area() {
    let folder = tempfile::tempdir().unwrap();
    let whole = real_jpeg();
    for share in 1..20 {
        let path = written(folder.path(), "cut.jpg", &whole[..whole.len() * share / 20]);
        let error = decode_rgb(&path).unwrap_err();
        assert!(
            matches!(
                error,
                ImageError::Truncated { .. } | ImageError::Decode { .. }
            ),
            "{error}"
        );
        assert!(
            error.to_string().contains("cut.jpg") && error.to_string().contains("fetch it again")
        );
    }
    let path = written(folder.path(), "cut.jpg", &whole[..whole.len() - 2]);
    assert!(matches!(
        decode_rgb(&path),
        Err(ImageError::Truncated { .. })
    ));
}

#[test]
fn a_png_cut_in_its_pixels_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let image = GrayImage::from_fn(64, 64, |x, y| image::Luma([(x * 7919 + y * 104_729) as u8]));
    let whole = png(&image.into());
    for share in 0..18 {
        let path = written(folder.path(), "cut.png", &whole[..whole.len() * share / 20]);
        assert!(decode_rgb(&path).is_err(), "{share}/20 of the file decode");
    }
}

#[test]
fn absent_empty_foreign_and_oversized_files_each_have_their_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("absent.jpg");
    assert!(matches!(decode_rgb(&missing), Err(ImageError::Missing { path }) if path == missing));
    let empty = written(folder.path(), "empty.jpg", b"");
    assert!(matches!(decode_rgb(&empty), Err(ImageError::Empty { .. })));
    assert!(matches!(
        decode_rgb(folder.path()),
        Err(ImageError::Io { .. })
    ));
    for bytes in [
        &b"<html>not found</html>"[..],
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        &[0; 4096],
    ] {
        let path = written(folder.path(), "foreign.jpg", bytes);
        let error = decode_rgb(&path).unwrap_err();
        assert!(matches!(error, ImageError::Decode { .. }), "{error}");
        assert!(error.to_string().contains("foreign.jpg"), "{error}");
    }
    let huge = folder.path().join("huge.jpg");
    fs::File::create(&huge)
        .unwrap()
        .set_len(MAX_FILE_BYTES + 1)
        .unwrap();
    assert!(
        matches!(decode_rgb(&huge), Err(ImageError::TooManyBytes { bytes, .. }) if bytes == MAX_FILE_BYTES + 1)
    );
}

#[test]
fn a_header_that_announces_too_much_is_refused_before_decoding() {
    let folder = tempfile::tempdir().unwrap();
    // The size stands in the JPEG's frame header: marker, length, precision, height, width.
    let mut jpeg = real_jpeg();
    let frame = jpeg
        .windows(2)
        .position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xC0..=0xC2))
        .unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    // And in the PNG's first chunk, whose checksum has to fit.
    let mut png = png(&RgbaImage::new(1, 1).into());
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    for (name, bytes) in [("bomb.jpg", jpeg), ("bomb.png", png)] {
        let error = decode_rgb(&written(folder.path(), name, &bytes)).unwrap_err();
        assert!(matches!(error, ImageError::TooManyPixels { .. }), "{error}");
        assert!(
            error.to_string().contains(name) && error.to_string().contains("655"),
            "{error}"
        );
    }
}

/// CRC-32 of ISO 3309, as PNG uses it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |register, &byte| {
        (0..8).fold(register ^ u32::from(byte), |bits, _| {
            (bits >> 1) ^ (0xEDB8_8320 * (bits & 1))
        })
    })
}

#[test]
fn every_single_changed_byte_gives_pixels_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let image = GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * 16 + y) as u8]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode_image(&image)
        .unwrap();
    for whole in [jpeg, png(&image.into())] {
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0xFF;
            let _ = decode_rgb(&written(folder.path(), "damaged", &damaged));
        }
    }
}

#[test]
fn transparency_is_dropped_and_16_bits_are_scaled() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = RgbaImage::from_pixel(2, 2, image::Rgba([10, 20, 30, 0]));
    let path = written(folder.path(), "hidden.png", &png(&hidden.into()));
    assert!(
        decode_rgb(&path)
            .unwrap()
            .pixels()
            .all(|pixel| pixel.0 == [10, 20, 30])
    );
    type Deep = image::ImageBuffer<image::Luma<u16>, Vec<u16>>;
    let deep = Deep::from_fn(256, 256, |x, y| image::Luma([(y * 256 + x) as u16]));
    let path = written(folder.path(), "deep.png", &png(&deep.clone().into()));
    let decoded = decode_rgb(&path).unwrap();
    for (found, value) in decoded.pixels().zip(deep.pixels()) {
        let scaled = (f64::from(value[0]) * 255.0 / 65535.0).round() as u8;
        assert_eq!(found.0, [scaled; 3]);
    }
}

#[test]
fn a_set_holds_each_image_once_at_one_size() {
    let folder = common::embedded().join("images");
    let names = ["synpic54610.jpg", "synpic29265.jpg", "synpic54610.jpg"];
    let set = ImageSet::load(&folder, names, 32).unwrap();
    assert_eq!((set.len(), set.size(), set.is_empty()), (2, 32, false));
    for name in names {
        let alone = stretch(&decode_rgb(&folder.join(name)).unwrap(), 32, 32);
        assert_eq!(set.get(name), Some(alone.as_slice()));
    }
    assert_eq!(set.get("synpic1.jpg"), None);
    let none = ImageSet::load(&folder, Vec::<String>::new(), 32).unwrap();
    assert!(none.is_empty() && none.get("x").is_none());
}

#[test]
fn a_set_never_leaves_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = written(folder.path(), "outside.jpg", &real_jpeg());
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    for name in ["../outside.jpg", outside.to_str().unwrap(), "", "a/../../b"] {
        let error = ImageSet::load(&inside, [name], 8).unwrap_err();
        assert!(matches!(error, ImageError::Outside { .. }), "{error}");
        assert!(error.to_string().contains("inside") && error.to_string().contains(name));
    }
}

#[test]
fn a_set_reports_the_first_unusable_image_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = real_jpeg();
    written(folder.path(), "b.jpg", &jpeg[..jpeg.len() / 2]);
    written(folder.path(), "c.jpg", &jpeg);
    for _ in 0..20 {
        let error = ImageSet::load(folder.path(), ["d.jpg", "c.jpg", "b.jpg"], 8).unwrap_err();
        assert!(matches!(error, ImageError::Truncated { .. }), "{error}");
    }
    for size in [0, u32::MAX] {
        assert!(matches!(
            ImageSet::load(folder.path(), ["c.jpg"], size),
            Err(ImageError::Size { .. })
        ));
    }
}
