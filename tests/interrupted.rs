//! Runs that end in the middle of pretraining: they go on, and end with the same bytes as an undisturbed one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Small, performed, succeed, texts};

/// Long enough in pretraining to be met there.
const LONG: [&str; 4] = [
    "--set",
    "pretrain.epochs=12",
    "--set",
    "pretrain.checkpoint_every=2",
];

#[test]
fn killed_or_stopped_in_pretraining_it_goes_on_to_the_same_bytes() {
    let small = Small::new();
    succeed(&mut small.pipeline("undisturbed", &LONG));

    let mut child = start(small.pipeline("killed", &LONG));
    wait_for_steps(&small.out("killed"), 5, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, log) = succeed(&mut small.pipeline("killed", &LONG));
    assert!(log.contains("pretrain  goes on"), "{log}");
    assert_eq!(
        performed(&log),
        ["finetune", "predict", "evaluate", "report"]
    );

    for signal in ["-INT", "-TERM"] {
        let out = &format!("stopped{signal}");
        let mut child = start(small.pipeline(out, &LONG));
        wait_for_steps(&small.out(out), 5, &mut child);
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let (_, log) = texts(&output);
        assert_eq!(output.status.code(), Some(130), "{log}");
        assert!(
            log.ends_with(
                "interrupted in the stage pretrain; the state is saved; run the same command again to go on\n"
            ),
            "{log}"
        );
        let (_, log) = succeed(&mut small.pipeline(out, &LONG));
        assert!(log.contains("pretrain  goes on"), "{log}");
    }

    for out in ["killed", "stopped-INT", "stopped-TERM"] {
        for file in ["metrics.json", "predictions.jsonl"] {
            assert!(
                small.file(out, file) == small.file("undisturbed", file),
                "{file} differs after {out}"
            );
        }
    }
}

#[test]
fn a_folder_in_use_is_refused() {
    let small = Small::new();
    let mut child = start(small.pipeline("a", &LONG));
    wait_for_steps(&small.out("a"), 1, &mut child);
    let (code, message) = crate::support::fail(&mut small.pipeline("a", &LONG));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(code, 5, "{message}");
    assert!(
        message.starts_with("error: another run is writing to "),
        "{message}"
    );
}

fn start(mut command: Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until pretraining below `out` has logged `steps` steps.
fn wait_for_steps(out: &Path, steps: usize, child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let log = losses(out).and_then(|path| fs::read_to_string(path).ok());
        if log.is_some_and(|log| log.lines().count() >= steps) {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended too early"
        );
        assert!(
            Instant::now() < deadline,
            "pretraining did not begin in time"
        );
        sleep(Duration::from_millis(5));
    }
}

fn losses(out: &Path) -> Option<PathBuf> {
    let stages = fs::read_dir(out.join("small/stages")).ok()?;
    stages
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.display().to_string().starts_with("pretrain-"))
        })
        .map(|path| path.join("losses.jsonl"))
}
