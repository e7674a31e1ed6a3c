//! What a run prints at its end: the numbers, what they mean, and where the rest lies.

use std::path::Path;

use miss_eval::{Metrics, Score};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::run_folder::RunFolder;
use crate::table::aligned;

/// The scores beside the baselines, and the way to the report; only the way where a run ended before the scores.
pub fn text(folder: &RunFolder, closing: &str) -> Result<String, Failure> {
    let mut text = String::from("\n");
    let path = folder.file("metrics.json");
    if path.exists() {
        text.push_str(&scores(&read(&path)?));
        text.push('\n');
    }
    let report = folder.file("report.html");
    if report.exists() {
        text.push_str(&format!("report: {}\n", report.display()));
    }
    Ok(format!("{text}{closing}\n"))
}

fn read(path: &Path) -> Result<Metrics, Failure> {
    let broken = |error: &dyn std::error::Error| {
        let message = format!(
            "cannot read {}: {error}; make it again with --from evaluate",
            path.display()
        );
        Failure::new(Exit::Data, message)
    };
    let bytes = std::fs::read(path).map_err(|error| broken(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| broken(&error))
}

fn scores(metrics: &Metrics) -> String {
    let answers = [
        &metrics.partitions,
        &metrics.baselines.majority.partitions,
        &metrics.baselines.question_lookup.partitions,
    ];
    let mut rows = Vec::new();
    for (meaning, of) in [
        ("yes/no", answers.map(|scores| scores.yes_no)),
        ("annotated", answers.map(|scores| scores.annotated)),
    ] {
        for (kind, scores) in [
            ("closed", of.map(|partition| partition.closed)),
            ("open", of.map(|partition| partition.open)),
            ("overall", of.map(|partition| partition.overall)),
        ] {
            rows.push(row(format!("{kind} (closed = {meaning})"), scores));
        }
    }
    let heading = [
        "% correct",
        "n",
        "model",
        "95 % interval",
        "majority answer",
        "question lookup",
    ];
    let missing = match metrics.missing {
        0 => String::new(),
        missing => format!("{missing} questions have no answer and count as wrong.\n"),
    };
    format!(
        "{}{missing}metric {}, {}, split {}\n",
        aligned(&heading, &rows),
        metrics.metric,
        metrics.decoding,
        metrics.split.get(..12).unwrap_or(&metrics.split)
    )
}

fn row(name: String, [model, majority, lookup]: [Score; 3]) -> Vec<String> {
    vec![
        name,
        model.n.to_string(),
        percent(model.accuracy),
        format!("{} - {}", percent(model.low), percent(model.high)),
        percent(majority.accuracy),
        percent(lookup.accuracy),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miss_eval::{Baseline, Baselines, Partition, Partitions};

    #[test]
    fn shows_every_number_with_its_meaning() {
        let partition = |closed, open| Partition {
            closed: Score::new(closed, 40),
            open: Score::new(open, 60),
            overall: Score::new(closed + open, 100),
        };
        let scored = |closed, open| Partitions {
            yes_no: partition(closed, open),
            annotated: partition(closed, open),
        };
        let baseline = |closed, open| Baseline {
            rule: String::new(),
            partitions: scored(closed, open),
        };
        let metrics = Metrics {
            metric: "em.v1".into(),
            normaliser: String::new(),
            interval: String::new(),
            split: "0123456789abcdef".into(),
            n: 100,
            missing: 2,
            decoding: "beam-3".into(),
            model: String::new(),
            config: String::new(),
            partitions: scored(30, 6),
            baselines: Baselines {
                majority: baseline(20, 0),
                question_lookup: baseline(22, 3),
            },
        };
        let part = "\
closed (closed = PART)   40   75.0    59.8 - 85.8             50.0             55.0
open (closed = PART)     60   10.0     4.7 - 20.1              0.0              5.0
overall (closed = PART)  100   36.0    27.3 - 45.8             20.0             25.0
";
        let text = scores(&metrics);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for name in ["yes/no", "annotated"] {
            for line in part.replace("PART", name).lines() {
                assert!(squeezed(&text).contains(&squeezed(line)), "{line}\n{text}");
            }
        }
        assert!(text.ends_with(
            "2 questions have no answer and count as wrong.\nmetric em.v1, beam-3, split 0123456789ab\n"
        ));
    }
}
