//! What would have to be the same for the numbers to come out the same.

use maud::{Markup, html};

use super::ReportInput;
use super::units::duration;

pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    let total: f64 = input.timings.iter().map(|(_, seconds)| seconds).sum();
    let longest = input
        .timings
        .iter()
        .fold(1e-9_f64, |longest, (_, seconds)| longest.max(*seconds));
    html! {
        section #recipe {
            h2 { "Recipe" }
            div.pair {
                div {
                    h3 { "Hashes" }
                    dl.hashes { @for (name, hash) in &input.hashes { dt { (name) } dd { code { (hash) } } } }
                    h3 { "Environment" }
                    dl.facts { @for (name, value) in &input.environment { dt { (name) } dd { (value) } } }
                }
                div {
                    h3 { "Time" }
                    table.times {
                        tbody {
                            @for (stage, seconds) in &input.timings {
                                tr {
                                    th scope="row" { (stage) }
                                    td.bar { span style={ "width:" (format!("{:.1}", 100.0 * seconds / longest)) "%" } {} }
                                    td { (duration(*seconds)) }
                                }
                            }
                            tr.total { th scope="row" { "Sum" } td {} td { (duration(total)) } }
                        }
                    }
                }
            }
            details {
                summary { "Configuration " b { (input.recipe) } ", as resolved" }
                pre { code { (input.config_toml) } }
            }
        }
    }
}
