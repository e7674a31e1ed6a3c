//! A dataset named on the command line.

use std::path::{Path, PathBuf};

use miss_data::Manifest;
use miss_data::embed::MANIFEST_FILE;

use crate::config::workspace;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

/// Which dataset, and where its files are.
#[derive(clap::Args)]
pub struct Dataset {
    /// Name of a dataset as `data list` shows it, or a manifest file [default: the embedded VQA-RAD]
    #[arg(value_name = "NAME|FILE")]
    name: Option<String>,
    /// Folder of its files [default: data/NAME, or the folder of a manifest file]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl Dataset {
    /// Its manifest and the folder of its files.
    pub fn open(&self) -> Result<(Manifest, PathBuf), Failure> {
        let (manifest, folder) = match &self.name {
            None => open(&embedded_manifest())?,
            Some(name) => named(name)?,
        };
        Ok((manifest, self.root.clone().unwrap_or(folder)))
    }
}

/// The manifest that `name` means, and where its files are by default.
pub fn named(name: &str) -> Result<(Manifest, PathBuf), Failure> {
    if name.ends_with(".toml") {
        return open(Path::new(name));
    }
    let path = manifests().join(format!("{name}.toml"));
    if path.is_file() {
        return open(&path);
    }
    if embedded_manifest()
        .file_stem()
        .is_some_and(|stem| stem == name)
    {
        return open(&embedded_manifest());
    }
    let known: Vec<String> = all()?
        .into_iter()
        .map(|(manifest, _)| manifest.name)
        .collect();
    let message = format!(
        "there is no dataset `{name}`; there are {}, and any manifest given as FILE.toml",
        known.join(", ")
    );
    Err(Failure::new(Exit::Usage, message))
}

/// All datasets that the checkout has manifests of, by name, with the folders of their files.
pub fn all() -> Result<Vec<(Manifest, PathBuf)>, Failure> {
    let folder = manifests();
    let entries = std::fs::read_dir(&folder).map_err(Failure::data)?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.push(embedded_manifest());
    paths.sort();
    paths.iter().map(|path| open(path)).collect()
}

/// Datasets of the checkout lie in `data/`, those that come with it and all others beside their manifest.
fn open(path: &Path) -> Result<(Manifest, PathBuf), Failure> {
    let manifest = Manifest::read(path).map_err(Failure::data)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    // However the path is spelt, and from wherever.
    let listed = match (path.canonicalize(), manifests().canonicalize()) {
        (Ok(path), Ok(manifests)) => path.parent() == Some(&*manifests),
        _ => false,
    };
    let folder = match listed {
        true => workspace().join("data").join(&manifest.name),
        false => beside.to_owned(),
    };
    Ok((manifest, folder))
}

/// Bytes of its files as a person reads them, as far as the manifest knows.
pub fn size(manifest: &Manifest) -> String {
    let known = manifest.files.iter().filter(|file| file.bytes.is_some());
    match known.count() {
        0 => "unknown".into(),
        known if known < manifest.files.len() => {
            format!("more than {}", units::bytes(manifest.bytes()))
        }
        _ => units::bytes(manifest.bytes()),
    }
}

fn manifests() -> PathBuf {
    workspace().join("data-manifests")
}

fn embedded_manifest() -> PathBuf {
    manifests().join("embedded").join(MANIFEST_FILE)
}
