//! Noise measures of sets of captions, side by side.

use maud::{Markup, html};

use super::{cut, thousands};
use crate::noise::{Noise, WINDOW};

/// A measure: its name, what it means, its value.
type Row = (&'static str, String, fn(&Noise) -> String);

pub(super) fn section(sets: &[(String, Noise)]) -> Markup {
    html! {
        section #noise {
            h2 { "Noise" }
            @if sets.is_empty() {
                p { "Not measured." }
            } @else {
                p {
                    "Captions of figures cite, point at arrows and name panels: noise to a model that "
                    "learns from pairs of image and text. The measures say what a text looks like, not whether it is true."
                }
                div.scroll {
                    table.measures {
                        thead {
                            tr {
                                td {}
                                @for (name, _) in sets { th scope="col" { (cut(name)) } }
                            }
                        }
                        tbody {
                            @for (name, meaning, value) in rows() {
                                tr {
                                    th scope="row" { (name) small { (meaning) } }
                                    @for (_, noise) in sets { td { (value(noise)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn rows() -> Vec<Row> {
    let row = |name, meaning: &str, value: fn(&Noise) -> String| (name, meaning.to_owned(), value);
    vec![
        row("Captions", "measured", |noise| {
            thousands(noise.captions as u64)
        }),
        row(
            "Citations",
            "[12], (Smith et al., 2010), credits of a source",
            |noise| percent(noise.citations),
        ),
        row("Labels", "Fig. 2, (A), panel B", |noise| {
            percent(noise.labels)
        }),
        row(
            "Arrows",
            "arrows, asterisks and stars in the image",
            |noise| percent(noise.arrows),
        ),
        row(
            "Numbers",
            "in digits, labels and citations aside",
            |noise| percent(noise.numbers),
        ),
        row("Numbers with units", "5 mm, 30%", |noise| {
            percent(noise.units)
        }),
        row("Length", "words, mean", |noise| {
            format!("{:.1}", noise.length.mean)
        }),
        row(
            "Spread of lengths",
            "5th percentile, median, 95th, longest",
            |noise| {
                let length = noise.length;
                format!(
                    "{} · {} · {} · {}",
                    length.p5, length.median, length.p95, length.longest
                )
            },
        ),
        row("Reading ease", "Flesch; higher is easier", |noise| {
            noise
                .reading_ease
                .map_or("–".into(), |ease| format!("{ease:.1}"))
        }),
        row(
            "Distinct-1",
            "distinct words over words; falls with size",
            |noise| format!("{:.3}", noise.distinct_1),
        ),
        row(
            "Distinct-2",
            "distinct pairs over pairs; falls with size",
            |noise| format!("{:.3}", noise.distinct_2),
        ),
        (
            "Type–token ratio",
            format!("within {WINDOW} words; for sets of any size"),
            |noise| format!("{:.3}", noise.type_token_ratio),
        ),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
