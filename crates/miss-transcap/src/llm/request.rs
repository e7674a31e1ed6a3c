//! What is asked: a prompt and the attributes of an image, and nothing else.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::attributes::{Attributes, Contradiction};

/// Where the server is and how to be let in. No key is in here, only where to find it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Up to and with the version: `http://localhost:8000/v1`.
    pub base_url: String,
    /// Name of the environment variable that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// File that holds the key and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<std::path::PathBuf>,
    /// Azure: the value of `api-version`; the key then goes in the header `api-key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_api_version: Option<String>,
    /// Lets the key travel unencrypted to another host.
    #[serde(default)]
    pub allow_plain_http: bool,
}

/// How the server is asked to answer in JSON. Whatever it promises, the answer is checked here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structured {
    /// `response_format` with the JSON Schema.
    #[default]
    JsonSchema,
    /// `response_format: {"type": "json_object"}`.
    JsonObject,
    /// The prompt alone asks for it.
    Nothing,
}

/// Everything about the model that changes its answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// As the server names it.
    pub model: String,
    /// Randomness; 0 is greedy. `None` leaves the field out, as some models demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Seed of the server's sampling, which it may ignore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Calls that limit `max_completion_tokens`, as OpenAI's reasoning models demand.
    #[serde(default)]
    pub completion_tokens_field: bool,
    /// How JSON is asked for.
    #[serde(default)]
    pub structured: Structured,
}

/// A prompt file: TOML with `id`, `version`, `system`, `user`; `{count}` and `{attributes}` are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its name.
    pub id: String,
    /// Raised at every change.
    pub version: u32,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// The system message.
    pub system: String,
    /// The user message, with `{count}` and `{attributes}`.
    pub user: String,
}

/// A chat message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// Its text.
    pub content: String,
}

/// SHA-256 of everything that makes a request what it is: its name in the journal. Hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

/// One request for captions of images with the same attributes.
///
/// It can only be made from [`Attributes`], so nothing else of a dataset can be in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    messages: Vec<Message>,
    schema: Value,
    parameters: Parameters,
    prompt: (String, u32, String),
    captions: usize,
}

impl Request {
    /// Asks for `captions` different captions (1 to 100).
    ///
    /// # Errors
    /// If the attributes contradict themselves.
    pub fn new(
        prompt: &Prompt,
        parameters: &Parameters,
        attributes: &Attributes,
        captions: usize,
    ) -> Result<Self, Contradiction> {
        attributes.check()?;
        let lines: Vec<String> = attributes
            .named()
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let user = prompt
            .user
            .replace("{count}", &captions.to_string())
            .replace("{attributes}", &lines.join("\n"));
        let message = |role: &str, content: String| Message {
            role: role.into(),
            content,
        };
        Ok(Self {
            messages: vec![
                message("system", prompt.system.clone()),
                message("user", user),
            ],
            schema: schema(captions),
            parameters: parameters.clone(),
            prompt: (prompt.id.clone(), prompt.version, prompt.sha256.clone()),
            captions,
        })
    }

    /// The same request after an answer that could not be used, with that answer and what was wrong.
    #[must_use]
    pub fn repair(&self, answer: &str, wrong: &str) -> Self {
        let mut repaired = self.clone();
        let said = answer.chars().take(4_000).collect();
        for (role, content) in [
            ("assistant", said),
            (
                "user",
                format!("That cannot be used: {wrong}. Answer again, with the JSON object only."),
            ),
        ] {
            repaired.messages.push(Message {
                role: role.into(),
                content,
            });
        }
        repaired
    }

    /// Its name in the journal: SHA-256 over model, parameters, messages, schema and prompt.
    #[must_use]
    pub fn key(&self) -> Key {
        let whole = serde_json::json!({
            "parameters": self.parameters,
            "messages": self.messages,
            "schema": self.schema,
            "prompt": self.prompt,
        });
        let hash = Sha256::digest(whole.to_string().as_bytes());
        Key(hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The body of the HTTP request to `/chat/completions`.
    #[must_use]
    pub fn body(&self) -> Value {
        let parameters = &self.parameters;
        let mut body = serde_json::json!({
            "model": parameters.model,
            "messages": self.messages,
        });
        let limit = match parameters.completion_tokens_field {
            true => "max_completion_tokens",
            false => "max_tokens",
        };
        body[limit] = parameters.max_tokens.into();
        if let Some(temperature) = parameters.temperature {
            body["temperature"] = temperature.into();
        }
        if let Some(seed) = parameters.seed {
            body["seed"] = seed.into();
        }
        match parameters.structured {
            Structured::JsonSchema => {
                body["response_format"] = serde_json::json!({
                    "type": "json_schema",
                    "json_schema": { "name": "captions", "strict": true, "schema": self.schema },
                });
            }
            Structured::JsonObject => {
                body["response_format"] = serde_json::json!({ "type": "json_object" });
            }
            Structured::Nothing => {}
        }
        body
    }

    /// The JSON Schema of the answer.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// The model and how it is asked.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The messages.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// How many captions are asked for.
    #[must_use]
    pub fn captions(&self) -> usize {
        self.captions
    }
}

fn schema(captions: usize) -> Value {
    serde_json::json!({
        "type": "object",
        "properties": {
            "captions": {
                "type": "array",
                "items": { "type": "string", "minLength": 1, "maxLength": 400 },
                "minItems": captions,
                "maxItems": captions,
            }
        },
        "required": ["captions"],
        "additionalProperties": false,
    })
}
