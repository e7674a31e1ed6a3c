//! Bringing a dataset from the internet or a mirror.
//!
//! Every byte takes the same way: into a file beside its place, hashed as it comes, put in place
//! only when size and hash are the manifest's. What was cut off goes on where it stopped, also in
//! another run.

mod http;
mod plan;
mod transfer;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::archive::{self, extract};
use crate::manifest::{FileEntry, Lines, Manifest, Problem, Source};

use http::Client;
use plan::{Plan, archive_kind, by_hand};
use transfer::{Origin, bring};

/// Files brought at once.
const THREADS: usize = 4;

/// How to fetch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where everything comes from, instead of the manifest's sources.
    pub mirror: Option<Mirror>,
    /// Whether no socket may be opened; a mirror folder is then still used.
    pub offline: bool,
    /// Whether the user accepts the licence and terms.
    pub accept_licence: bool,
    /// Wait before a lost connection is tried again, doubled each time.
    pub pause: Duration,
}

impl Default for Options {
    /// The manifest's sources, nothing accepted, a pause of one second.
    fn default() -> Self {
        Self {
            mirror: None,
            offline: false,
            accept_licence: false,
            pause: Duration::from_secs(1),
        }
    }
}

/// Datasets side by side, each below the folder its manifest calls `mirror`, laid out as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// On this machine.
    Folder(PathBuf),
    /// An HTTP address.
    Url(String),
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Path of the file below the dataset's folder, or address of an archive.
    pub file: &'a str,
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes there will be, if anybody knows.
    pub total: Option<u64>,
}

/// What was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fetched {
    /// Files that were right already.
    pub present: usize,
    /// Files brought.
    pub brought: usize,
    /// Bytes brought, archives as they are; those a previous run left are not counted.
    pub bytes: u64,
    /// Files whose hash the manifest does not know.
    pub unverified: usize,
}

/// Why a dataset is not all there.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The licence was not accepted.
    #[error("{title} is licensed as {licence}. {note}{terms}\nNothing was brought: accept the licence first.", terms = spaced(terms))]
    Licence {
        /// The dataset's full name.
        title: String,
        /// SPDX expression.
        licence: String,
        /// Who states it, and terms beyond it.
        note: String,
        /// How gated data are obtained.
        terms: String,
    },
    /// Only people can obtain it.
    #[error("`{name}` cannot be downloaded by a program. {how}\nMissing below {root}: {list}", root = root.display(), list = Lines(missing))]
    ByHand {
        /// The manifest's name.
        name: String,
        /// How it is obtained.
        how: String,
        /// Where its files belong.
        root: PathBuf,
        /// Files that are missing or changed.
        missing: Vec<Problem>,
    },
    /// Files are missing and no socket may be opened.
    #[error("`{name}` is not all below {root}, and nothing is brought while offline: {list}", root = root.display(), list = Lines(missing))]
    Offline {
        /// The manifest's name.
        name: String,
        /// Where its files belong.
        root: PathBuf,
        /// Files that are missing or changed.
        missing: Vec<Problem>,
    },
    /// Another run brings files to the same folder.
    #[error("`{name}` is being brought to {root} by another run; wait for it, or end it", root = root.display())]
    Locked {
        /// The manifest's name.
        name: String,
        /// Where its files belong.
        root: PathBuf,
    },
    /// The mirror does not have this dataset.
    #[error("mirror: {what}")]
    Mirror {
        /// What is wrong.
        what: String,
    },
    /// Files that could not be brought; those not listed are in their places.
    #[error("{count} files of `{name}` could not be brought to {root}: {list}\nWhat was brought is kept; fetch again to go on{homepage}.", homepage = elsewhere(homepage), count = problems.len(), root = root.display(), list = Lines(problems))]
    Files {
        /// The manifest's name.
        name: String,
        /// Where its files belong.
        root: PathBuf,
        /// Where people can have them.
        homepage: String,
        /// All files that are missing, and why.
        problems: Vec<Problem>,
    },
}

