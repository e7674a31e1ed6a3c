#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| miss_fuzz::archive_tar(bytes));
