//! A line as a question or a figure.

use super::line::Line;
use crate::figure::Figure;
use crate::record::{AnswerType, Language, Part, Question};

const ANSWER_TYPES: [(&str, AnswerType); 2] =
    [("CLOSED", AnswerType::Closed), ("OPEN", AnswerType::Open)];
const LANGUAGES: [(&str, Language); 2] = [("en", Language::En), ("zh", Language::Zh)];
const OTHER_LANGUAGES: [(&str, Language); 2] =
    [("english", Language::En), ("chinese", Language::Zh)];
const PARTS: [(&str, Part); 3] = [
    ("train", Part::Train),
    ("validation", Part::Validation),
    ("test", Part::Test),
];
const OTHER_PARTS: [(&str, Part); 7] = [
    ("training", Part::Train),
    ("val", Part::Validation),
    ("valid", Part::Validation),
    ("validate", Part::Validation),
    ("dev", Part::Validation),
    ("development", Part::Validation),
    ("testing", Part::Test),
];
/// What makes a question without annotation a closed one: its answer, in lower case.
const YES_NO: [&str; 6] = ["yes", "no", "是", "否", "是的", "不是"];

pub(crate) fn question(line: &mut Line<'_, '_>, id: String) -> Result<Question, String> {
    let image = line.image()?;
    let question = line.text("question")?;
    let answer = line.answer()?;
    let answer_type = match line.word("answer_type", &ANSWER_TYPES, &[])? {
        Some(told) => told,
        None => {
            line.of_the_file(
                "`answer_type` is absent: CLOSED where the answer is yes or no, else OPEN",
            );
            answer_type_of(&answer)
        }
    };
    Ok(Question {
        id,
        image,
        question,
        answer,
        answer_type,
        question_types: line.texts("question_types")?,
        organ: line.optional("organ")?,
        modality: line.optional("modality")?,
        language: line
            .word("language", &LANGUAGES, &OTHER_LANGUAGES)?
            .unwrap_or_default(),
        part: line.word("part", &PARTS, &OTHER_PARTS)?,
        linked_id: line.optional("linked_id")?,
    })
}

pub(crate) fn figure(line: &mut Line<'_, '_>, id: String) -> Result<Figure, String> {
    let image = line.image()?;
    let mut captions: Vec<String> = line.optional("caption")?.into_iter().collect();
    captions.extend(line.texts("captions")?);
    if captions.is_empty() {
        return Err("there is no `caption`, and nothing in `captions`".into());
    }
    Ok(Figure {
        id,
        image,
        captions,
        group: line.optional("group")?,
        licence: line.optional("licence")?,
        part: line.word("part", &PARTS, &OTHER_PARTS)?,
    })
}

/// The part that others call `text`, as our format writes it.
pub(crate) fn part_named(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let mut all = PARTS.iter().chain(&OTHER_PARTS);
    let (_, part) = all.find(|(name, _)| *name == lower)?;
    let (name, _) = PARTS.iter().find(|(_, other)| other == part)?;
    Some(name)
}

fn answer_type_of(answer: &str) -> AnswerType {
    let bare = answer.to_lowercase();
    let bare = bare.trim_end_matches(['.', '。', '!']).trim();
    if YES_NO.contains(&bare) {
        AnswerType::Closed
    } else {
        AnswerType::Open
    }
}
