//! What was written: the keys and values of a TOML file and of `--set` arguments, each with the place it came from.
//!
//! Nothing is interpreted here: whether a key exists and a value makes sense is decided in [`super::resolved`].

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Configurations are read whole; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Where a key was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In a file; line and column count from one.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// In a `--set` argument, given as typed.
    Set(String),
    /// Nowhere in this file, where it should be.
    Absent(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Set(argument) => write!(f, "--set {argument}"),
            Self::Absent(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(i64),
    Float(f64),
    Text(String),
    Truth(bool),
    /// A TOML type that no key takes, by name.
    Other(&'static str),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "the text {value:?}"),
            Self::Truth(value) => write!(f, "{value}"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

/// A value and where its key and the value itself stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub value: Value,
    pub key_at: Origin,
    pub value_at: Origin,
}

/// Everything written, by dotted key; `--set` arguments lie over the file.
#[derive(Debug, Default)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    pub entries: BTreeMap<String, Entry>,
    /// Tables that were opened, so that a misspelt table without keys is noticed too.
    pub tables: BTreeMap<String, Origin>,
}

/// Why what was written could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WrittenError {
    #[error("cannot read the configuration {}: {source}; name an existing file with --config", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is larger than 1 MiB; a configuration is a short TOML file", path.display())]
    TooLarge { path: PathBuf },
    #[error("{at}: not valid TOML: {message}")]
    Syntax { at: Origin, message: String },
    #[error("--set {0}: expected KEY=VALUE, for example --set pretrain.epochs=3")]
    Set(String),
}

impl Written {
    /// Reads `path`, then lays every `KEY=VALUE` of `set` over it, the last one on top.
    pub fn read(path: &Path, set: &[String]) -> Result<Self, WrittenError> {
        let read_error = |source| WrittenError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read_error)?.len() > MAX_FILE_BYTES {
            return Err(WrittenError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = std::fs::read_to_string(path).map_err(read_error)?;
        let mut written = Self::parse(path, &text)?;
        for argument in set {
            written.lay_over(argument)?;
        }
        Ok(written)
    }

    /// Parses the text of a file named `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, WrittenError> {
        let at = |offset: usize| {
            let before = &text[..offset.min(text.len())];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            Origin::File {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            }
        };
        let table = DeTable::parse(text).map_err(|error| WrittenError::Syntax {
            at: at(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })?;
        let mut written = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        written.collect("", table.get_ref(), &at);
        Ok(written)
    }

    fn lay_over(&mut self, argument: &str) -> Result<(), WrittenError> {
        let (key, value) = argument
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .filter(|(key, _)| !key.is_empty() && key.split('.').all(|part| !part.is_empty()))
            .ok_or_else(|| WrittenError::Set(argument.to_owned()))?;
        // A bare word is text: nobody wants to quote quotes in a shell.
        let value = match DeValue::parse(value) {
            Ok(parsed) => scalar(parsed.get_ref()),
            Err(_) => Value::Text(value.to_owned()),
        };
        let origin = Origin::Set(argument.to_owned());
        self.entries.insert(
            key.to_owned(),
            Entry {
                value,
                key_at: origin.clone(),
                value_at: origin,
            },
        );
        Ok(())
    }

    fn collect(&mut self, prefix: &str, table: &DeTable<'_>, at: &impl Fn(usize) -> Origin) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            let key_at = at(Spanned::span(key).start);
            match value.get_ref() {
                DeValue::Table(inner) => {
                    self.collect(&format!("{name}."), inner, at);
                    self.tables.insert(name, key_at);
                }
                value_written => {
                    let entry = Entry {
                        value: scalar(value_written),
                        key_at,
                        value_at: at(value.span().start),
                    };
                    self.entries.insert(name, entry);
                }
            }
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix())
                .map_or(Value::Other("an integer beyond 64 bits"), Value::Integer)
        }
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .map_or(Value::Other("a number that cannot be read"), Value::Float),
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(_) => Value::Other("an array"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Written, WrittenError> {
        Written::parse(Path::new("a.toml"), text)
    }

    #[test]
    fn keeps_the_place_of_keys_and_values() -> Result<(), WrittenError> {
        let written = parse("name = \"é\"\n\n[pretrain]\n  epochs = 0x10\n")?;
        let entry = &written.entries["pretrain.epochs"];
        assert_eq!(entry.value, Value::Integer(16));
        assert_eq!(entry.key_at.to_string(), "a.toml:4:3");
        assert_eq!(entry.value_at.to_string(), "a.toml:4:12");
        assert_eq!(written.tables["pretrain"].to_string(), "a.toml:3:2");
        Ok(())
    }

    #[test]
    fn set_overrides_and_takes_bare_words() -> Result<(), WrittenError> {
        let mut written = parse("name = \"a\"\nseed = 1\n")?;
        written.lay_over("seed = 7")?;
        written.lay_over("name=two words")?;
        written.lay_over("pretrain.learning_rate=1e-3")?;
        assert_eq!(written.entries["seed"].value, Value::Integer(7));
        assert_eq!(
            written.entries["name"].value,
            Value::Text("two words".into())
        );
        assert_eq!(
            written.entries["pretrain.learning_rate"].value,
            Value::Float(1e-3)
        );
        assert_eq!(written.entries["seed"].key_at.to_string(), "--set seed = 7");
        Ok(())
    }

    #[test]
    fn refuses_what_is_not_an_assignment() {
        for argument in ["epochs", "=3", "a..b=3", ""] {
            let error = Written::default()
                .lay_over(argument)
                .expect_err("no assignment");
            assert_eq!(
                error.to_string(),
                format!(
                    "--set {argument}: expected KEY=VALUE, for example --set pretrain.epochs=3"
                )
            );
        }
    }

    #[test]
    fn broken_toml_names_the_line() {
        let error = parse("name = \"a\"\nseed = = 3\n")
            .expect_err("broken")
            .to_string();
        assert!(error.starts_with("a.toml:2:8: not valid TOML: "), "{error}");
    }
}
