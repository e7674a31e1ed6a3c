//! What the run did and cost.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Totals, cut, thousands};

/// Reasons of a table; the rest are one line.
const SHOWN: usize = 20;

pub(super) fn section(totals: &Totals, makers: &[(String, String)]) -> Markup {
    let estimated = if totals.estimated {
        "partly estimated"
    } else {
        "as counted by the server"
    };
    let tokens = totals.input_tokens.saturating_add(totals.output_tokens);
    html! {
        section #run {
            h2 { "Run" }
            div.tiles {
                (tile("Images", &thousands(totals.images), "with captions"))
                (tile("Attribute tuples", &thousands(totals.distinct), "different; equal ones share captions"))
                (tile("Calls", &thousands(totals.calls), "answered and paid for"))
                (tile("Tokens", &thousands(tokens), &match tokens {
                    0 => "no model was asked".to_owned(),
                    _ => format!(
                        "{} read, {} written, {estimated}",
                        thousands(totals.input_tokens), thousands(totals.output_tokens),
                    ),
                }))
                (tile("Cost", &dollars(totals), match totals.usd {
                    Some(_) => "US dollars, by the prices configured",
                    None => "no prices configured",
                }))
                (tile("Accepted", &thousands(totals.accepted), "captions of the model that the verifier passed"))
            }
            div.pair {
                (reasons("Refused captions", "A caption with several faults counts at each.", &totals.rejected))
                (reasons("Templates instead of the model", "Requests, by why.", &totals.fallbacks))
            }
            @if !makers.is_empty() {
                dl.facts {
                    @for (name, value) in makers { dt { (cut(name)) } dd { (cut(value)) } }
                }
            }
        }
    }
}

fn tile(name: &str, value: &str, meaning: &str) -> Markup {
    html! {
        div.tile {
            h3 { (name) }
            p.score { (value) }
            p.meaning { (meaning) }
        }
    }
}

/// Small sums with more digits, so that they do not read as nothing.
fn dollars(totals: &Totals) -> String {
    match totals.usd {
        None => "–".into(),
        Some(usd) if usd > 0.0 && usd < 1.0 => format!("${usd:.4}"),
        Some(usd) => format!("${usd:.2}"),
    }
}

/// The most frequent first.
fn reasons(title: &str, note: &str, counts: &BTreeMap<String, u64>) -> Markup {
    let mut rows: Vec<(&str, u64)> = counts.iter().map(|(why, n)| (why.as_str(), *n)).collect();
    rows.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let most = rows.first().map_or(1, |(_, n)| (*n).max(1));
    let rest = rows.split_off(rows.len().min(SHOWN));
    let rest_sum = rest
        .iter()
        .fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
    html! {
        div {
            h3 { (title) }
            @if rows.is_empty() {
                p.note { "None." }
            } @else {
                table.reasons {
                    caption { (note) }
                    tbody {
                        @for (why, n) in &rows {
                            tr {
                                th scope="row" {
                                    (cut(why))
                                    span.bar aria-hidden="true" {
                                        span style={ "width:" (format!("{:.1}", 100.0 * *n as f64 / most as f64)) "%" } {}
                                    }
                                }
                                td { (thousands(*n)) }
                            }
                        }
                        @if !rest.is_empty() {
                            tr { th scope="row" { (rest.len()) " other reasons" } td { (thousands(rest_sum)) } }
                        }
                    }
                }
            }
        }
    }
}
