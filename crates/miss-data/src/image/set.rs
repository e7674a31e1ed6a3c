//! All images of a run, decoded once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::{ImageError, decode_rgb, stretch};

/// Images of one size, decoded and stretched once and kept in memory as bytes: `size * size * 3` each.
#[derive(Debug, Clone)]
pub struct ImageSet {
    size: u32,
    positions: BTreeMap<String, usize>,
    pixels: Vec<u8>,
}

impl ImageSet {
    /// Decodes the images `names` below the folder `dir`, in parallel, and stretches them to `size` x `size` pixels.
    /// A name may be given more than once.
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
        let impossible = || ImageError::Size { size, images: names.len() };
        let bytes = bytes_of_one(size).filter(|&bytes| bytes > 0).ok_or_else(impossible)?;
        let whole = bytes.checked_mul(names.len()).ok_or_else(impossible)?;

        let mut pixels = Vec::new();
        pixels.try_reserve_exact(whole).map_err(|_| impossible())?;
        pixels.resize(whole, 0);
        let loaded: Vec<Result<(), ImageError>> = pixels
            .par_chunks_exact_mut(bytes)
            .zip(names.par_iter())
            .map(|(target, name)| {
                let stretched = stretch(&decode_rgb(&dir.join(name))?, size, size).ok_or_else(impossible)?;
                target.copy_from_slice(&stretched);
                Ok(())
            })
            .collect();
        // In name order, so that the same error is told whichever thread was first.
        loaded.into_iter().collect::<Result<(), _>>()?;
        let positions = names.into_iter().enumerate().map(|(position, name)| (name, position)).collect();
        Ok(Self { size, positions, pixels })
    }

    /// Pixels a side.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The pixels of an image, rows from the top, three bytes a pixel: `[size, size, 3]`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let bytes = bytes_of_one(self.size)?;
        let start = self.positions.get(name)? * bytes;
        self.pixels.get(start..start + bytes)
    }
}

fn bytes_of_one(size: u32) -> Option<usize> {
    let side = usize::try_from(size).ok()?;
    side.checked_mul(side)?.checked_mul(3)
}
