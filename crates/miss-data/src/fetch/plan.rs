//! Where each file is to come from.

use std::collections::{BTreeMap, HashSet};

use super::transfer::Origin;
use super::{FetchError, Mirror};
use crate::archive;
use crate::manifest::{Access, FileEntry, Manifest, Problem, Source, SourceKind};

/// Where each missing file comes from.
pub(super) struct Plan<'a> {
    pub files: Vec<(&'a FileEntry, Origin)>,
    /// Members by name, of the sources that are archives, by index.
    pub archives: BTreeMap<usize, BTreeMap<String, &'a FileEntry>>,
    /// Files that no source gives.
    pub nowhere: Vec<&'a FileEntry>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        manifest: &'a Manifest,
        mirror: Option<&Mirror>,
        missing: &[Problem],
    ) -> Result<Self, FetchError> {
        let missing: HashSet<&str> = missing.iter().map(|file| file.path.as_str()).collect();
        let missing = manifest
            .files
            .iter()
            .filter(|entry| missing.contains(entry.path.as_str()));
        let mut plan = Self {
            files: Vec::new(),
            archives: BTreeMap::new(),
            nowhere: Vec::new(),
        };
        if let Some(mirror) = mirror {
            let base = mirror_of(manifest, mirror)?;
            plan.files = missing
                .map(|entry| (entry, base.join(&entry.path)))
                .collect();
            return Ok(plan);
        }
        if manifest.access == Access::Gated {
            plan.nowhere = missing.collect();
            return Ok(plan);
        }
        for entry in missing {
            let serving = manifest
                .sources
                .iter()
                .enumerate()
                .filter(|(_, source)| archive_kind(source).is_some() || is_files(source))
                .find_map(|(index, source)| Some((index, source, source.name_of(&entry.path)?)));
            match serving {
                None => plan.nowhere.push(entry),
                Some((_, source, there)) if is_files(source) => {
                    let base = Origin::Url(manifest.address(source));
                    plan.files.push((entry, base.join(&there)));
                }
                Some((index, _, member)) => {
                    let members = plan.archives.entry(index).or_default();
                    members.insert(member, entry);
                }
            }
        }
        Ok(plan)
    }
}

/// The dataset's place on the mirror.
fn mirror_of(manifest: &Manifest, mirror: &Mirror) -> Result<Origin, FetchError> {
    let wrong = |what| FetchError::Mirror { what };
    let name = &manifest.name;
    let folder = manifest.mirror.as_ref().ok_or_else(|| {
        wrong(format!(
            "`{name}` is on no mirror; fetch it without one. {}",
            by_hand(manifest)
        ))
    })?;
    match mirror {
        Mirror::Folder(mirror) => {
            let place = mirror.join(folder);
            if !place.is_dir() {
                let place = place.display();
                return Err(wrong(format!(
                    "`{name}` should lie in {place}, which is no folder"
                )));
            }
            Ok(Origin::File(place))
        }
        Mirror::Url(url) => Ok(Origin::Url(url.clone()).join(folder)),
    }
}

fn is_files(source: &Source) -> bool {
    source.kind == SourceKind::Files
}

pub(super) fn archive_kind(source: &Source) -> Option<archive::Kind> {
    match source.kind {
        SourceKind::Zip => Some(archive::Kind::Zip),
        SourceKind::Tar => Some(archive::Kind::Tar),
        SourceKind::TarGz => Some(archive::Kind::TarGz),
        SourceKind::Files | SourceKind::ByHand | SourceKind::MadeFrom => None,
    }
}

/// What a person can do to have the data.
pub(super) fn by_hand(manifest: &Manifest) -> String {
    let sources = manifest
        .sources
        .iter()
        .filter(|source| matches!(source.kind, SourceKind::ByHand | SourceKind::MadeFrom));
    let mut ways: Vec<String> = sources
        .map(|source| format!("{}: {}", source.location, source.note))
        .collect();
    if !manifest.terms.is_empty() {
        ways.insert(0, manifest.terms.clone());
    }
    if ways.is_empty() && manifest.homepage.is_empty() {
        ways.push("Its manifest does not say where it can be had.".into());
    } else if ways.is_empty() {
        ways.push(format!("See {}.", manifest.homepage));
    }
    ways.join(" ")
}
