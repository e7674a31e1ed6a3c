//! Whole-pipeline tests of MISS live in `tests/`.
