//! The structure of a DICOM file (PS3.5, section 7; PS3.10, section 7): a walk over its data
//! elements that allocates by what is there, never by what a length field says.
//!
//! Only the elements that make pixels are kept; all others are stepped over. Lengths are checked
//! against the bytes that hold them, nesting and the number of kept elements are limited.

use std::borrow::Cow;
use std::io::{self, Read as _};

use super::super::MAX_FILE_BYTES;
use super::data_set::{DataSet, Value, name, number, text};
use super::tags;

/// Sequences within sequences beyond this depth are refused. Real files have up to about six.
const MAX_DEPTH: usize = 32;
/// Elements and sequence items kept of one file, all frames' functional groups included.
const MAX_KEPT: usize = 1 << 20;
const UNDEFINED: u32 = u32::MAX;
const PREAMBLE: usize = 128;
const MAGIC: &[u8] = b"DICM";

/// Why a file's structure cannot be followed.
pub(super) type Fault = String;

/// How the elements of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) big_endian: bool,
    pub(super) explicit: bool,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct File<'a> {
    /// The transfer syntax UID, if the file names one.
    pub(super) syntax: Option<String>,
    pub(super) big_endian: bool,
    pub(super) elements: DataSet<'a>,
    pub(super) pixels: Pixels<'a>,
}

/// The value of the element Pixel Data.
#[derive(Debug)]
pub(super) enum Pixels<'a> {
    /// As it is, all frames.
    Native(Cow<'a, [u8]>),
    /// Compressed, in fragments.
    Encapsulated {
        /// Where frames begin, in bytes from the first fragment's item; often empty.
        offsets: Vec<u32>,
        fragments: Vec<&'a [u8]>,
    },
}

/// Reads the structure of a file, up to and including Pixel Data.
pub(super) fn read(bytes: &[u8]) -> Result<File<'_>, Fault> {
    let start = match bytes.get(PREAMBLE..PREAMBLE + 4) {
        Some(MAGIC) => PREAMBLE + 4,
        _ => 0,
    };
    let mut walk = Walk::new(bytes, start, LITTLE_EXPLICIT);
    let syntax = walk.file_meta()?;
    let rest = walk.bytes.get(walk.at..).unwrap_or_default();
    let encoding = match syntax.as_deref() {
        Some("1.2.840.10008.1.2") => LITTLE_IMPLICIT,
        Some("1.2.840.10008.1.2.2") => Encoding {
            big_endian: true,
            explicit: true,
        },
        Some("1.2.840.10008.1.2.1.99") => {
            let inflated = inflate(rest)?;
            let mut walk = Walk::new(&inflated, 0, LITTLE_EXPLICIT);
            let (elements, pixels) = walk.root()?;
            return Ok(File {
                syntax,
                big_endian: false,
                elements: elements.into_owned(),
                pixels: pixels.into_native_owned()?,
            });
        }
        // Some writers name a syntax with VRs and leave them out.
        Some(_) if !has_vr(rest) => LITTLE_IMPLICIT,
        Some(_) => LITTLE_EXPLICIT,
        None => guess(rest),
    };
    let mut walk = Walk::new(bytes, walk.at, encoding);
    let (elements, pixels) = walk.root()?;
    Ok(File {
        syntax,
        big_endian: encoding.big_endian,
        elements,
        pixels,
    })
}

const LITTLE_EXPLICIT: Encoding = Encoding {
    big_endian: false,
    explicit: true,
};
const LITTLE_IMPLICIT: Encoding = Encoding {
    big_endian: false,
    explicit: false,
};

/// Whether the first element has a VR.
fn has_vr(bytes: &[u8]) -> bool {
    let vr = bytes.get(4..6).unwrap_or_default();
    vr.len() == 2 && vr.iter().all(u8::is_ascii_uppercase)
}

