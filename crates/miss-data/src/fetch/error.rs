//! Why a dataset is not all there.

use std::path::PathBuf;

use thiserror::Error;

use crate::manifest::{Lines, Problem};

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
