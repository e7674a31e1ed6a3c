//! The program as its user meets it: whole runs, second runs, interrupted runs, and wrong input.
#![allow(clippy::unwrap_used)]

mod data;
mod end_to_end;
mod hostile;
#[cfg(unix)]
mod interrupted;
mod support;
mod transcap;
