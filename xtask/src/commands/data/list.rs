//! `cargo xtask data list`: the datasets that there are manifests of.

use miss_data::manifest::Access;

use super::dataset;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::aligned;

pub fn run() -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for (manifest, folder) in dataset::all()? {
        let there = manifest
            .files
            .iter()
            .filter(|file| folder.join(&file.path).is_file());
        let here = match (there.count(), manifest.files.len()) {
            (0, _) => "no".to_owned(),
            (there, all) if there == all => folder.display().to_string(),
            (there, all) => format!("{there} of {all} files"),
        };
        let access = match manifest.access {
            Access::Open => "open",
            Access::Gated => "by hand",
        };
        rows.push(vec![
            manifest.name.clone(),
            dataset::size(&manifest),
            manifest.licence.clone(),
            access.to_owned(),
            here,
            manifest.title,
        ]);
    }
    let head = ["name", "size", "licence", "access", "here", "what"];
    print!("{}", aligned(&head, &rows));
    println!("\n`data fetch NAME` brings one, `data card NAME` tells all about it.");
    Ok(Exit::Ok)
}
