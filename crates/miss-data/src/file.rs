//! Writing files so that a reader never sees half of one, and naming their contents by hash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// What the name of a file that is not yet whole ends in.
pub(crate) const PART_SUFFIX: &str = ".part";

/// Writes `bytes` to `path` whole or not at all.
///
/// The bytes go to a temporary file in the same folder, are synced to disk and renamed over `path`;
/// the folder is synced too, so that the new name survives a power cut. The folder must exist.
///
/// # Errors
///
/// Any failure of the file system; the old file, if there was one, is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Like [`write_atomic`], for what is too large to be held: `write` gives it piece by piece.
///
/// # Errors
///
/// Any failure of the file system or of `write`; the old file, if there was one, is then untouched.
pub fn write_atomic_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = temporary_beside(path)?;
    let written = write_synced(&temporary, write).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: the first error is the one worth reporting.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(path)
}

/// Lower-case hexadecimal sha256 of `bytes`.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal sha256 of the file at `path`, read in pieces.
///
/// # Errors
///
/// The file cannot be opened or read.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    sha256_read(File::open(path)?)
}

/// Lower-case hexadecimal sha256 of what is left of `file`, read in pieces.
pub(crate) fn sha256_read(mut file: impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0_u8; 1 << 16];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&piece[..count]);
    }
}

pub(crate) fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest
        .iter()
        .fold(String::with_capacity(digest.len() * 2), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A name no other thread or process uses: hidden, in the same folder so that the rename cannot
/// cross file systems.
fn temporary_beside(path: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let message = format!("{} does not name a file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let suffix = format!(".{}.{count}.tmp", std::process::id());
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(suffix);
    Ok(path.with_file_name(hidden))
}

fn write_synced(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

#[cfg(unix)]
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Only Unix lets a folder be opened and synced.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_and_nothing_is_left_beside_it() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("metrics.json");
        write_atomic(&path, b"old, and longer than the new one")?;
        write_atomic(&path, b"new")?;
        assert_eq!(fs::read(&path)?, b"new");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_temporary() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        // A rename over a folder that is not empty fails after the temporary file was written.
        let path = folder.path().join("taken");
        fs::create_dir(&path)?;
        fs::write(path.join("inside"), b"kept")?;
        assert!(write_atomic(&path, b"new").is_err());
        assert_eq!(fs::read(path.join("inside"))?, b"kept");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_missing_folder_and_a_nameless_path_are_errors() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        assert!(write_atomic(&folder.path().join("absent/file"), b"x").is_err());
        assert!(write_atomic(Path::new("/"), b"x").is_err());
        Ok(())
    }

    #[test]
    fn many_writers_leave_one_whole_file() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("shared");
        std::thread::scope(|scope| {
            for writer in 0..8_u8 {
                let path = &path;
                scope.spawn(move || {
                    (0..20).for_each(|_| write_atomic(path, &[writer; 4096]).expect("written"))
                });
            }
        });
        let bytes = fs::read(&path)?;
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.iter().all(|&byte| byte == bytes[0]));
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn hashes_equal_the_published_vectors() -> io::Result<()> {
        // FIPS 180-2, appendix B.1 and B.3.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), abc);
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("million");
        fs::write(&path, vec![b'a'; 1_000_000])?;
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        assert_eq!(sha256_file(&path)?, million);
        Ok(())
    }
}
