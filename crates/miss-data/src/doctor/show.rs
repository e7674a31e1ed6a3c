//! The report as text, and what it advises.

use std::fmt;

use super::{Problem, ProblemKind, Report, Severity};

/// Problems of one kind that are shown; the rest are counted. All of them are in the JSON.
const SHOWN: usize = 20;

/// What to do, the first thing first.
pub(super) fn advice(report: &Report, few_dropped: bool) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |kind, what: &str| {
        if let Some(count) = report.counts.get(&kind) {
            advice.push(format!("{what} ({count})"));
        }
    };
    say(
        ProblemKind::Unreadable,
        "mend or fetch again what cannot be read",
    );
    say(
        ProblemKind::UnknownFormat,
        match report.records {
            0 => {
                "mend what cannot be imported, or bring records: in a known format, or as a table or JSON for `data import`"
            }
            _ => "import what is not in a known format, with `data import`",
        },
    );
    say(
        ProblemKind::MissingImage,
        "bring the missing images, or mend their names",
    );
    say(
        ProblemKind::BrokenImage,
        "fetch the broken images again, or take their records out",
    );
    say(ProblemKind::RepeatedId, "give each record an id of its own");
    if !few_dropped {
        say(
            ProblemKind::DroppedRow,
            "mend the rows that would be dropped: they are more than one in a hundred",
        );
    }
    say(
        ProblemKind::Contradiction,
        "decide for one answer where one question has several",
    );
    say(
        ProblemKind::DuplicateImage,
        "give images that are the same file one name",
    );
    if advice.is_empty() && report.records == 0 {
        advice.push("bring records: there are none".into());
    }
    if advice.is_empty() {
        let what = match report.count(Severity::Warning) {
            0 => "nothing: the data can be used as they are",
            _ => "nothing that must be; mind the warnings",
        };
        advice.push(what.into());
    }
    advice
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Some(format) => writeln!(formatter, "{}: {format}", self.path.display())?,
            None => writeln!(formatter, "{}: not in a known format", self.path.display())?,
        }
        for kind in self.counts.keys() {
            let of_kind = self.problems.iter().filter(|problem| problem.kind == *kind);
            for problem in of_kind.clone().take(SHOWN) {
                writeln!(formatter, "  {problem}")?;
            }
            match of_kind.count().saturating_sub(SHOWN) {
                0 => {}
                rest => writeln!(formatter, "  {kind}: and {rest} more, see the JSON")?,
            }
        }
        writeln!(
            formatter,
            "records: {}, images: {}, rows dropped: {}; errors: {}, warnings: {}, notes: {}",
            self.records,
            self.images,
            self.dropped,
            self.count(Severity::Error),
            self.count(Severity::Warning),
            self.count(Severity::Note)
        )?;
        for (kind, count) in &self.counts {
            writeln!(formatter, "  {count:>8} {kind}")?;
        }
        match self.usable() {
            true => writeln!(formatter, "The data can be used.")?,
            false => writeln!(formatter, "The data cannot be used as they are.")?,
        }
        write!(formatter, "To do: {}.", self.advice.join("; "))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(formatter, "{severity}: {}", self.file.display())?;
        if let Some(place) = &self.place {
            write!(formatter, ", {place}")?;
        }
        if let Some(id) = &self.id {
            write!(formatter, ", {id}")?;
        }
        write!(formatter, ": {}", self.what)
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unreadable => "unreadable",
            Self::UnknownFormat => "unknown format",
            Self::DroppedRow => "dropped row",
            Self::RepairedRow => "repaired row",
            Self::OddRow => "odd row",
            Self::MissingImage => "missing image",
            Self::BrokenImage => "broken image",
            Self::ExtraFile => "extra image",
            Self::DuplicateImage => "duplicate image",
            Self::RepeatedId => "repeated id",
            Self::RepeatedRecord => "repeated record",
            Self::Contradiction => "contradiction",
            Self::EmptyAnswer => "empty answer",
            Self::ImageInSeveralGroups => "image in several groups or parts",
            Self::LongText => "long text",
        })
    }
}
