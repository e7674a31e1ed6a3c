//! Resizing as the published pipelines do it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// The image stretched to `width` x `height` pixels, rows from the top, three bytes a pixel:
/// `[height, width, 3]`.
///
/// Bicubic with a = -0.5 (Catmull-Rom), the kernel widened when shrinking, no crop, aspect ratio
/// not kept: Pillow's `BICUBIC`, which it equals to within one level.
#[must_use]
pub fn stretch(image: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    // Rows first, then columns, each in a pass of its own: the kernel overshoots and is cut to 8
    // bits after either pass, so that the other order gives other pixels.
    let wide = pass(image.as_raw(), (image.width(), image.height()), (width, image.height()));
    pass(&wide, (width, image.height()), (width, height))
}

fn pass(pixels: &[u8], from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
    let source = ImageRef::new(from.0, from.1, pixels, PixelType::U8x3)
        .expect("three bytes for each of the image's pixels");
    let mut target = Image::new(to.0, to.1, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both images are of one pixel type and not cropped");
    target.into_vec()
}
