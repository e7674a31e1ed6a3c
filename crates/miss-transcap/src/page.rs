//! The report of a captioning run: one self-contained HTML page, made from plain data.
//!
//! Like figure 4 of the MISS paper it shows images with their attributes and captions, and besides what was
//! refused and why, what the run cost, and how noisy the captions are beside others.

mod examples;
mod noise;
mod totals;

use std::collections::BTreeMap;

use maud::{DOCTYPE, PreEscaped, html};

use crate::attributes::Attributes;
use crate::noise::Noise;

/// Nothing but what is in the page may be loaded or run; the browser enforces it.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// All that the page shows. The caller words it; [`Page::html`] lays it out and escapes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Heading, e.g. "Captions of RSNA's training images".
    pub title: String,
    /// One or two sentences below the heading.
    pub summary: String,
    /// What was done, counted.
    pub totals: Totals,
    /// Images with their captions; the first [`Page::MAX_EXAMPLES`] are shown.
    pub examples: Vec<Example>,
    /// Noise measures of sets of captions, each below its name, e.g. a reference set and the captions made.
    pub noise: Vec<(String, Noise)>,
    /// What made the captions, named: model, prompt, version of the realiser.
    pub makers: Vec<(String, String)>,
}

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Images that have captions now.
    pub images: u64,
    /// Different attributes among them; images with equal ones share their captions.
    pub distinct: u64,
    /// Calls that were answered and paid for.
    pub calls: u64,
    /// Tokens read by the model.
    pub input_tokens: u64,
    /// Tokens written by the model.
    pub output_tokens: u64,
    /// Some tokens are estimated, as the server did not count them.
    pub estimated: bool,
    /// Cost in US dollars, where prices are known.
    pub usd: Option<f64>,
    /// Captions that the model wrote and the verifier accepted.
    pub accepted: u64,
    /// Captions that were refused, by reason. A caption with several reasons counts at each.
    pub rejected: BTreeMap<String, u64>,
    /// Requests of which no caption is used, so that templates stand in, by reason.
    pub fallbacks: BTreeMap<String, u64>,
}

/// An image with its captions.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its name. It stays in this page, and was in no request.
    pub name: String,
    /// The bytes of a JPEG, PNG, GIF or WebP file of at most [`Page::MAX_PICTURE_BYTES`]; others are not shown.
    pub picture: Option<Vec<u8>>,
    /// What is known of it.
    pub attributes: Attributes,
    /// Its captions.
    pub captions: Vec<Captioned>,
    /// Captions that were refused.
    pub rejected: Vec<Rejected>,
}

/// A caption and who wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Captioned {
    /// The caption.
    pub caption: String,
    /// Its writer.
    pub source: Source,
}

/// Who wrote a caption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The template realiser.
    Template,
    /// The language model.
    Model,
}

/// A caption that was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// The caption.
    pub caption: String,
    /// What is wrong with it.
    pub reasons: Vec<String>,
}

impl Page {
    /// Images shown at most.
    pub const MAX_EXAMPLES: usize = 60;
    /// Largest picture that is embedded, in bytes.
    pub const MAX_PICTURE_BYTES: usize = 1 << 20;

    /// The page, which needs no network and runs no script. All text is escaped, and cut where it is very long.
    #[must_use]
    pub fn html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY);
                    title { (cut(&self.title)) " – MISS Transfer-and-Caption" }
                    style { (PreEscaped(include_str!("page/style.css"))) }
                }
                body {
                    header {
                        p.eyebrow { "MISS · Transfer-and-Caption" }
                        h1 { (cut(&self.title)) }
                        p.summary { (cut(&self.summary)) }
                        nav aria-label="Sections" {
                            a href="#run" { "Run" }
                            a href="#examples" { "Examples" }
                            a href="#noise" { "Noise" }
                        }
                    }
                    main {
                        (totals::section(&self.totals, &self.makers))
                        (examples::section(&self.examples))
                        (noise::section(&self.noise))
                    }
                    footer {
                        p {
                            strong { "Not for clinical use." }
                            " Captions are made from labels alone, by templates or a statistical model; no person "
                            "read the images for them."
                        }
                    }
                }
            }
        };
        page.into_string()
    }
}

/// Text as long as a page bears.
fn cut(text: &str) -> String {
    const MOST: usize = 2_000;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// "12,345".
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
