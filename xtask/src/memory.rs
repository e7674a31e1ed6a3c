//! Peak memory of this process.

/// Peak resident memory in bytes since the start or the last [`reset_peak`]; `None` where the system does not tell.
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Lets the peak start again from the present use, so that a stage's peak is its own. Where the system does not
/// allow it (it needs Linux), a stage shows the peak of the run so far.
pub fn reset_peak() {
    // "5" is the documented request (man 5 proc, /proc/pid/clear_refs).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
