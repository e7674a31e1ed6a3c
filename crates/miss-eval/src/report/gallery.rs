//! Test images with question, truth and generated answer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use maud::{Markup, html};
use miss_data::mix;

use super::units::thousands;
use super::{ReportInput, embedded_image};
use crate::metrics::is_yes_no;
use crate::normalise::normalise;
use crate::prediction::Prediction;

/// Enough to judge by, and a page of about one megabyte.
const SHOWN: usize = 40;

pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    let cards = choose(input.predictions, SHOWN);
    let count = |of: fn(&Card<'_>) -> bool| cards.iter().filter(|card| of(card)).count();
    html! {
        section #answers {
            h2 { "Answers" }
            @if cards.is_empty() {
                p { "No question was answered." }
            } @else {
                p {
                    (thousands(cards.len())) " of " (thousands(input.predictions.len()))
                    " answers, drawn evenly from right and wrong, closed and open, and over the images: "
                    "their shares here are not the model's accuracy. "
                    "Right means equal to the truth after normalisation; closed means that the truth is yes or no."
                }
                div.filters {
                    (choice("Answers", "verdict", &[
                        ("all", cards.len()),
                        ("right", count(|card| card.right)),
                        ("wrong", count(|card| !card.right)),
                    ]))
                    (choice("Questions", "kind", &[
                        ("all", cards.len()),
                        ("closed", count(|card| card.closed)),
                        ("open", count(|card| !card.closed)),
                    ]))
                }
                div.cards { @for card in &cards { (card.markup(input)) } }
            }
        }
    }
}

/// Radio buttons; the style sheet hides the cards that are not asked for (no script).
fn choice(legend: &str, name: &str, options: &[(&str, usize)]) -> Markup {
    html! {
        fieldset {
            legend { (legend) }
            @for (index, (option, count)) in options.iter().enumerate() {
                label {
                    input type="radio" name=(name) id={ (name) "-" (option) } checked[index == 0];
                    (option) " " span { (count) }
                }
            }
        }
    }
}

struct Card<'a> {
    prediction: &'a Prediction,
    right: bool,
    closed: bool,
}

impl Card<'_> {
    fn markup(&self, input: &ReportInput<'_>) -> Markup {
        let prediction = self.prediction;
        let kind = if self.closed { "closed" } else { "open" };
        let (verdict, mark) = if self.right {
            ("right", "✓")
        } else {
            ("wrong", "✗")
        };
        html! {
            article class={ "card " (verdict) " " (kind) } {
                div.picture {
                    (embedded_image(&prediction.image, &format!("test image {}", prediction.image), input.image))
                }
                div.words {
                    p.badge { (mark) " " (verdict) }
                    p.question { (prediction.question) }
                    dl {
                        dt { "truth" } dd { (prediction.truth) }
                        dt { "answer" }
                        dd.answer {
                            @if prediction.answer.trim().is_empty() { em { "(empty)" } } @else { (prediction.answer) }
                        }
                    }
                    p.tags {
                        span { (kind) }
                        @if let Some(organ) = &prediction.organ { span { (spelled_out(organ)) } }
                        @for question_type in &prediction.question_types { span { (spelled_out(question_type)) } }
                        span title="probability of the whole answer, as the model sees it" {
                            "p = " (format!("{:.2}", prediction.log_probability.exp()))
                        }
                    }
                }
            }
        }
    }
}

/// A dataset's code as a word: VQA-RAD shortens some. What is not known stays as it is, in lower case.
fn spelled_out(code: &str) -> String {
    match code {
        "ABD" => "abdomen".to_owned(),
        "ABN" => "abnormality".to_owned(),
        "ATTRIB" => "attribute".to_owned(),
        "POS" => "position".to_owned(),
        "PRES" => "presence".to_owned(),
        other => other.to_lowercase(),
    }
}

/// Up to `count` predictions, right and wrong in turn, within each closed and open in turn, first those whose
/// image was shown least; among equals the id decides, mixed so that the file's order does not show.
fn choose(predictions: &[Prediction], count: usize) -> Vec<Card<'_>> {
    let mut waiting: Vec<(u64, Card<'_>)> = predictions
        .iter()
        .map(|prediction| {
            let id: Vec<u64> = prediction.id.bytes().map(u64::from).collect();
            let card = Card {
                prediction,
                right: normalise(&prediction.answer) == normalise(&prediction.truth),
                closed: is_yes_no(&prediction.truth),
            };
            (mix(&id), card)
        })
        .collect();
    // The id itself breaks ties of its mix.
    waiting.sort_by(|one, two| (one.0, &one.1.prediction.id).cmp(&(two.0, &two.1.prediction.id)));

    let mut shown: Vec<Card<'_>> = Vec::new();
    // Cards shown so far by verdict, by verdict and kind, and by image.
    let mut verdicts = [0_usize; 2];
    let mut kinds = [[0_usize; 2]; 2];
    let mut images: BTreeMap<&str, usize> = BTreeMap::new();
    while shown.len() < count {
        let next = waiting.iter().enumerate().min_by_key(|(index, (_, card))| {
            let (right, closed) = (usize::from(card.right), usize::from(card.closed));
            let of_image = images.get(card.prediction.image.as_str()).copied();
            let shown_alike = (verdicts[right], kinds[right][closed], of_image.unwrap_or(0));
            (shown_alike, Reverse(card.right), *index)
        });
        let Some((next, _)) = next else { break };
        let (_, card) = waiting.remove(next);
        let (right, closed) = (usize::from(card.right), usize::from(card.closed));
        verdicts[right] += 1;
        kinds[right][closed] += 1;
        *images.entry(&card.prediction.image).or_default() += 1;
        shown.push(card);
    }
    shown
}
