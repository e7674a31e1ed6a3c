//! Files made to do harm, and what must come of them.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use miss_data::image::decode_rgb_bytes;
use peak_alloc::PeakAlloc;

/// Bytes that decoding a small file may take beside the file itself, whatever its header says.
const MAX_BYTES: usize = 96 << 20;

pub struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    /// What its error says, alternatives separated by `|`; nothing if it may be usable.
    error: Option<&'static str>,
}

impl Case {
    pub fn fails(name: &'static str, bytes: Vec<u8>, error: &'static str) -> Self {
        let error = Some(error);
        Self { name, bytes, error }
    }

    pub fn any(name: &'static str, bytes: Vec<u8>) -> Self {
        let error = None;
        Self { name, bytes, error }
    }
}

/// Held by one test at a time: all tests of a file count into the same peak.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Decodes all, one after the other.
pub fn check(peak: &PeakAlloc, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        peak.reset_peak_usage();
        let before = peak.current_usage();
        let result = decode_rgb_bytes(&case.bytes, Path::new(case.name));
        let taken = peak.peak_usage().saturating_sub(before);
        if taken > MAX_BYTES {
            wrong.push(format!("{} took {taken} bytes", case.name));
        }
        match (result, case.error) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => wrong.push(format!("{} was decoded", case.name)),
            (Err(error), expected) => {
                let text = error.to_string();
                let told = expected
                    .is_none_or(|expected| expected.split('|').any(|part| text.contains(part)));
                if !told || !text.contains(case.name) {
                    wrong.push(format!("{}: {text}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
