//! The captioning commands: from labels to captions, a check of them and a page; and with a model that answers nonsense.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Small, fail, succeed, xtask};

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A chat server that has one answer; the number of its calls, and its address.
fn server(answer: &'static str) -> (Arc<AtomicUsize>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() <= 2 {
                    break;
                }
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let reply = serde_json::json!({
                "choices": [{ "message": { "content": answer }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 10, "completion_tokens": 5 },
            })
            .to_string();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
            write!(reader.get_mut(), "{head}: {}\r\n\r\n{reply}", reply.len()).unwrap();
        }
    });
    (calls, address)
}

#[test]
fn labels_become_captions_that_are_checked_and_shown() {
    let small = Small::new();
    let (manifest, out) = (small.data().join("manifest.toml"), small.out("captions"));
    let on_data = |command: &[&str]| {
        let mut command = xtask(&[&["transcap"], command].concat());
        command.arg(path(&manifest));
        command
    };
    let (told, _) = succeed(on_data(&["plan"]).args(["--out", path(&out)]));
    assert!(told.contains("images"), "{told}");
    assert!(!out.exists(), "a plan writes nothing");
    let (told, _) = succeed(on_data(&["run"]).args(["--out", path(&out)]));
    assert!(told.contains("requests sent             0"), "{told}");

    let captions = out.join("captions.jsonl");
    let (told, _) = succeed(&mut xtask(&["transcap", "verify", path(&captions)]));
    assert!(told.contains(": 0 say less or more"), "{told}");
    let page = out.join("report.html");
    succeed(on_data(&["report", path(&captions)]).args(["--out", path(&page)]));
    let html = fs::read_to_string(&page).unwrap();
    assert!(html.contains("data:image/") && html.contains("synpic"));

    // A caption that says more is found, and named with its image.
    let text = fs::read_to_string(&captions).unwrap();
    let more = text.replacen(".\"", " with a pleural effusion.\"", 1);
    assert_ne!(more, text);
    fs::write(&captions, more).unwrap();
    let (code, _) = fail(&mut xtask(&["transcap", "verify", path(&captions)]));
    assert_eq!(code, 3);
}

#[test]
fn a_model_that_writes_nonsense_is_asked_once_and_replaced_by_templates() {
    let small = Small::new();
    let (calls, address) = server(r#"{"captions": ["Lovely.", "A cat with a pneumothorax."]}"#);
    let options = small.out("options.toml");
    let text = format!(
        "captions = 2\n[endpoint]\nbase_url = \"{address}\"\n[parameters]\nmodel = \"m\"\nmax_tokens = 50\n"
    );
    fs::write(&options, text).unwrap();
    let out = small.out("captions");
    let run = || {
        let mut command = xtask(&["transcap", "run"]);
        command.arg(small.data().join("manifest.toml"));
        command
            .arg("--options")
            .arg(&options)
            .arg("--out")
            .arg(&out);
        command
    };
    let (told, _) = succeed(&mut run());
    let asked = calls.load(Ordering::SeqCst);
    assert!(
        asked > 0 && told.contains("captions from the model   0"),
        "{told}"
    );
    assert!(told.contains("unknown word"), "{told}");
    let captions = out.join("captions.jsonl");
    succeed(&mut xtask(&["transcap", "verify", path(&captions)]));

    // What was paid for is not asked again, and the outcome is the same to the byte.
    let first = fs::read(&captions).unwrap();
    let (told, _) = succeed(&mut run());
    assert_eq!(calls.load(Ordering::SeqCst), asked, "{told}");
    assert_eq!(fs::read(&captions).unwrap(), first);
}

#[test]
fn a_table_of_ones_own_is_captioned_and_its_mistakes_are_named() {
    let small = Small::new();
    let (table, map, out) = (
        small.out("t.csv"),
        small.out("m.toml"),
        small.out("captions"),
    );
    fs::write(
        &table,
        "file,label\na.png,Pneumonia\nb.png,Pnuemonia\nc.png,Edema of mars\n",
    )
    .unwrap();
    let words = "image = \"file\"\n[constants]\nmodality = \"xray\"\norgan = \"chest\"\n[columns.label]\nis = \"label\"\n";
    fs::write(&map, words).unwrap();
    let run = |map: &Path| {
        let mut command = xtask(&[
            "transcap",
            "run",
            "--table",
            path(&table),
            "--map",
            path(map),
        ]);
        command.arg("--out").arg(&out);
        command
    };
    let (told, log) = succeed(&mut run(&map));
    assert!(told.contains("images with captions      1"), "{told}");
    assert!(
        log.contains("t.csv") && log.contains("`pneumonia`"),
        "{log}"
    );
    let captions = fs::read_to_string(out.join("captions.jsonl")).unwrap();
    assert!(captions.contains("a.png") && captions.to_lowercase().contains("pneumonia"));

    fs::write(&map, words.replace("is = \"label\"", "is = \"lable\"")).unwrap();
    let (code, message) = fail(&mut run(&map));
    assert!(code == 2 && message.contains("lable"), "{code} {message}");
}
