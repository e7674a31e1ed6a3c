//! The report page: that it is whole, and that nothing in it can break out.
#![allow(clippy::unwrap_used)]

use miss_transcap::noise::Noise;
use miss_transcap::page::{Captioned, Example, Page, Rejected, Source, Totals};
use miss_transcap::{Attributes, Modality, Organ, Plane};

/// A picture of one grey pixel; the page looks at the first bytes only.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x80\x80\x80\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const HOSTILE: &str = "</style><script>alert(1)</script><img src=x onerror='a'> \" & javascript:";

fn attributes() -> Attributes {
    Attributes {
        modality: Some(Modality::Ct),
        plane: Some(Plane::Axial),
        organ: Some(Organ::find("abdomen").unwrap()),
        ..Attributes::default()
    }
}

fn page(text: &str, picture: Option<Vec<u8>>) -> Page {
    Page {
        title: text.into(),
        summary: text.into(),
        totals: Totals {
            images: 26_605,
            distinct: 412,
            calls: 398,
            input_tokens: 1_000_000,
            output_tokens: 234_567,
            estimated: true,
            usd: Some(0.0421),
            accepted: 1_987,
            rejected: [(text.to_owned(), 31), ("count".to_owned(), 12)].into(),
            fallbacks: [(text.to_owned(), 3)].into(),
        },
        examples: vec![Example {
            name: text.into(),
            picture,
            attributes: attributes(),
            captions: vec![
                Captioned {
                    caption: text.into(),
                    source: Source::Model,
                },
                Captioned {
                    caption: "An axial CT of the abdomen.".into(),
                    source: Source::Template,
                },
            ],
            rejected: vec![Rejected {
                caption: text.into(),
                reasons: vec![text.into()],
            }],
        }],
        noise: vec![
            (text.into(), Noise::of(["Fig. 1. CT (A)."]).unwrap()),
            ("ours".into(), Noise::of(["An axial CT."]).unwrap()),
        ],
        makers: vec![(text.into(), text.into())],
    }
}

/// Names of the elements that a browser would make, by what follows each `<`.
fn elements(html: &str) -> Vec<String> {
    html.split('<')
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect()
        })
        .collect()
}

#[test]
fn hostile_text_makes_the_same_elements_as_harmless_text() {
    let harmless = page("words", Some(GIF.to_vec())).html();
    let hostile = page(HOSTILE, Some(GIF.to_vec())).html();
    // Reasons are sorted by count, so the same places are compared.
    assert_eq!(elements(&hostile), elements(&harmless));
    assert!(!hostile.contains("<script"));
    assert!(hostile.contains("&lt;script&gt;"));
    // One attribute of each kind at most: a quote that closed one would open another.
    assert_eq!(hostile.matches('"').count(), harmless.matches('"').count());
}

#[test]
fn nothing_outside_the_page_is_named() {
    let html = page("words", Some(GIF.to_vec())).html();
    assert!(html.contains("default-src 'none'"));
    for outside in [
        "http:", "https:", "//", "url(", "@import", "<script", "<link",
    ] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn everything_given_is_shown() {
    let html = page("words", Some(GIF.to_vec())).html();
    for shown in [
        "26,605",
        "412",
        "398",
        "1,234,567",
        "1,000,000 read, 234,567 written, partly estimated",
        "$0.0421",
        "1,987",
        "data:image/gif;base64,R0lGODlh",
        "plane <b>axial</b>",
        "organ <b>abdomen</b>",
        "An axial CT of the abdomen.",
        "<s>words</s>",
        "100.0 %",
    ] {
        assert!(html.contains(shown), "{shown}");
    }
}

#[test]
fn pictures_are_shown_only_if_small_and_of_a_known_kind() {
    let shown = |bytes: &[u8]| page("words", Some(bytes.to_vec())).html();
    let of_size = |size: usize| {
        let mut bytes = GIF.to_vec();
        bytes.resize(size, 0);
        shown(&bytes)
    };
    assert!(of_size(Page::MAX_PICTURE_BYTES).contains("data:image/gif"));
    assert!(!of_size(Page::MAX_PICTURE_BYTES + 1).contains("<img"));
    for bytes in [
        &b""[..],
        b"<svg xmlns='x'/>",
        b"\xff\xd8",
        b"RIFF1234WAVE",
        b"\x89PNG",
    ] {
        assert!(!shown(bytes).contains("<img"), "{bytes:?}");
    }
    assert!(shown(b"\xff\xd8\xff\xe0").contains("data:image/jpeg"));
    assert!(shown(b"RIFF1234WEBP").contains("data:image/webp"));
    assert!(page("words", None).html().contains("image not available"));
}

#[test]
fn a_page_stays_bounded() {
    let mut page = page(&"é".repeat(100_000), None);
    let example = page.examples[0].clone();
    page.examples = vec![example; Page::MAX_EXAMPLES + 40];
    page.totals.rejected = (0..1_000).map(|n| (format!("reason {n}"), n)).collect();
    let html = page.html();
    assert_eq!(html.matches("<article").count(), Page::MAX_EXAMPLES);
    assert!(html.contains("The first 60 of 100."));
    assert!(html.contains("980 other reasons"));
    assert!(html.len() < 2_000_000, "{}", html.len());
    assert!(Page::default().html().contains("no model was asked"));
}
