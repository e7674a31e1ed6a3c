//! All images of a run, decoded once.

use std::collections::BTreeSet;
use std::path::Path;

use rayon::prelude::*;

use super::decode::decode_below;
use super::{ImageError, stretch};

/// Images of one size, decoded and stretched once and kept in memory: `size * size * 3` bytes each.
#[derive(Debug, Clone)]
pub struct ImageSet {
    size: u32,
    /// Sorted; the pixels lie in the same order.
    names: Vec<String>,
    pixels: Vec<u8>,
}

impl ImageSet {
    /// Decodes the images `names` below the folder `dir`, in parallel, and stretches them to
    /// `size` x `size` pixels. A name may be given more than once.
    ///
    /// # Errors
    ///
    /// [`ImageError`] of the first image, by name, that cannot be used.
    pub fn load<Names>(dir: &Path, names: Names, size: u32) -> Result<Self, ImageError>
    where
        Names: IntoIterator,
        Names::Item: Into<String>,
    {
        let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
        let names: Vec<String> = names.into_iter().collect();
        let impossible = || ImageError::Size {
            size,
            images: names.len(),
        };
        let one = bytes_of_one(size)
            .filter(|&bytes| bytes > 0)
            .ok_or_else(impossible)?;
        let all = one.checked_mul(names.len()).ok_or_else(impossible)?;

        let mut pixels = Vec::new();
        pixels.try_reserve_exact(all).map_err(|_| impossible())?;
        pixels.resize(all, 0);
        let loaded: Vec<Result<(), ImageError>> = pixels
            .par_chunks_exact_mut(one)
            .zip(&names)
            .map(|(target, name)| {
                target.copy_from_slice(&stretch(&decode_below(dir, name)?, size, size));
                Ok(())
            })
            .collect();
        // In name order, so that the same error is told whichever thread was first.
        loaded.into_iter().collect::<Result<(), _>>()?;
        Ok(Self {
            size,
            names,
            pixels,
        })
    }

    /// Pixels a side.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The pixels of an image, rows from the top, three bytes a pixel: `[size, size, 3]`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let position = self
            .names
            .binary_search_by(|known| known.as_str().cmp(name))
            .ok()?;
        self.pixels
            .chunks_exact(bytes_of_one(self.size)?)
            .nth(position)
    }
}

fn bytes_of_one(size: u32) -> Option<usize> {
    let side = usize::try_from(size).ok()?;
    side.checked_mul(side)?.checked_mul(3)
}
