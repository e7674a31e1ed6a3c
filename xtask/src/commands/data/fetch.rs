//! `cargo xtask data fetch`: brings datasets, and checks them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use miss_data::fetch::{self, FetchError, Mirror, Options};
use miss_data::manifest::Access;

use super::dataset;
use super::verify::verified;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units;

#[derive(clap::Args)]
pub struct Arguments {
    /// Names of datasets as `data list` shows them, or manifest files
    #[arg(value_name = "NAME|FILE", required = true)]
    names: Vec<String>,
    /// Take everything from this folder or HTTP address, where datasets lie side by side
    #[arg(long, value_name = "DIR|URL")]
    mirror: Option<String>,
    /// Open no connection: take from a mirror folder, or say what is missing
    #[arg(long)]
    offline: bool,
    /// You have read the licence and terms (`data card NAME`) and accept them
    #[arg(long)]
    accept_licence: bool,
    /// Where datasets go, each into a folder of its name [default: data/ in the checkout]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let options = Options {
        mirror: arguments.mirror.as_deref().map(mirror),
        offline: arguments.offline,
        accept_licence: arguments.accept_licence,
        ..Options::default()
    };
    for name in &arguments.names {
        let (manifest, folder) = dataset::named(name)?;
        let root = match &arguments.to {
            Some(to) => to.join(&manifest.name),
            None => folder,
        };
        println!(
            "{}: {}, {} files, {}, licence {}{}",
            manifest.name,
            manifest.title,
            manifest.files.len(),
            dataset::size(&manifest),
            manifest.licence,
            match manifest.access {
                Access::Open => "",
                Access::Gated => ", by hand only",
            }
        );
        let bar = Bar::new(manifest.bytes());
        let fetched = fetch::fetch(&manifest, &root, &options, &|progress| {
            bar.tell(progress.file, progress.bytes);
        });
        bar.bar.finish_and_clear();
        let fetched = fetched.map_err(|error| match error {
            FetchError::Licence { .. } => Failure::new(
                Exit::Usage,
                format!("{error} If you do, say so with --accept-licence."),
            ),
            error => Failure::data(error),
        })?;
        println!(
            "  {} files were there, {} brought ({}), in {}",
            fetched.present,
            fetched.brought,
            units::bytes(fetched.bytes),
            root.display()
        );
        println!("  {}", verified(&manifest, &root)?);
    }
    Ok(Exit::Ok)
}

fn mirror(place: &str) -> Mirror {
    if place.starts_with("http://") || place.starts_with("https://") {
        Mirror::Url(place.to_owned())
    } else {
        Mirror::Folder(place.into())
    }
}

/// Bytes of all files together; hidden where there is no terminal.
struct Bar {
    bar: ProgressBar,
    /// Bytes of each file so far, and of all: one that starts again counts anew.
    files: Mutex<(BTreeMap<String, u64>, u64)>,
}

impl Bar {
    fn new(bytes: u64) -> Self {
        let style =
            ProgressStyle::with_template("  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}");
        let bar = ProgressBar::new(bytes);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            files: Mutex::default(),
        }
    }

    fn tell(&self, file: &str, bytes: u64) {
        let mut files = self
            .files
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let (each, all) = &mut *files;
        let before = each.insert(file.to_owned(), bytes).unwrap_or(0);
        *all = all.saturating_sub(before).saturating_add(bytes);
        self.bar.set_position(*all);
    }
}
