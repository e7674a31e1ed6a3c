//! Hashes the sources that a stage's outputs depend on, so that changed code redoes what it computed.
//!
//! Sets `CODE_<CRATE>` for every crate of the workspace, `CODE_STAGE_<STAGE>` for every file in `src/stages`, and
//! `CODE_DEPENDENCIES` for the lock file.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let xtask = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let workspace = xtask.join("..");
    for krate in folder(&workspace.join("crates"))? {
        let mut sources = vec![krate.join("Cargo.toml")];
        // Cargo takes a watched path that is missing for a change, so a folder is watched where there is one.
        for part in ["src", "assets", "lexicon", "prompts"].map(|part| krate.join(part)) {
            if part.is_dir() {
                collect(&part, &mut sources)?;
                println!("cargo::rerun-if-changed={}", part.display());
            }
        }
        export(&format!("CODE_{}", variable(&krate)), &krate, &sources)?;
    }
    for stage in folder(&xtask.join("src/stages"))? {
        let name = format!("CODE_STAGE_{}", variable(&stage));
        export(&name, &xtask, &[stage])?;
    }
    export(
        "CODE_DEPENDENCIES",
        &workspace,
        &[workspace.join("Cargo.lock")],
    )
}

/// Exports one hash over the names (relative to `base`) and contents of `files`.
fn export(variable: &str, base: &Path, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let mut hash = Sha256::new();
    for file in files {
        let name = file
            .strip_prefix(base)?
            .to_string_lossy()
            .replace('\\', "/");
        let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        hash.update(format!("{name}\0{}\0", bytes.len()));
        hash.update(bytes);
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    println!("cargo::rustc-env={variable}={hex}");
    Ok(())
}

/// All files below `path`, in order of name.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in folder(path)? {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else {
            files.push(entry);
        }
    }
    Ok(())
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    Ok(paths)
}

/// `crates/miss-data` → `MISS_DATA`; `stages/verify.rs` → `VERIFY`.
fn variable(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.to_uppercase().replace('-', "_")
}
