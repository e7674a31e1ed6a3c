//! What a server of language models really does: `probe BASE_URL MODEL [KEY_VARIABLE]`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use miss_transcap::llm::{Client, Endpoint, Limits, Parameters, Prompt, Structured, probe};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(base_url), Some(model)) = (arguments.next(), arguments.next()) else {
        return Err("usage: probe BASE_URL MODEL [KEY_VARIABLE]".into());
    };
    let endpoint = Endpoint {
        base_url,
        key_env: arguments.next(),
        key_file: None,
        azure_api_version: None,
        allow_plain_http: false,
    };
    let parameters = Parameters {
        model,
        temperature: Some(0.7),
        seed: Some(1),
        max_tokens: 200,
        completion_tokens_field: false,
        structured: Structured::JsonSchema,
    };
    let client = Client::new(&endpoint, &Limits::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let prompt = Prompt::built_in()?;
    println!("{}", runtime.block_on(probe(&client, &parameters, &prompt)));
    Ok(())
}
