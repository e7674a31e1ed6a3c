//! Images made to do harm: none panics, none takes more memory than allowed, each that cannot be
//! used says so with its name. JPEG and PNG here; DICOM in `hostile_dicom.rs`.
#![allow(clippy::unwrap_used)]

#[path = "common/hostile.rs"]
mod hostile;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hostile::{Case, alone, check};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

#[global_allocator]
static PEAK: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = (content.len() as u32).to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(content);
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[4..]);
    bytes.extend(crc.sum().to_be_bytes());
    bytes
}

/// Bit depth 8; colour 0 is grey, 3 a palette.
fn header(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let mut content = [width.to_be_bytes(), height.to_be_bytes()].concat();
    content.extend([8, colour, 0, 0, 0]);
    chunk(b"IHDR", &content)
}

fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunks.concat(),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// 8 x 8 grey pixels.
fn data() -> Vec<u8> {
    chunk(b"IDAT", &zlib(&[0; 9 * 8]))
}

fn good_png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..64 * 64 * 3_u32)
        .map(|value| (value * 7919 % 251) as u8)
        .collect();
    PngEncoder::new(&mut bytes)
        .write_image(&pixels, 64, 64, ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

fn good_jpeg() -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..64 * 64 * 3_u32)
        .map(|value| (value * 7919 % 251) as u8)
        .collect();
    JpegEncoder::new(&mut bytes)
        .encode(&pixels, 64, 64, ExtendedColorType::Rgb8)
        .unwrap();
    bytes
}

/// Where a JPEG's marker stands.
fn marker(bytes: &[u8], marker: u8) -> usize {
    bytes
        .windows(2)
        .position(|two| two == [0xFF, marker])
        .unwrap()
}

fn with_size(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = good_jpeg();
    let frame = marker(&bytes, 0xC0);
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// The scan's segment and data repeated, the frame called progressive.
fn many_scans(count: usize) -> Vec<u8> {
    let mut bytes = good_jpeg();
    let (frame, scan) = (marker(&bytes, 0xC0), marker(&bytes, 0xDA));
    bytes[frame + 1] = 0xC2;
    // Luma's lowest coefficient alone, without data.
    let one = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0];
    [&bytes[..scan], &one.repeat(count), &[0xFF, 0xD9]].concat()
}

#[test]
fn hostile_png_and_jpeg() {
    let _alone = alone();
    let zeros = zlib(&vec![0; 200 << 20]);
    let text = [b"Comment\0\0".as_slice(), &zeros].concat();
    let profile = [b"icc\0\0".as_slice(), &zeros].concat();
    let palette_only = [header(8, 8, 3), data()];
    let (good, jpeg) = (good_png(), good_jpeg());
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let scan = marker(&jpeg, 0xDA);
    let frame = marker(&jpeg, 0xC0);
    let again = [&jpeg[..scan], &jpeg[frame..scan], &jpeg[scan..]].concat();
    let cut_tables = [&jpeg[..frame], &[0xFF, 0xD9]].concat();
    let mut arithmetic = jpeg.clone();
    arithmetic[frame + 1] = 0xC9;
    let mut twelve = jpeg.clone();
    twelve[frame + 4] = 12;
    let mut channels = jpeg.clone();
    channels[frame + 9] = 200;
    let long_segment = [&[0xFF, 0xD8, 0xFF, 0xE1, 0xFF, 0xFF], [0; 64].as_slice()].concat();

    let cases = [
        Case::fails(
            "bomb.png",
            png(&[header(60_000, 60_000, 0), data()]),
            "60000 x 60000",
        ),
        Case::fails(
            "largest.png",
            png(&[header(u32::MAX, u32::MAX, 0), data()]),
            "cannot be decoded|announces",
        ),
        Case::fails(
            "huge.png",
            png(&[header(u32::MAX >> 1, 1, 0), data()]),
            "cannot be decoded|announces",
        ),
        Case::fails(
            "no_rows.png",
            png(&[header(8, 0, 0), data()]),
            "cannot be decoded",
        ),
        Case::any(
            "text_bomb.png",
            png(&[header(8, 8, 0), chunk(b"zTXt", &text), data()]),
        ),
        Case::any(
            "profile_bomb.png",
            png(&[header(8, 8, 0), chunk(b"iCCP", &profile), data()]),
        ),
        Case::any(
            "data_bomb.png",
            png(&[header(8, 8, 0), chunk(b"IDAT", &zeros)]),
        ),
        Case::fails(
            "short_data.png",
            png(&[header(64, 64, 0), data()]),
            "cannot be decoded",
        ),
        Case::fails(
            "no_data.png",
            png(&[header(64, 64, 0)]),
            "cannot be decoded",
        ),
        Case::fails("no_palette.png", png(&palette_only), "cannot be decoded"),
        Case::fails(
            "cut.png",
            good[..good.len() / 2].to_vec(),
            "cannot be decoded",
        ),
        Case::fails("signature.png", good[..8].to_vec(), "cannot be decoded"),
        Case::fails("header_crc.png", flipped(18), "cannot be decoded"),
        Case::fails(
            "data_crc.png",
            flipped(good.len() - 20),
            "cannot be decoded",
        ),
        Case::fails("bomb.jpg", with_size(65_535, 65_535), "65535 x 65535"),
        Case::fails("no_columns.jpg", with_size(0, 8), "cannot be decoded"),
        Case::fails("no_rows.jpg", with_size(8, 0), "cannot be decoded"),
        Case::fails("cut.jpg", jpeg[..jpeg.len() / 2].to_vec(), "truncated"),
        Case::fails("start.jpg", jpeg[..3].to_vec(), "cannot be decoded"),
        Case::fails(
            "two_frames.jpg",
            again,
            "2 frame headers|Two Start of Frame",
        ),
        Case::fails("no_scan.jpg", cut_tables, "cannot be decoded"),
        Case::fails("scan_bomb.jpg", many_scans(5_000), "5000 scans"),
        Case::fails("arithmetic.jpg", arithmetic, "cannot be decoded"),
        Case::fails("twelve_bits.jpg", twelve, "cannot be decoded"),
        Case::fails("channels.jpg", channels, "cannot be decoded"),
        Case::fails(
            "long_segment.jpg",
            long_segment,
            "cannot be decoded|truncated",
        ),
        Case::fails("empty.png", Vec::new(), "is empty"),
        Case::fails(
            "noise.png",
            (0..9_999_u32)
                .map(|value| (value * value % 253) as u8)
                .collect(),
            "cannot be decoded",
        ),
        Case::fails(
            "other.gif",
            b"GIF89a\xff\xff\xff\xff\0\0\0".to_vec(),
            "cannot be decoded",
        ),
    ];
    check(&PEAK, &cases);
}

