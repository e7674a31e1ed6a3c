//! What is wrong between records.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::{Problem, ProblemKind, Severity};
use crate::figure::Figure;
use crate::labelled::LabelledImage;
use crate::record::{Part, Question};

/// Characters of a question beyond which a model reads only the start: about 35 tokens.
const LONG_QUESTION: usize = 200;
/// Characters of an answer or caption beyond which it is more likely a whole report, or a slip.
const LONG_TEXT: usize = 5000;
/// Records named by one problem; the rest are counted.
const NAMED: usize = 5;

/// What the checks need of a record.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) image: String,
    /// A question's text and answer, lower case.
    asked: Option<(String, String)>,
    group: Option<String>,
    part: Option<Part>,
    /// The field that is far longer than usual, with its characters.
    long: Option<(&'static str, usize)>,
}

pub(super) fn of_question(question: Question) -> Facts {
    let texts = [
        ("question", &question.question, LONG_QUESTION),
        ("answer", &question.answer, LONG_TEXT),
    ];
    Facts {
        long: longest(texts),
        asked: Some((
            question.question.to_lowercase(),
            question.answer.to_lowercase(),
        )),
        id: question.id,
        image: question.image,
        // What links questions is a patient in some datasets and the rephrasing of one question in others; an
        // image may well have many of the latter.
        group: None,
        part: question.part,
    }
}

/// A question of our own format, where what links questions is what must not be divided.
pub(super) fn of_own_question(question: Question) -> Facts {
    let group = question.linked_id.clone();
    Facts {
        group,
        ..of_question(question)
    }
}

pub(super) fn of_figure(figure: Figure) -> Facts {
    let texts = figure.captions.iter();
    Facts {
        long: longest(texts.map(|caption| ("caption", caption, LONG_TEXT))),
        asked: None,
        id: figure.id,
        image: figure.image,
        group: figure.group,
        part: figure.part,
    }
}

pub(super) fn of_labelled(labelled: LabelledImage) -> Facts {
    Facts {
        long: None,
        asked: None,
        id: labelled.id,
        image: labelled.image,
        group: None,
        part: None,
    }
}

fn longest<'a>(
    texts: impl IntoIterator<Item = (&'static str, &'a String, usize)>,
) -> Option<(&'static str, usize)> {
    texts
        .into_iter()
        .map(|(field, text, limit)| (field, text.chars().count(), limit))
        .find(|(_, count, limit)| count > limit)
        .map(|(field, count, _)| (field, count))
}

/// Adds what is wrong between the records of the dataset in `root`.
pub(super) fn check(facts: &[Facts], root: &Path, problems: &mut Vec<Problem>) {
    let mut report = |kind, severity, id: Option<&str>, what| {
        problems.push(Problem {
            kind,
            severity,
            file: root.into(),
            place: None,
            id: id.map(Into::into),
            what,
        });
    };
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for fact in facts {
        *ids.entry(&fact.id).or_default() += 1;
        if let Some((field, count)) = fact.long {
            let what = format!("`{field}` has {count} characters: only its start will be read");
            report(ProblemKind::LongText, Severity::Note, Some(&fact.id), what);
        }
    }
    for fact in facts {
        if fact
            .asked
            .as_ref()
            .is_some_and(|(_, answer)| answer.is_empty())
        {
            let what =
                "the answer is empty: no answer can be right; fill it in or leave the question out";
            report(
                ProblemKind::EmptyAnswer,
                Severity::Warning,
                Some(&fact.id),
                what.into(),
            );
        }
        // Told once, where the id is first met.
        if let Some(count) = ids.remove(fact.id.as_str())
            && count > 1
        {
            let what = format!("{count} records have this id: give each its own");
            report(
                ProblemKind::RepeatedId,
                Severity::Error,
                Some(&fact.id),
                what,
            );
        }
    }
    asked_again(facts, &mut report);
    in_several_groups(facts, &mut report);
}

type Told<'a> = &'a mut dyn FnMut(ProblemKind, Severity, Option<&str>, String);

/// One question about one image, several times.
fn asked_again(facts: &[Facts], report: Told<'_>) {
    let mut same: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for (place, fact) in facts.iter().enumerate() {
        if let Some((question, _)) = &fact.asked {
            same.entry((&fact.image, question)).or_default().push(place);
        }
    }
    let mut same: Vec<((&str, &str), Vec<usize>)> = same
        .into_iter()
        .filter(|(_, places)| places.len() > 1)
        .collect();
    same.sort_by_key(|(_, places)| places[0]);
    for ((image, question), places) in same {
        let answers = places
            .iter()
            .filter_map(|&place| facts[place].asked.as_ref());
        let answers: BTreeSet<&str> = answers.map(|(_, answer)| answer.as_str()).collect();
        let ids = named(places.iter().map(|&place| facts[place].id.as_str()));
        let asked = format!("{:?} about {image}", short(question));
        let first = Some(facts[places[0]].id.as_str());
        if answers.len() > 1 {
            let answers: Vec<String> = answers.iter().take(NAMED).map(|text| short(text)).collect();
            let what = format!(
                "{asked} has {} different answers, {answers:?} ({ids}): no model can give both; decide for one",
                answers.len()
            );
            report(ProblemKind::Contradiction, Severity::Warning, first, what);
        } else {
            let what = format!(
                "{asked} is asked {} times with one answer ({ids})",
                places.len()
            );
            report(ProblemKind::RepeatedRecord, Severity::Note, first, what);
        }
    }
}

/// Images in several groups, which a split by group cannot keep apart, and in several parts.
fn in_several_groups(facts: &[Facts], report: Told<'_>) {
    let mut groups: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    let mut parts: HashMap<&str, BTreeSet<Part>> = HashMap::new();
    for fact in facts {
        if let Some(group) = &fact.group {
            groups.entry(&fact.image).or_default().insert(group);
        }
        if let Some(part) = fact.part {
            parts.entry(&fact.image).or_default().insert(part);
        }
    }
    let mut several: Vec<(&str, BTreeSet<&str>)> = groups
        .into_iter()
        .filter(|(_, groups)| groups.len() > 1)
        .collect();
    several.sort();
    for (image, groups) in several {
        let what = format!(
            "{image} is in {} groups ({}): one image is of one patient; mend the groups",
            groups.len(),
            named(groups.iter().copied())
        );
        report(
            ProblemKind::ImageInSeveralGroups,
            Severity::Warning,
            None,
            what,
        );
    }
    let shared: BTreeSet<&str> = parts
        .iter()
        .filter(|(_, parts)| parts.len() > 1)
        .map(|(image, _)| *image)
        .collect();
    if !shared.is_empty() {
        let what = format!(
            "{} of {} images are in more than one part ({}): results on such parts are too good; use a split that \
             keeps images apart, and see the audit",
            shared.len(),
            parts.len(),
            named(shared.iter().copied())
        );
        report(
            ProblemKind::ImageInSeveralGroups,
            Severity::Warning,
            None,
            what,
        );
    }
}

/// The first few of the names, and how many more there are.
pub(super) fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        rest => format!("{first} and {rest} more"),
    }
}

fn short(text: &str) -> String {
    const CHARS: usize = 60;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
