//! Prompt files: read, checked and named by their hash.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::request::Prompt;

/// Longest prompt file, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Why a prompt file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The file cannot be read.
    #[error("prompt {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not the TOML it must be: an unknown or missing key, or a wrong type.
    #[error("prompt: {0}")]
    Toml(#[from] toml::de::Error),
    /// Larger than any prompt needs to be.
    #[error("prompt: more than {LONGEST} bytes; shorten it")]
    TooLong,
    /// A placeholder that must be there is not.
    #[error("prompt: `user` lacks {{{0}}}; put it where that belongs")]
    Missing(&'static str),
    /// A placeholder that nothing fills in.
    #[error(
        "prompt: nothing fills in {{{0}}} in `{1}`; only `user` has {{count}} and {{attributes}}"
    )]
    Unknown(String, &'static str),
    /// No name, or no text.
    #[error("prompt: `{0}` is empty")]
    Empty(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    version: u32,
    system: String,
    user: String,
}

impl Prompt {
    /// The prompt that comes with this crate.
    ///
    /// # Errors
    /// Never, unless the file in the source was broken.
    pub fn built_in() -> Result<Self, PromptError> {
        Self::parse(include_str!("../../prompts/captions.toml"))
    }

    /// Reads a prompt file of at most 64 KiB.
    ///
    /// # Errors
    /// If it cannot be read, or as for [`Prompt::parse`].
    pub fn read(path: &Path) -> Result<Self, PromptError> {
        let wrong = |source| PromptError::Read {
            path: path.to_path_buf(),
            source,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .map_err(wrong)?
            .take(LONGEST + 1)
            .read_to_string(&mut text)
            .map_err(wrong)?;
        Self::parse(&text)
    }

    /// Reads the text of a prompt file. Its hash is that of the bytes given, comments included.
    ///
    /// # Errors
    /// If it is too long, a key is unknown, missing or empty, or a placeholder is missing or unknown.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        if text.len() as u64 > LONGEST {
            return Err(PromptError::TooLong);
        }
        let file: File = toml::from_str(text)?;
        for (name, value) in [
            ("id", &file.id),
            ("system", &file.system),
            ("user", &file.user),
        ] {
            if value.trim().is_empty() {
                return Err(PromptError::Empty(name));
            }
        }
        let used: Vec<&str> = placeholders(&file.user).collect();
        for name in ["count", "attributes"] {
            if !used.contains(&name) {
                return Err(PromptError::Missing(name));
            }
        }
        if let Some(name) = used
            .iter()
            .find(|name| !["count", "attributes"].contains(name))
        {
            return Err(PromptError::Unknown((*name).into(), "user"));
        }
        if let Some(name) = placeholders(&file.system).next() {
            return Err(PromptError::Unknown(name.into(), "system"));
        }
        let hash = Sha256::digest(text.as_bytes());
        Ok(Self {
            id: file.id,
            version: file.version,
            sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            system: file.system,
            user: file.user,
        })
    }
}

/// Words in braces. JSON in an example is not one, since a quotation mark follows its brace.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|after| {
        let (name, _) = after.split_once('}')?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (!name.is_empty() && name.chars().all(is_word)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str =
        "id='a'\nversion=1\nsystem='s {\"captions\": []}'\nuser='{count} {attributes}'\n";

    #[test]
    fn the_built_in_prompt_is_sound() {
        let prompt = Prompt::built_in().unwrap();
        assert_eq!((prompt.id.as_str(), prompt.version), ("captions", 1));
    }

    #[test]
    fn the_hash_is_of_the_bytes() {
        // FIPS 180-2 gives the digest of "abc"; a comment must change the prompt's hash.
        let abc: String = Sha256::digest(b"abc")
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert!(abc.starts_with("ba7816bf"));
        let plain = Prompt::parse(GOOD).unwrap();
        let commented = Prompt::parse(&format!("{GOOD}# more\n")).unwrap();
        assert_ne!(plain.sha256, commented.sha256);
        assert_eq!(plain.user, commented.user);
    }

    #[test]
    fn wrong_files_are_told() {
        let wrong = |from: &str, to: &str| Prompt::parse(&GOOD.replace(from, to)).unwrap_err();
        assert!(matches!(wrong("id=", "extra=1\nid="), PromptError::Toml(_)));
        assert!(matches!(wrong("version=1\n", ""), PromptError::Toml(_)));
        assert!(matches!(
            wrong("{count} ", ""),
            PromptError::Missing("count")
        ));
        assert!(matches!(
            wrong("{attributes}", ""),
            PromptError::Missing("attributes")
        ));
        assert!(matches!(
            wrong("{count}", "{count}{name}"),
            PromptError::Unknown(..)
        ));
        assert!(matches!(
            wrong("'s ", "'s {count} "),
            PromptError::Unknown(_, "system")
        ));
        assert!(matches!(wrong("'a'", "' '"), PromptError::Empty("id")));
        let long = format!("{GOOD}#{}", "x".repeat(70_000));
        assert!(matches!(Prompt::parse(&long), Err(PromptError::TooLong)));
    }
}
