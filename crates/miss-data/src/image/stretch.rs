//! Resizing as the published pipelines do it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// The image stretched to `width` x `height` pixels, rows from the top, three bytes a pixel: `[height, width, 3]`.
///
/// Bicubic with a = -0.5 (Catmull-Rom), the kernel widened when shrinking, no crop, aspect ratio not kept: Pillow's
/// `BICUBIC`, which it equals to within one level.
#[must_use]
pub fn stretch(image: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    let source = ImageRef::new(
        image.width(),
        image.height(),
        image.as_raw(),
        PixelType::U8x3,
    )
    .expect("an RgbImage holds three bytes for each of its pixels");
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both images are of one pixel type and not cropped");
    target.into_vec()
}
