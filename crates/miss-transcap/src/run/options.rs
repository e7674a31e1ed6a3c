//! What a run is asked to do, from TOML.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::llm::{Endpoint, Limits, Parameters};
use crate::price::{Caps, Prices};
use crate::realise::Sampler;

/// A larger file is no file of options.
const MAX_BYTES: u64 = 1 << 20;

/// What a run does.
///
/// ```toml
/// captions = 5                # of each image, 1 to 100
/// seed = 7
///
/// [endpoint]
/// base_url = "http://localhost:8000/v1"
///
/// [parameters]
/// model = "qwen2.5-7b-instruct"
/// max_tokens = 600
///
/// [prices]                    # US dollars a million tokens
/// input = 0.15
/// output = 0.60
///
/// [caps]
/// usd = 2.00
/// tokens = 1_000_000
/// ```
///
/// Without `endpoint` and `parameters` all captions are made from templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Captions of each image (of each part of its attributes under [`Sampler::PerAttribute`]).
    pub captions: usize,
    /// Seed of the templates.
    pub seed: u64,
    /// How captions are sampled.
    pub sampler: Sampler,
    /// Never asks: what the journal has, then templates.
    pub offline: bool,
    /// What happens to images whose request was not made because the run ended early.
    pub unfinished: Unfinished,
    /// The prompt file; the built-in one where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PathBuf>,
    /// The server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Parameters>,
    /// How fast it may be asked.
    pub limits: Limits,
    /// What it costs.
    pub prices: Prices,
    /// What may be spent.
    pub caps: Caps,
    /// Seconds after which no more calls are made; those under way are waited for as long as one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_seconds: Option<u64>,
}

/// What happens to images whose request was not made because the run ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfinished {
    /// They get captions from templates.
    #[default]
    Template,
    /// They are left out, for the next run.
    Leave,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            captions: 5,
            seed: 0,
            sampler: Sampler::default(),
            offline: false,
            unfinished: Unfinished::default(),
            prompt: None,
            endpoint: None,
            parameters: None,
            limits: Limits::default(),
            prices: Prices::default(),
            caps: Caps::default(),
            run_seconds: None,
        }
    }
}

/// Why options cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The file cannot be read.
    #[error("cannot read the options {}: {source}; name a TOML file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not TOML, or says what nobody understands; the message has the line.
    #[error("{}: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A value that cannot be.
    #[error("option `{option}`: {what}")]
    Value {
        /// Its name.
        option: &'static str,
        /// What is wrong, and what may be.
        what: String,
    },
}

impl Options {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Names the line of an unknown key or a wrong type, and the option with a value that cannot be.
    pub fn read(path: &Path) -> Result<Self, OptionsError> {
        let failed = |source| OptionsError::Read {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
            .map_err(failed)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(failed(std::io::Error::other("more than a mebibyte")));
        }
        let options: Self = toml::from_str(&text).map_err(|error| OptionsError::Format {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        options.check()?;
        Ok(options)
    }

    /// That every value is one that can be.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), OptionsError> {
        let wrong = |option, what: &str| {
            Err(OptionsError::Value {
                option,
                what: what.to_owned(),
            })
        };
        if !(1..=100).contains(&self.captions) {
            return wrong("captions", "not 1 to 100");
        }
        if !(1..=1000).contains(&self.limits.concurrency) {
            return wrong("limits.concurrency", "not 1 to 1000");
        }
        let amounts = [
            ("prices.input", Some(self.prices.input)),
            ("prices.output", Some(self.prices.output)),
            ("caps.usd", self.caps.usd),
        ];
        for (option, amount) in amounts {
            // A million dollars, for all or for a million tokens.
            if amount.is_some_and(|amount| !(0.0..=1e6).contains(&amount)) {
                return wrong(option, "not 0 to 1,000,000 US dollars");
            }
        }
        if self.caps.usd.is_some() && self.prices == Prices::default() {
            return wrong(
                "caps.usd",
                "a cap on money needs prices: give `[prices]`, or cap the tokens",
            );
        }
        match (&self.endpoint, &self.parameters) {
            (Some(_), None) => wrong("parameters", "an endpoint without a model to ask"),
            (None, Some(_)) if !self.offline => wrong(
                "endpoint",
                "a model without a server; or set `offline = true`",
            ),
            _ => Ok(()),
        }
    }
}
