//! Options from TOML: all of them, their defaults, and errors that name the place.
#![allow(clippy::unwrap_used)]

use miss_transcap::Sampler;
use miss_transcap::run::{Options, Unfinished};

fn read(text: &str) -> Result<Options, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transcap.toml");
    std::fs::write(&path, text).unwrap();
    Options::read(&path).map_err(|error| error.to_string())
}

#[test]
fn nothing_said_means_templates() {
    assert_eq!(read("").unwrap(), Options::default());
    assert_eq!(Options::default().unfinished, Unfinished::Template);
    assert_eq!(Options::default().sampler, Sampler::WholeCaption);
}

#[test]
fn all_that_can_be_said_is_read_and_survives_writing() {
    let text = r#"
        captions = 4
        seed = 9
        sampler = "per-attribute"
        offline = true
        unfinished = "leave"
        prompt = "prompts/mine.toml"
        run_seconds = 3600

        [endpoint]
        base_url = "https://example.org/v1"
        key_env = "KEY"

        [parameters]
        model = "m"
        max_tokens = 300

        [limits]
        concurrency = 3
        requests_per_minute = 60
        tokens_per_minute = 10_000
        timeout_seconds = 40

        [prices]
        input = 0.15
        output = 0.6

        [caps]
        usd = 1.5
        tokens = 100_000
    "#;
    let options = read(text).unwrap();
    assert_eq!((options.captions, options.limits.concurrency), (4, 3));
    assert_eq!(options.caps.usd, Some(1.5));
    assert_eq!(read(&toml::to_string(&options).unwrap()).unwrap(), options);
}

#[test]
fn what_cannot_be_is_named_with_its_place() {
    let server = "[endpoint]\nbase_url = \"http://localhost/v1\"\n";
    let model = "[parameters]\nmodel = \"m\"\nmax_tokens = 9\n";
    for (text, expected) in [
        ("captions = 5\nsede = 1", ["line 2", "sede"]),
        ("captions = \"five\"", ["line 1", "captions"]),
        ("captions = 5\ncaptions = 6", ["line 2", "duplicate key"]),
        ("[caps]\n\nuds = 1", ["line 3", "uds"]),
        ("captions = 0", ["`captions`", "1 to 100"]),
        ("captions = 101", ["`captions`", "1 to 100"]),
        (
            "[limits]\nconcurrency = 0",
            ["`limits.concurrency`", "1 to 1000"],
        ),
        ("[prices]\ninput = -1.0", ["`prices.input`", "US dollars"]),
        ("[prices]\noutput = nan", ["`prices.output`", "US dollars"]),
        ("[caps]\nusd = 2.0", ["`caps.usd`", "needs prices"]),
        (server, ["`parameters`", "without a model"]),
        (model, ["`endpoint`", "offline = true"]),
    ] {
        let message = read(text).unwrap_err();
        for part in expected {
            assert!(message.contains(part), "{text}: {message}");
        }
    }
    assert!(read(&"#".repeat(2 << 20)).unwrap_err().contains("mebibyte"));
    let none = Options::read(std::path::Path::new("none/none.toml")).unwrap_err();
    assert!(none.to_string().contains("none.toml"));
}
