//! Sentences with slots.
//!
//! `{whole}` is the image with everything known of how it was made and of what; `{image}` and `{method}` leave
//! the `{organ}` out. `{f}` is what is seen, `{h}` and `{p}` are a single finding and its place; `{is}` agrees
//! with `{f}`, `{there}` with what comes first in it. `a(n)` becomes the article that fits.

use crate::attributes::{Attributes, Class};

use super::content::{Content, Kind};

/// Of an image of which nothing is known but how it was made and of what.
const BARE: [&str; 28] = [
    "a(n) {whole}.",
    "this is a(n) {whole}.",
    "here is a(n) {whole}.",
    "shown here is a(n) {whole}.",
    "a(n) {whole} is shown.",
    "a(n) {whole} is presented here.",
    "the figure shows a(n) {whole}.",
    "the picture presents a(n) {whole}.",
    "the picture is a(n) {whole}.",
    "displayed is a(n) {whole}.",
    "what is shown is a(n) {whole}.",
    "we see a(n) {whole}.",
    "this figure contains a(n) {whole}.",
    "the reader is looking at a(n) {whole}.",
    "an example of a(n) {whole}.",
    "a(n) {image} shows the {organ}.",
    "a(n) {image} depicting the {organ}.",
    "a(n) {image} in which the {organ} is visible.",
    "the {organ} is shown in a(n) {image}.",
    "the {organ} as seen in a(n) {image}.",
    "this {image} shows the {organ}.",
    "this {image} was taken of the {organ}.",
    "in this {image}, the {organ} is seen.",
    "the {organ} is the subject of this {image}.",
    "{method} of the {organ}.",
    "{method} was used to image the {organ}.",
    "the {organ} was imaged with {method}.",
    "the {organ} was examined by {method}.",
];

/// Of anything that is seen on an image.
const ON_IMAGE: [&str; 15] = [
    "a(n) {whole} with {f}.",
    "a(n) {whole} showing {f}.",
    "a(n) {whole} shows {f}.",
    "this {whole} shows {f}.",
    "{f} {is} seen on a(n) {whole}.",
    "{f} {is} visible on this {whole}.",
    "{f} can be seen on this {whole}.",
    "{f} on a(n) {whole}.",
    "on this {whole}, {f} {is} seen.",
    "a(n) {whole} on which {f} {is} seen.",
    "a(n) {whole}: {f}.",
    "a(n) {whole}. {f} {is} seen.",
    "this is a(n) {whole} showing {f}.",
    "here is a(n) {whole}. it shows {f}.",
    "shown is a(n) {whole} with {f}.",
];

/// Of what is there, not of what is not.
const FOUND_ON_IMAGE: [&str; 5] = [
    "we see {f} on this {whole}.",
    "on a(n) {whole}, we see {f}.",
    "{f} as seen on a(n) {whole}.",
    "visible on this {whole} {there} {f}.",
    "what this {whole} shows is {f}.",
];

/// Of what is not named with "the".
const THERE_ON_IMAGE: [&str; 2] = [
    "there {there} {f} on this {whole}.",
    "a(n) {whole}. there {there} {f}.",
];

/// As [`ON_IMAGE`], where the image has been named or nothing is known of it. None of them names an image as if
/// it were another.
const ALONE: [&str; 13] = [
    "{f} {is} seen.",
    "{f} {is} visible.",
    "{f} {is} shown.",
    "{f} can be seen.",
    "{f} {is} seen here.",
    "{f} {is} visible here.",
    "it shows {f}.",
    "here, {f} {is} seen.",
    "here, {f} can be seen.",
    "the image shows {f}.",
    "on this image, {f} {is} seen.",
    "in the image, {f} {is} visible.",
    "{f} {is} seen on the image.",
];

/// As [`ALONE`], where no image has been named.
const NO_IMAGE_YET: [&str; 3] = [
    "an image showing {f}.",
    "an image with {f}.",
    "an image on which {f} {is} seen.",
];

/// As [`FOUND_ON_IMAGE`].
const FOUND_ALONE: [&str; 5] = [
    "{f}.",
    "we see {f}.",
    "seen here {there} {f}.",
    "visible {there} {f}.",
    "what is seen is {f}.",
];

/// As [`THERE_ON_IMAGE`].
const THERE_ALONE: [&str; 2] = ["there {there} {f}.", "{f} {is} present."];

/// Of a single finding with its place; for others they are left out.
const PLACED: [&str; 4] = [
    "{h} {is} seen {p}.",
    "{h} {is} located {p}.",
    "{p}, {h} {is} seen.",
    "{p}, there {there} {h}.",
];

/// For the first sentence, which is the only one to name the image.
pub(super) fn first(attributes: &Attributes, content: Option<&Content>) -> Vec<&'static str> {
    let Some(content) = content else {
        return BARE.to_vec();
    };
    let image = attributes.modality.is_some()
        || attributes.plane.is_some()
        || attributes.organ.is_some()
        || (attributes.class.is_some() && !attributes.findings.is_empty());
    if !image {
        let mut frames = without_image(content);
        frames.extend(NO_IMAGE_YET);
        return without_double_image(frames, content);
    }
    let mut frames = ON_IMAGE.to_vec();
    if content.kind != Kind::Absent {
        frames.extend(FOUND_ON_IMAGE);
    }
    if content.fits_there() {
        frames.extend(THERE_ON_IMAGE);
    }
    if attributes.findings.is_empty() && attributes.structures.is_empty() {
        frames.extend(attributes.class.map_or(&[][..], of_class));
    }
    if content.text.contains("of the image") {
        // Not "in the upper left of the image on this X-ray of the chest".
        frames.retain(|frame| frame.find("{f}") > frame.find("{whole}"));
    }
    frames
}

/// For a sentence that does not name the image.
pub(super) fn without_image(content: &Content) -> Vec<&'static str> {
    let mut frames = ALONE.to_vec();
    if content.kind != Kind::Absent {
        frames.extend(FOUND_ALONE);
    }
    if content.fits_there() {
        frames.extend(THERE_ALONE);
    }
    frames.extend(PLACED);
    without_double_image(frames, content)
}

/// Not "on this image, a nodule in the upper left of the image is seen".
fn without_double_image(mut frames: Vec<&'static str>, content: &Content) -> Vec<&'static str> {
    if content.text.contains("of the image") {
        frames.retain(|frame| !frame.contains(" image"));
    }
    frames
}

fn of_class(class: Class) -> &'static [&'static str] {
    match class {
        Class::Normal => &[
            "a(n) normal {whole}.",
            "this {whole} is normal.",
            "a(n) {whole} without abnormality.",
        ],
        Class::NoFinding => &["a(n) {whole} without any of the findings looked for."],
        Class::AbnormalWithoutOpacity => &[
            "a(n) abnormal {whole} without lung opacity.",
            "this {whole} is abnormal but shows no lung opacity.",
        ],
        Class::Abnormal => &["a(n) abnormal {whole}.", "this {whole} is abnormal."],
    }
}
