//! Members of tar archives.
//!
//! Headers are taken raw: long names and extensions are read here, under a cap, rather than by the
//! library, which reads them whole whatever size they claim.

use std::io::{self, Read};

use tar::{Archive, EntryType, PaxExtensions};

use super::{ArchiveError, MAX_MEMBERS, Sink};

/// Bytes of a long name or of an extended header.
const MAX_HEADER: u64 = 1 << 16;

/// Takes members out of a stream of at most `limit` bytes.
pub(super) fn extract(
    reader: impl Read,
    limit: u64,
    sink: &mut Sink<'_>,
) -> Result<(), ArchiveError> {
    // One byte more than allowed tells a stream that is too long from one that ends.
    let mut archive = Archive::new(reader.take(limit.saturating_add(1)));
    let read = members(&mut archive, sink);
    if archive.into_inner().limit() == 0 {
        return Err(sink.limit(format!("it unpacks to more than {limit} bytes")));
    }
    read
}

fn members<R: Read>(
    archive: &mut Archive<io::Take<R>>,
    sink: &mut Sink<'_>,
) -> Result<(), ArchiveError> {
    let entries = archive.entries().map_err(|error| sink.damaged(error))?;
    let mut long_name = None;
    let mut count = 0;
    for member in entries.raw(true) {
        let mut member = member.map_err(|error| sink.damaged(error))?;
        count += 1;
        if count > MAX_MEMBERS {
            return Err(sink.limit(format!("it has more than {MAX_MEMBERS} members")));
        }
        let kind = member.header().entry_type();
        let size = member
            .header()
            .entry_size()
            .map_err(|error| sink.damaged(error))?;
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            if size > MAX_HEADER {
                return Err(sink.limit(format!("a header of {size} bytes")));
            }
            let mut header = Vec::new();
            member
                .read_to_end(&mut header)
                .map_err(|error| sink.damaged(error))?;
            if kind.is_gnu_longname() {
                let end = header.iter().position(|&byte| byte == 0);
                header.truncate(end.unwrap_or(header.len()));
                long_name = Some(header);
            } else {
                for extension in PaxExtensions::new(&header) {
                    let extension = extension.map_err(|error| sink.damaged(error))?;
                    match extension.key_bytes() {
                        b"path" => long_name = Some(extension.value_bytes().to_vec()),
                        // Only files beyond 8 GB need it, and it would shift all that follows.
                        b"size" => return Err(sink.damaged("a size in an extended header")),
                        _ => {}
                    }
                }
            }
            continue;
        }
        if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
            continue;
        }
        let name = match long_name.take() {
            Some(name) => name,
            None => member.path_bytes().into_owned(),
        };
        let name = String::from_utf8_lossy(&name).into_owned();
        let Some(entry) = sink.wants(&name)? else {
            continue;
        };
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            return Err(sink.hostile(&name, "is no plain file"));
        }
        sink.take(entry, size, member)?;
    }
    Ok(())
}