/// Brings what is missing of a dataset to the folder `root`: files that are right already are left
/// alone, others are replaced.
///
/// `progress` is called from several threads, once for every piece of a file.
///
/// # Errors
///
/// [`FetchError`]; what could be brought is in its place nonetheless.
pub fn fetch(
    manifest: &Manifest,
    root: &Path,
    options: &Options,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Fetched, FetchError> {
    let missing = manifest.problems(root);
    let mut fetched = Fetched {
        present: manifest.files.len() - missing.len(),
        unverified: manifest
            .files
            .iter()
            .filter(|entry| entry.sha256.is_none())
            .count(),
        ..Fetched::default()
    };
    if missing.is_empty() && !manifest.files.is_empty() {
        return Ok(fetched);
    }
    let name = || manifest.name.clone();
    if options.offline && !matches!(options.mirror, Some(Mirror::Folder(_))) {
        return Err(FetchError::Offline {
            name: name(),
            root: root.into(),
            missing,
        });
    }
    let plan = Plan::new(manifest, options.mirror.as_ref(), &missing)?;
    if plan.files.is_empty() && plan.archives.is_empty() {
        return Err(FetchError::ByHand {
            name: name(),
            how: by_hand(manifest),
            root: root.into(),
            missing,
        });
    }
    if !options.accept_licence {
        return Err(FetchError::Licence {
            title: manifest.title.clone(),
            licence: manifest.licence.clone(),
            note: manifest.licence_note.clone(),
            terms: manifest.terms.clone(),
        });
    }
    let Ok(_lock) = lock(root) else {
        return Err(FetchError::Locked {
            name: name(),
            root: root.into(),
        });
    };
    let run = Run {
        root,
        client: Client::new(),
        pause: options.pause,
        progress,
    };
    let problems = run.carry_out(manifest, plan, &mut fetched);
    if problems.is_empty() {
        return Ok(fetched);
    }
    Err(FetchError::Files {
        name: name(),
        root: root.into(),
        homepage: manifest.homepage.clone(),
        problems,
    })
}

struct Run<'a> {
    root: &'a Path,
    client: Client,
    pause: Duration,
    progress: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl Run<'_> {
    /// Brings all files of the plan; gives those that could not be brought.
    fn carry_out(
        &self,
        manifest: &Manifest,
        plan: Plan<'_>,
        fetched: &mut Fetched,
    ) -> Vec<Problem> {
        let problem = |entry: &FileEntry, what| Problem {
            path: entry.path.clone(),
            what,
        };
        let mut problems = self.bring_files(&plan.files, fetched);
        for (index, members) in plan.archives {
            let source = &manifest.sources[index];
            match self.unpack(manifest, index, source, &members) {
                Ok((extracted, bytes)) => {
                    fetched.brought += extracted.files;
                    fetched.bytes += bytes;
                    problems.extend(extracted.problems);
                }
                Err(what) => {
                    // Files taken out before the archive was given up are right.
                    let entries = members.values().copied();
                    let lost = entries.filter(|entry| !entry.is_right(self.root));
                    problems.extend(lost.map(|entry| problem(entry, what.clone())));
                }
            }
        }
        let how = || format!("no source gives it: {}", by_hand(manifest));
        let nowhere = plan.nowhere.iter();
        problems.extend(nowhere.map(|entry| problem(entry, how())));
        problems
    }

    /// A few at a time, since most files are small and a round trip takes longer than their bytes.
    fn bring_files(&self, files: &[(&FileEntry, Origin)], fetched: &mut Fetched) -> Vec<Problem> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(Vec::with_capacity(files.len()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS.min(files.len()) {
                scope.spawn(|| {
                    while let Some((entry, origin)) =
                        files.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let outcome = bring(self, entry, origin, &entry.path);
                        let mut outcomes = outcomes.lock().unwrap_or_else(|lock| lock.into_inner());
                        outcomes.push((entry, outcome));
                    }
                });
            }
        });
        let mut problems = Vec::new();
        for (entry, outcome) in outcomes
            .into_inner()
            .unwrap_or_else(|lock| lock.into_inner())
        {
            match outcome {
                Ok(bytes) => {
                    fetched.brought += 1;
                    fetched.bytes += bytes;
                }
                Err(what) => problems.push(Problem {
                    path: entry.path.clone(),
                    what,
                }),
            }
        }
        // Whichever thread was first, the same message.
        problems.sort_by(|one, other| one.path.cmp(&other.path));
        problems
    }

    /// Brings an archive, takes its members out and deletes it; gives the archive's bytes too.
    fn unpack(
        &self,
        manifest: &Manifest,
        index: usize,
        source: &Source,
        members: &BTreeMap<String, &FileEntry>,
    ) -> Result<(archive::Extracted, u64), String> {
        let Some(kind) = archive_kind(source) else {
            return Err("its source is no archive".into());
        };
        let address = manifest.address(source);
        let entry = FileEntry {
            path: format!(".{}-{index}.archive", manifest.name),
            bytes: source.bytes,
            sha256: source.sha256.clone(),
        };
        let bytes = bring(self, &entry, &Origin::Url(address.clone()), &address)?;
        let path = self.root.join(&entry.path);
        let extracted = extract(&path, kind, members, self.root);
        // Right or wrong, it has done its duty.
        let removed = fs::remove_file(&path);
        let extracted = extracted.map_err(|error| format!("{error} (from {address})"))?;
        removed.map_err(|error| format!("cannot delete {}: {error}", path.display()))?;
        Ok((extracted, bytes))
    }
}

/// Keeps other runs out of the folder for as long as the file is held: two of them would write into
/// one half-brought file. `None` where folders cannot be locked.
fn lock(root: &Path) -> Result<Option<File>, TryLockError> {
    let Ok(folder) = fs::create_dir_all(root).and_then(|()| File::open(root)) else {
        return Ok(None);
    };
    match folder.try_lock() {
        Err(TryLockError::Error(_)) => Ok(None),
        Err(held) => Err(held),
        Ok(()) => Ok(Some(folder)),
    }
}

fn elsewhere(homepage: &str) -> String {
    match homepage {
        "" => String::new(),
        homepage => format!(", or obtain them by hand: {homepage}"),
    }
}

fn spaced(terms: &str) -> String {
    match terms {
        "" => String::new(),
        terms => format!(" {terms}"),
    }
}