/// A JPEG whose header announces 2,048 x 2,048 pixels of so many channels, before one scan of one
/// channel without data.
fn large_jpeg(process: u8, channels: u8, sampling: u8) -> Vec<u8> {
    let bytes = good_jpeg();
    let (frame, scan) = (marker(&bytes, 0xC0), marker(&bytes, 0xDA));
    let after = frame + 2 + usize::from(u16::from_be_bytes([bytes[frame + 2], bytes[frame + 3]]));
    let length = 8 + 3 * channels;
    let mut header = vec![0xFF, process, 0, length, 8, 8, 0, 8, 0, channels];
    for channel in 1..=channels {
        // The first has all pixels, the others what is asked for of them.
        header.extend([channel, if channel == 1 { 0x44 } else { sampling }, 0]);
    }
    let last = if process == 0xC0 { 63 } else { 0 };
    let one = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, last, 0, 0xFF, 0xD9];
    [&bytes[..frame], &header, &bytes[after..scan], &one].concat()
}

/// Scans of single channels and progressive ones make a decoder keep the coefficients of all.
#[test]
fn what_announces_much_takes_no_more_bytes_a_pixel_than_documented() {
    let _alone = alone();
    let mut images = Vec::new();
    for process in [0xC0, 0xC2] {
        for (channels, sampling) in [(1, 0), (3, 0x44), (3, 0x11), (4, 0x44), (4, 0x11)] {
            images.push(large_jpeg(process, channels, sampling));
        }
    }
    let mut deep = Vec::new();
    PngEncoder::new(&mut deep)
        .write_image(&vec![0; 8 << 22], 2048, 2048, ExtendedColorType::Rgba16)
        .unwrap();
    images.push(deep);
    for (index, bytes) in images.iter().enumerate() {
        PEAK.reset_peak_usage();
        let before = PEAK.current_usage();
        let result = miss_data::image::decode_rgb_bytes(bytes, std::path::Path::new("large"));
        let taken = PEAK.peak_usage().saturating_sub(before);
        // They are decoded, missing data or not: nothing was refused before memory was taken.
        assert!(result.is_ok(), "{index}: {result:?}");
        assert!(taken <= 12 << 22, "{index}: {taken} bytes");
    }
}

#[test]
fn every_cut_and_many_flips_of_good_files_end_in_order() {
    let _alone = alone();
    for (name, good) in [("a.png", good_png()), ("a.jpg", good_jpeg())] {
        let path = std::path::Path::new(name);
        assert!(miss_data::image::decode_rgb_bytes(&good, path).is_ok());
        for length in (0..good.len()).step_by(37) {
            // A PNG is whole without its last chunk.
            let result = miss_data::image::decode_rgb_bytes(&good[..length], path);
            assert!(
                result.is_err() || length + 12 >= good.len(),
                "{name} cut at {length}"
            );
        }
        for at in (0..good.len()).step_by(29) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            // Whatever comes of it, it comes without a panic.
            let _ = miss_data::image::decode_rgb_bytes(&bytes, path);
        }
    }
}
