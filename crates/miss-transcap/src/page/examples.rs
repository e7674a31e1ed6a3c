//! Images with attributes and captions, as in figure 4 of the paper.

use base64::Engine as _;
use maud::{Markup, html};

use super::{Example, Page, Source, cut};

pub(super) fn section(examples: &[Example]) -> Markup {
    let shown = &examples[..examples.len().min(Page::MAX_EXAMPLES)];
    html! {
        section #examples {
            h2 { "Examples" }
            @if shown.is_empty() {
                p { "No image is shown." }
            } @else {
                p {
                    "What a dataset says of an image, and the captions made of it. A caption says what the "
                    "attributes say and nothing more; what did not is struck out, with the reason."
                }
                div.captioned { @for example in shown { (card(example)) } }
                @if shown.len() < examples.len() {
                    p.note { "The first " (shown.len()) " of " (examples.len()) "." }
                }
            }
        }
    }
}

fn card(example: &Example) -> Markup {
    let name = cut(&example.name);
    html! {
        article {
            div.picture { (picture(example.picture.as_deref(), &name)) }
            div.words {
                p.tags {
                    @for (attribute, value) in example.attributes.named() {
                        span { (attribute) " " b { (value) } }
                    }
                    @if example.attributes.named().is_empty() { span { "nothing known" } }
                }
                ol {
                    @for one in &example.captions {
                        li {
                            (cut(&one.caption)) " "
                            @match one.source {
                                Source::Template => span.source.template { "template" },
                                Source::Model => span.source.model { "model" },
                            }
                        }
                    }
                }
                @if example.captions.is_empty() { p.note { "No caption." } }
                @if !example.rejected.is_empty() {
                    ul.refused {
                        @for one in &example.rejected {
                            li {
                                s { (cut(&one.caption)) }
                                @for reason in &one.reasons { span.reason { (cut(reason)) } }
                            }
                        }
                    }
                }
                p.note { (name) }
            }
        }
    }
}

fn picture(bytes: Option<&[u8]>, name: &str) -> Markup {
    let Some(bytes) = bytes else {
        return html! { span.absent { "image not available" } };
    };
    if bytes.len() > Page::MAX_PICTURE_BYTES {
        return html! { span.absent { "image too large to be shown" } };
    }
    let Some(media) = media_type(bytes) else {
        return html! { span.absent { "not a JPEG, PNG, GIF or WebP image" } };
    };
    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
    html! { img alt={ "image " (name) } src={ "data:" (media) ";base64," (data) }; }
}

/// By the first bytes. SVG, which can carry more than pixels, is none of them.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => None,
    }
}
