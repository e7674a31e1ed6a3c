//! Members of zip archives.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::ZipArchive;

use super::{ArchiveError, MAX_RATIO, RATIO_FREE, Sink};

/// Bytes of a directory for members that nobody wants: the library holds all of it, and more, in
/// memory.
const DIRECTORY: u64 = 16 << 20;
/// Bytes of a directory for each member that is wanted.
const DIRECTORY_EACH: u64 = 1 << 10;

pub(super) fn extract(reader: impl Read + Seek, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let limit = DIRECTORY + DIRECTORY_EACH * sink.wanted.len() as u64;
    let left = Rc::new(Cell::new(limit));
    let reader = Limited {
        reader,
        left: Rc::clone(&left),
    };
    let mut archive = ZipArchive::new(reader).map_err(|error| match left.get() {
        0 => sink.limit(format!(
            "no directory of {} wanted members takes more than {limit} bytes",
            sink.wanted.len()
        )),
        _ => sink.damaged(error),
    })?;
    left.set(u64::MAX);
    if archive.has_duplicate_names() {
        return Err(sink.limit("two members have one name"));
    }
    // One run of compressed bytes that many members share is how a small archive becomes a bomb.
    if archive
        .has_overlapping_entries()
        .map_err(|error| sink.damaged(error))?
    {
        return Err(sink.limit("members share their bytes"));
    }
    for index in 0..archive.len() {
        let name = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            Some(Err(error)) => return Err(sink.damaged(error)),
            None => return Err(sink.damaged("a member has no name")),
        };
        let Some(entry) = sink.wants(&name)? else {
            continue;
        };
        let member = archive
            .by_index(index)
            .map_err(|error| sink.damaged(format!("member `{name}`: {error}")))?;
        // The upper bits of the mode say what a Unix system would make of it.
        let kind = member.unix_mode().map_or(0, |mode| mode & 0o170_000);
        if !member.is_file() || !matches!(kind, 0 | 0o100_000) {
            return Err(sink.hostile(&name, "is no plain file"));
        }
        let (size, compressed) = (member.size(), member.compressed_size());
        // A size that the manifest states is no bomb, and another one is not unpacked.
        if entry.bytes.is_none() && size > RATIO_FREE.max(compressed.saturating_mul(MAX_RATIO)) {
            return Err(sink.limit(format!(
                "member `{name}` claims {size} bytes from {compressed}"
            )));
        }
        sink.take(entry, size, member)?;
    }
    Ok(())
}

/// A reader that gives so many bytes and no more.
struct Limited<R> {
    reader: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        let length = usize::try_from(left).map_or(buffer.len(), |left| buffer.len().min(left));
        let count = self.reader.read(&mut buffer[..length])?;
        self.left.set(left - count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Limited<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}