/// The encoding as the first element shows it, where the file does not say.
fn guess(bytes: &[u8]) -> Encoding {
    Encoding {
        // The first group is a small number.
        big_endian: matches!(bytes, [0, 1..=255, ..]),
        explicit: has_vr(bytes),
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let inflate = || flate2::read::DeflateDecoder::new(bytes).take(MAX_FILE_BYTES + 1);
    let damaged = |error| format!("the deflated data set is damaged: {error}");
    // Counted first: a vector that grows takes up to three times its content.
    let length = io::copy(&mut inflate(), &mut io::sink()).map_err(damaged)?;
    if length > MAX_FILE_BYTES {
        return Err(format!(
            "the deflated data set has more than the {MAX_FILE_BYTES} bytes allowed"
        ));
    }
    let mut inflated = vec![0; length as usize];
    inflate().read_exact(&mut inflated).map_err(damaged)?;
    Ok(inflated)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    encoding: Encoding,
    kept: usize,
}

struct Head {
    tag: u32,
    vr: [u8; 2],
    length: u32,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], at: usize, encoding: Encoding) -> Self {
        Self {
            bytes,
            at,
            encoding,
            kept: 0,
        }
    }

    /// Steps over the elements of group 2 and gives the transfer syntax.
    fn file_meta(&mut self) -> Result<Option<String>, Fault> {
        let mut syntax = None;
        while self.bytes.get(self.at..self.at.saturating_add(2)) == Some(&[2, 0]) {
            let head = self.head()?;
            let value = self.take(head.length as usize, head.tag)?;
            if head.tag == tags::TRANSFER_SYNTAX {
                syntax = Some(text(value).to_owned()).filter(|uid| !uid.is_empty());
            }
        }
        Ok(syntax)
    }

    /// The outermost data set, up to and including Pixel Data.
    fn root(&mut self) -> Result<(DataSet<'a>, Pixels<'a>), Fault> {
        let mut set = DataSet {
            elements: Vec::new(),
            big_endian: self.encoding.big_endian,
        };
        while self.at < self.bytes.len() {
            let head = self.head()?;
            match head.tag {
                tags::PIXEL_DATA if head.length == UNDEFINED => {
                    let pixels = self.fragments()?;
                    return Ok((set, pixels));
                }
                tags::PIXEL_DATA => {
                    let pixels = self.take(head.length as usize, head.tag)?;
                    let mut pixels = Cow::Borrowed(pixels);
                    let small = set.word(tags::BITS_ALLOCATED).is_some_and(|bits| bits <= 8);
                    if self.encoding.big_endian && small && &head.vr == b"OW" {
                        // Bytes that are written as words, the second first.
                        let words = pixels.to_mut().chunks_exact_mut(2);
                        words.for_each(<[u8]>::reverse);
                    }
                    return Ok((set, Pixels::Native(pixels)));
                }
                tags::FLOAT_PIXELS | tags::DOUBLE_PIXELS => {
                    return Err("its pixels are floating-point numbers, which are not supported; convert it to whole numbers with a rescale slope".into());
                }
                // Padding after the last element of some writers.
                0 => break,
                _ => self.value(&head, &mut set, 0)?,
            }
        }
        Err("it has no Pixel Data: it is not an image".into())
    }

    /// Reads or steps over the value of an element.
    fn value(&mut self, head: &Head, set: &mut DataSet<'a>, depth: usize) -> Result<(), Fault> {
        let value = if tags::SEQUENCES.contains(&head.tag) {
            Value::Items(self.items(head, depth, true)?)
        } else if head.length == UNDEFINED {
            self.items(head, depth, false)?;
            return Ok(());
        } else {
            let value = self.take(head.length as usize, head.tag)?;
            if !tags::VALUES.contains(&head.tag) {
                return Ok(());
            }
            Value::Bytes(Cow::Borrowed(value), &head.vr == b"SS")
        };
        self.count()?;
        set.elements.push((head.tag, value));
        Ok(())
    }

    /// The items of a sequence; nothing of them if not `wanted`.
    fn items(
        &mut self,
        head: &Head,
        depth: usize,
        wanted: bool,
    ) -> Result<Vec<DataSet<'a>>, Fault> {
        if depth >= MAX_DEPTH {
            return Err(format!(
                "more than {MAX_DEPTH} sequences lie within one another"
            ));
        }
        let outer = self.encoding;
        if &head.vr == b"UN" {
            // A sequence of unknown VR is written without VRs (PS3.5, section 6.2.2).
            self.encoding = LITTLE_IMPLICIT;
        }
        let end = self.end(head.length, head.tag)?;
        let mut items = Vec::new();
        loop {
            if end.is_some_and(|end| self.at >= end) {
                break;
            }
            let item = self.head()?;
            match item.tag {
                tags::ITEM => {
                    let set = self.item(item.length, depth, wanted)?;
                    if wanted {
                        self.count()?;
                        items.push(set);
                    }
                }
                tags::SEQUENCE_END if end.is_none() => break,
                tag => {
                    return Err(format!(
                        "the sequence {} holds {}, which is no item",
                        name(head.tag),
                        name(tag)
                    ));
                }
            }
        }
        self.encoding = outer;
        Ok(items)
    }

    fn item(&mut self, length: u32, depth: usize, wanted: bool) -> Result<DataSet<'a>, Fault> {
        let mut set = DataSet {
            elements: Vec::new(),
            big_endian: self.encoding.big_endian,
        };
        let end = self.end(length, tags::ITEM)?;
        if !wanted && end.is_some() {
            self.at = end.unwrap_or(self.at);
            return Ok(set);
        }
        loop {
            if end.is_some_and(|end| self.at >= end) {
                return Ok(set);
            }
            let head = self.head()?;
            if head.tag == tags::ITEM_END && end.is_none() {
                return Ok(set);
            }
            if wanted {
                self.value(&head, &mut set, depth + 1)?;
            } else if head.length == UNDEFINED {
                self.items(&head, depth + 1, false)?;
            } else {
                self.take(head.length as usize, head.tag)?;
            }
        }
    }

    fn fragments(&mut self) -> Result<Pixels<'a>, Fault> {
        let mut offsets = None;
        let mut fragments = Vec::new();
        loop {
            let head = self
                .head()
                .map_err(|_| "its fragments of Pixel Data have no end".to_owned())?;
            match head.tag {
                tags::ITEM if head.length != UNDEFINED => {
                    let value = self.take(head.length as usize, head.tag)?;
                    if offsets.is_none() {
                        // The first item is the offset table, even if empty.
                        let words = value.chunks_exact(4);
                        offsets = Some(words.map(|word| number(word, false) as u32).collect());
                    } else {
                        self.count()?;
                        fragments.push(value);
                    }
                }
                tags::SEQUENCE_END => break,
                tag => {
                    return Err(format!(
                        "Pixel Data holds {}, which is no fragment",
                        name(tag)
                    ));
                }
            }
        }
        Ok(Pixels::Encapsulated {
            offsets: offsets.unwrap_or_default(),
            fragments,
        })
    }

    /// Tag, VR and length of the element here.
    fn head(&mut self) -> Result<Head, Fault> {
        let short = || "it stops in the middle of an element".to_owned();
        let at = self.at;
        let bytes = self
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<8>())
            .ok_or_else(short)?;
        let big = self.encoding.big_endian;
        let tag = (number(&bytes[..2], big) as u32) << 16 | number(&bytes[2..4], big) as u32;
        let mut head = Head {
            tag,
            vr: *b"  ",
            length: number(&bytes[4..], big) as u32,
        };
        self.at += 8;
        // Items have no VR.
        if self.encoding.explicit && tag >> 16 != 0xFFFE {
            head.vr = [bytes[4], bytes[5]];
            if !head.vr.iter().all(u8::is_ascii_uppercase) {
                return Err(format!(
                    "{} at byte {at} has the impossible VR {:?}",
                    name(tag),
                    head.vr.escape_ascii().to_string()
                ));
            }
            if SHORT.contains(&&head.vr) {
                head.length = number(&bytes[6..], big) as u32;
            } else {
                // Two reserved bytes, then the length.
                let length = self
                    .bytes
                    .get(self.at..)
                    .and_then(|rest| rest.first_chunk::<4>())
                    .ok_or_else(short)?;
                head.length = number(length, big) as u32;
                self.at += 4;
            }
        }
        Ok(head)
    }

    fn take(&mut self, length: usize, tag: u32) -> Result<&'a [u8], Fault> {
        let value = self
            .at
            .checked_add(length)
            .and_then(|end| self.bytes.get(self.at..end));
        let value = value.ok_or_else(|| {
            let left = self.bytes.len() - self.at.min(self.bytes.len());
            format!(
                "{} announces {length} bytes where the file has {left} more",
                name(tag)
            )
        })?;
        self.at += length;
        Ok(value)
    }

    /// Where a value of this length ends; nothing where a delimiter says it.
    fn end(&self, length: u32, tag: u32) -> Result<Option<usize>, Fault> {
        if length == UNDEFINED {
            return Ok(None);
        }
        match self.at.checked_add(length as usize) {
            Some(end) if end <= self.bytes.len() => Ok(Some(end)),
            _ => Err(format!(
                "{} announces {length} bytes, more than the file has",
                name(tag)
            )),
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.kept += 1;
        if self.kept > MAX_KEPT {
            return Err(format!("it has more than {MAX_KEPT} elements and items"));
        }
        Ok(())
    }
}

/// VRs with a length of two bytes; all others, future ones too, have four (PS3.5, section 7.1.2).
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
    b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];

impl Pixels<'_> {
    fn into_native_owned<'b>(self) -> Result<Pixels<'b>, Fault> {
        match self {
            Self::Native(bytes) => Ok(Pixels::Native(Cow::Owned(bytes.into_owned()))),
            Self::Encapsulated { .. } => {
                Err("its deflated data set holds compressed pixels".into())
            }
        }
    }
}
