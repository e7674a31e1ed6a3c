//! Resizing as the published pipelines do it.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// The image stretched to `width` x `height` pixels, RGB rows one after another: `[height, width, 3]`.
///
/// Bicubic with a = -0.5 (Catmull-Rom), the kernel widened when shrinking, no crop, aspect ratio not kept: Pillow's
/// `BICUBIC`, which it equals to within one level. `None` if a side of either image is 0.
#[must_use]
pub fn stretch(image: &RgbImage, width: u32, height: u32) -> Option<Vec<u8>> {
    if width == 0 || height == 0 {
        return None;
    }
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3).ok()?;
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new().resize(&source, &mut target, &options).ok()?;
    Some(target.into_vec())
}
