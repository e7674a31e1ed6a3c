//! Captions that TransCap made for training images.

use maud::{Markup, html};

use super::{ReportInput, embedded_image};

pub(super) fn section(input: &ReportInput<'_>) -> Markup {
    html! {
        section #captions {
            h2 { "Captions" }
            @if input.captions.is_empty() {
                p { "No captions were made." }
            } @else {
                p {
                    "What the dataset says about a training image becomes captions for pretraining. "
                    "A caption says what the attributes say and nothing more."
                }
                div.captioned {
                    @for example in &input.captions {
                        article {
                            div.picture {
                                (embedded_image(&example.image, &format!("training image {}", example.image), input.image))
                            }
                            div.words {
                                p.tags {
                                    @for (name, value) in &example.attributes {
                                        span { (name) " " b { (value) } }
                                    }
                                    @if example.attributes.is_empty() { span { "nothing known" } }
                                }
                                ol { @for caption in &example.captions { li { (caption) } } }
                                p.note { (example.image) " · " (example.realiser) }
                            }
                        }
                    }
                }
            }
        }
    }
}
