//! Memory that is freed is kept for the next tensor.

/// Tells glibc's allocator to keep large buffers instead of giving them back to the kernel.
///
/// Every step frees and allocates the same large tensors. By default glibc maps each of them anew, and
/// the kernel clears every page again: an eighth to a fifth of the time (`docs/measurements.md`).
/// Other C libraries are left alone.
pub fn keep_large_buffers() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(
        unsafe_code,
        reason = "mallopt has no safe binding; it reads two integers and is called before any thread starts"
    )]
    // SAFETY: both are documented parameters of mallopt, and no other thread allocates yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}
