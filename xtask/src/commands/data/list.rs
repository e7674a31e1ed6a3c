//! `cargo xtask data list`: the datasets that there are manifests of.

use miss_data::manifest::Access;

use super::dataset;
use crate::exit::Exit;
use crate::failure::Failure;

pub fn run() -> Result<Exit, Failure> {
    tell("name", "size", "licence", "access", "here", "what");
    for (manifest, folder) in dataset::all()? {
        let there = |path: &str| folder.join(path).is_file();
        let there = manifest.files.iter().filter(|file| there(&file.path));
        let here = match (there.count(), manifest.files.len()) {
            (0, _) => "no".to_owned(),
            (there, all) if there == all => "yes".to_owned(),
            (there, all) => format!("{there} of {all}"),
        };
        let access = match manifest.access {
            Access::Open => "open",
            Access::Gated => "by hand",
        };
        let size = dataset::size(&manifest);
        tell(
            &manifest.name,
            &size,
            &manifest.licence,
            access,
            &here,
            &manifest.title,
        );
    }
    println!("\n`data fetch NAME` brings one, `data card NAME` tells all about it.");
    Ok(Exit::Ok)
}

fn tell(name: &str, size: &str, licence: &str, access: &str, here: &str, what: &str) {
    println!("{name:<22} {size:>9}  {licence:<25}  {access:<7}  {here:<12}  {what}");
}
