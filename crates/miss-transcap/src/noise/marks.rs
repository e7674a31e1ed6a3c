//! Marks of figure captions: citations, labels, arrows, numbers with units.

use super::{trimmed, words};

/// Before a number or letter they name a figure or a part of one.
const FIGURES: [&str; 7] = [
    "fig", "figs", "figure", "figures", "panel", "panels", "table",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// Lower case.
const UNITS: [&str; 46] = [
    "%", "°", "°c", "bpm", "cc", "cm", "cm2", "cm3", "cm²", "cm³", "day", "days", "dl", "g", "gy",
    "h", "hour", "hours", "hu", "hz", "kg", "khz", "kv", "kvp", "l", "mas", "mbq", "mci", "mg",
    "mhz", "min", "minutes", "ml", "mm", "mm2", "mm²", "mmhg", "month", "months", "ms", "sec", "t",
    "week", "weeks", "year", "years",
];

/// Literature is cited or a source credited: `[12]`, `[3, 5–7]`, `(Smith and Lee, 2010)`, `et al.`, a DOI,
/// "reprinted from", "courtesy of".
#[must_use]
pub fn has_citation(caption: &str) -> bool {
    enclosed(caption, '[', ']').any(is_number_list)
        || enclosed(caption, '(', ')').any(|inner| inner.split(';').any(is_author_and_year))
        || caption.contains("doi.org/")
        || caption.to_lowercase().contains("doi:")
        || neighbours(caption).any(|(word, next)| {
            matches!(
                (word.as_str(), next.as_str()),
                ("et", "al")
                    | ("reprinted" | "reproduced" | "adapted", "from" | "with")
                    | ("courtesy", "of")
            )
        })
}

/// A figure or a panel of one is named: `Fig. 2`, `Figure 1A`, `panel B`, `(A)`, `(a–c)`, `(1)`. In round
/// brackets stand only single letters, small numbers or letters with a number.
#[must_use]
pub fn has_label(caption: &str) -> bool {
    enclosed(caption, '(', ')').any(is_label_list)
        || neighbours(caption).any(|(word, next)| {
            let number = next.split(['-', '–', ',', '&']).next().unwrap_or_default();
            let panel = matches!(word.as_str(), "panel" | "panels");
            FIGURES.contains(&word.as_str())
                && (is_figure_number(number) || panel && is_label(number))
        })
}

/// Something drawn into the image is named: arrow, arrowhead, asterisk, star, or an arrow as a sign.
#[must_use]
pub fn has_arrow(caption: &str) -> bool {
    caption.contains(['←', '↑', '→', '↓', '➔', '➤', '▲', '★'])
        || words(caption).any(|word| {
            let word = word.to_lowercase();
            word.starts_with("arrow")
                || word.starts_with("asterisk")
                || matches!(word.as_str(), "star" | "stars")
        })
}

/// A number in digits: a word that begins with one. Numbers of figures, panels and cited works are none.
#[must_use]
pub fn has_number(caption: &str) -> bool {
    numbers(caption).next().is_some()
}

/// A number with its unit of length, volume, mass, time, density, dose, field or share: `5 mm`, `5-cm`, `30%`.
#[must_use]
pub fn has_unit(caption: &str) -> bool {
    numbers(caption).any(|(token, next)| {
        let rest = token
            .trim_start_matches(|letter: char| !letter.is_alphanumeric())
            .trim_start_matches(|letter: char| {
                letter.is_ascii_digit() || ".,×x–-/".contains(letter)
            });
        let rest = rest
            .trim_end_matches(|letter: char| !letter.is_alphanumeric() && !"%°".contains(letter));
        let own = rest.split('-').next().unwrap_or_default();
        let unit = if own.is_empty() {
            next.unwrap_or_default()
        } else {
            own
        };
        let unit =
            unit.trim_matches(|letter: char| !letter.is_alphanumeric() && !"%°".contains(letter));
        UNITS.contains(&unit.to_lowercase().as_str())
    })
}

/// Tokens that begin with a digit and are no label or citation, each with the token behind it.
fn numbers(caption: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut before = "";
    let mut tokens = caption.split_whitespace().peekable();
    std::iter::from_fn(move || {
        loop {
            let token = tokens.next()?;
            let of_figure = FIGURES.contains(&trimmed(before).to_lowercase().as_str());
            before = token;
            let label = enclosed(token, '(', ')').any(is_label_list);
            let starts = trimmed(token).starts_with(|letter: char| letter.is_ascii_digit());
            if starts && !of_figure && !label && !token.starts_with('[') {
                return Some((token, tokens.peek().copied()));
            }
        }
    })
}

/// What stands between the innermost brackets, each time they open and close.
fn enclosed(text: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(close)?;
        let inner = rest[..end].rsplit_once(open).map_or("", |(_, inner)| inner);
        rest = &rest[end + close.len_utf8()..];
        Some(inner)
    })
}

/// Words and the words behind them, in lower case.
fn neighbours(caption: &str) -> impl Iterator<Item = (String, String)> {
    let next = words(caption).skip(1);
    words(caption)
        .zip(next)
        .map(|(word, next)| (word.to_lowercase(), next.to_lowercase()))
}

/// `12`, `3, 4`, `5–7`: numbers of at most three digits.
fn is_number_list(inner: &str) -> bool {
    inner.split([',', '-', '–', ';']).all(|number| {
        let number = number.trim();
        (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `Smith et al., 2010`, `Smith 2010a`: a capitalised name that is no month, no other digits, a year.
fn is_author_and_year(part: &str) -> bool {
    let mut all: Vec<&str> = words(part).collect();
    let Some(year) = all.pop() else { return false };
    let year = year
        .strip_suffix(|letter: char| letter.is_ascii_lowercase())
        .unwrap_or(year);
    let is_year = year.len() == 4
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && (year.starts_with("19") || year.starts_with("20"));
    let named = all.first().is_some_and(|name| {
        name.starts_with(char::is_uppercase)
            && name.chars().count() > 1
            && !MONTHS.contains(&name.to_lowercase().as_str())
    });
    is_year
        && named
        && !all
            .iter()
            .any(|word| word.contains(|letter: char| letter.is_ascii_digit()))
}

/// `A`, `a–c`, `B, D`, `A and B`, `1`.
fn is_label_list(inner: &str) -> bool {
    let mut labels = inner
        .split([',', '-', '–', '&', ' '])
        .filter(|label| !label.is_empty() && !matches!(*label, "and" | "to"))
        .peekable();
    labels.peek().is_some() && labels.all(is_label)
}

/// One letter, one letter with one digit, or a number of one or two digits.
fn is_label(label: &str) -> bool {
    let digits = label.strip_prefix(|letter: char| letter.is_ascii_alphabetic());
    match digits {
        Some(digits) => digits.len() <= 1 && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => (1..=2).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// `2`, `12`, `1a`, `s3`.
fn is_figure_number(number: &str) -> bool {
    let bare = number
        .strip_suffix(|letter: char| letter.is_ascii_lowercase())
        .unwrap_or(number);
    bare.ends_with(|letter: char| letter.is_ascii_digit()) && is_label(bare)
}
