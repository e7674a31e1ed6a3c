//! Members of zip archives.

use std::io::{Read, Seek};

use zip::ZipArchive;

use super::{ArchiveError, MAX_MEMBERS, MAX_RATIO, RATIO_FREE, Sink};

pub(super) fn extract(reader: impl Read + Seek, sink: &mut Sink<'_>) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(reader).map_err(|error| sink.damaged(error))?;
    if archive.len() > MAX_MEMBERS {
        return Err(sink.limit(format!("it has more than {MAX_MEMBERS} members")));
    }
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
