//! A failed command: an exit code and one message.

use std::error::Error;
use std::fmt;

use miss_engine::EngineError;

use crate::exit::Exit;

/// What went wrong, in one message: what, where, and what to do about it.
#[derive(Debug)]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// A failure described by `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// Broken or missing data.
    pub fn data(error: impl Error) -> Self {
        Self::new(Exit::Data, condensed(&error))
    }

    /// An output that cannot be written, named by `path`.
    pub fn output(path: &std::path::Path, error: impl Error) -> Self {
        let message = format!(
            "cannot write {}: {}; free space, mend permissions or choose another folder with --out",
            path.display(),
            condensed(&error)
        );
        Self::new(Exit::Output, message)
    }

    /// An output that cannot be written, named by the error itself.
    pub fn output_error(error: impl Error) -> Self {
        Self::new(Exit::Output, condensed(&error))
    }

    /// Training, prediction or scoring that failed.
    pub fn compute(error: impl Error) -> Self {
        Self::new(Exit::Compute, condensed(&error))
    }

    /// A failed run of the engine, whose files are outputs too.
    pub fn engine(error: EngineError) -> Self {
        match error {
            EngineError::File { .. } => Self::output_error(error),
            _ => Self::compute(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The chain of causes on one line, without what an outer message already repeats.
fn condensed(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = inner.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    #[test]
    fn each_cause_is_told_once() {
        let link = |text, source| Link { text, source };
        let root = link("No such file", None);
        let middle = link("cannot open a.jpg: No such file", Some(Box::new(root)));
        let outer = link("row 3", Some(Box::new(middle)));
        assert_eq!(
            Failure::data(outer).to_string(),
            "row 3: cannot open a.jpg: No such file"
        );
    }
}
