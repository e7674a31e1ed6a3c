//! A data set's elements and how their values are read (PS3.5, section 6.2).

use std::borrow::Cow;

use super::elements::Fault;

/// The kept elements of a data set.
#[derive(Debug, Default)]
pub(super) struct DataSet<'a> {
    pub(super) elements: Vec<(u32, Value<'a>)>,
    pub(super) big_endian: bool,
}

/// What is kept of an element.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// `true` where the file says that its numbers have a sign (VR `SS`).
    Bytes(Cow<'a, [u8]>, bool),
    Items(Vec<DataSet<'a>>),
}

impl<'a> DataSet<'a> {
    fn get(&self, tag: u32) -> Option<&Value<'a>> {
        self.elements
            .iter()
            .find(|(found, _)| *found == tag)
            .map(|(_, value)| value)
    }

    /// The value's bytes, if there are any.
    pub(super) fn bytes(&self, tag: u32) -> Option<&[u8]> {
        match self.get(tag)? {
            Value::Bytes(bytes, _) => Some(bytes.as_ref()).filter(|bytes| !bytes.is_empty()),
            Value::Items(_) => None,
        }
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: u32) -> &[DataSet<'a>] {
        match self.get(tag) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// A text, without padding.
    pub(super) fn text(&self, tag: u32) -> Option<&str> {
        self.bytes(tag).map(text).filter(|text| !text.is_empty())
    }

    /// The 16-bit words of a value.
    pub(super) fn words(&self, tag: u32) -> Option<Vec<u16>> {
        let words = self.bytes(tag)?.chunks_exact(2);
        Some(
            words
                .map(|word| number(word, self.big_endian) as u16)
                .collect(),
        )
    }

    /// The first 16-bit word of a value.
    pub(super) fn word(&self, tag: u32) -> Option<u16> {
        let word = self.bytes(tag)?.get(..2)?;
        Some(number(word, self.big_endian) as u16)
    }

    /// Whether the file says that the value's words have a sign.
    pub(super) fn is_signed(&self, tag: u32) -> bool {
        matches!(self.get(tag), Some(Value::Bytes(_, true)))
    }

    /// The first of the decimal numbers in a text.
    pub(super) fn decimal(&self, tag: u32) -> Result<Option<f64>, Fault> {
        let Some(text) = self.text(tag) else {
            return Ok(None);
        };
        let first = text.split('\\').next().unwrap_or_default().trim();
        match first.parse::<f64>() {
            _ if first.is_empty() => Ok(None),
            Ok(value) if value.is_finite() => Ok(Some(value)),
            _ => Err(format!("{} is {first:?}, which is no number", name(tag))),
        }
    }

    /// The same, of bytes of its own.
    pub(super) fn into_owned<'b>(self) -> DataSet<'b> {
        let own = |value| match value {
            Value::Bytes(bytes, signed) => Value::Bytes(Cow::Owned(bytes.into_owned()), signed),
            Value::Items(items) => {
                Value::Items(items.into_iter().map(DataSet::into_owned).collect())
            }
        };
        DataSet {
            elements: self
                .elements
                .into_iter()
                .map(|(tag, value)| (tag, own(value)))
                .collect(),
            big_endian: self.big_endian,
        }
    }
}

/// A tag as people write it.
pub(super) fn name(tag: u32) -> String {
    format!("element ({:04X},{:04X})", tag >> 16, tag & 0xFFFF)
}

/// An unsigned number of up to four bytes.
pub(super) fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let join = |value, &byte: &u8| value << 8 | u64::from(byte);
    if big_endian {
        bytes.iter().fold(0, join)
    } else {
        bytes.iter().rev().fold(0, join)
    }
}

/// The text up to what is no UTF-8, without padding.
pub(super) fn text(bytes: &[u8]) -> &str {
    let valid = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.trim_matches([' ', '\0'])
}
