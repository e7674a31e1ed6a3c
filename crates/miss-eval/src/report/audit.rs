//! The data, and what the test split shares with training.

use maud::{Markup, html};

use super::ReportInput;

pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    let leaks = input.audit.iter().any(|row| row.leak);
    html! {
        section #data {
            h2 { "Data" }
            div.pair {
                div {
                    h3 { "What was used" }
                    dl.facts { @for (name, value) in &input.data { dt { (name) } dd { (value) } } }
                }
                div {
                    h3 { "Audit of the split " (input.split_name) }
                    @if input.audit.is_empty() {
                        p { "The split was not audited." }
                    } @else if leaks {
                        p.warning {
                            "⚠ The test split leaks: rows marked below mean that test questions are not independent "
                            "of training. The numbers above are then too good for images never seen."
                        }
                    } @else {
                        p.clean { "✓ No leak found: nothing counted below ties a test question to a training image." }
                    }
                    table.audit {
                        tbody {
                            @for row in &input.audit {
                                tr.leak[row.leak] {
                                    th scope="row" { (row.what) @if row.leak { b { " leak" } } }
                                    td { (row.count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
