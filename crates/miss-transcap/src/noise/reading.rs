//! Sentences and syllables, counted by rules.

use super::words;

/// Shortened words whose full stop ends no sentence.
const SHORTENED: [&str; 14] = [
    "al", "approx", "ca", "cf", "dr", "e.g", "fig", "figs", "i.e", "no", "ref", "refs", "resp",
    "vs",
];

/// Sentences of a text: words that end in `.`, `!` or `?`, behind which brackets and quotes may close, and what
/// is left at the end. "Fig.", "et al.", "e.g." and the like end none, except at the end of the text.
#[must_use]
pub fn sentences(text: &str) -> usize {
    let (mut count, mut open) = (0, false);
    for token in text.split_whitespace() {
        let Some(word) = words(token).next() else {
            continue;
        };
        let end = token.trim_end_matches([')', ']', '"', '\'', '”', '’']);
        let ends = end.ends_with(['.', '!', '?'])
            && !(end.ends_with('.') && SHORTENED.contains(&word.to_lowercase().as_str()));
        count += usize::from(ends);
        open = !ends;
    }
    count + usize::from(open)
}

/// Syllables of a word, estimated: of each part between hyphens, slashes and the like, the groups of vowels
/// (`aeiouy`), less a silent `e` at the end (not that of a consonant with `le`), at least one. A part in
/// capitals of at most five letters is spelled out, a digit is one syllable.
#[must_use]
pub fn syllables(word: &str) -> usize {
    let parts = word.split(|letter: char| !letter.is_alphanumeric());
    parts
        .filter(|part| !part.is_empty())
        .map(|part| {
            let letters: Vec<char> = part
                .chars()
                .filter(|letter| letter.is_alphabetic())
                .collect();
            let digits = part.chars().filter(|letter| letter.is_numeric()).count();
            digits + syllables_of_letters(&letters)
        })
        .sum()
}

fn syllables_of_letters(letters: &[char]) -> usize {
    if letters.is_empty() {
        return 0;
    }
    if letters.len() <= 5 && letters.iter().all(|letter| letter.is_uppercase()) {
        return letters.len();
    }
    let vowels: Vec<bool> = letters
        .iter()
        .map(|letter| "aeiouy".contains(letter.to_ascii_lowercase()))
        .collect();
    let groups = (0..vowels.len())
        .filter(|&at| vowels[at] && (at == 0 || !vowels[at - 1]))
        .count();
    let silent = match letters {
        [.., before, last] if last.eq_ignore_ascii_case(&'e') => {
            let end = vowels.len() - 1;
            let after_consonant = !vowels[end - 1];
            let sounded_le = before.eq_ignore_ascii_case(&'l') && end >= 2 && !vowels[end - 2];
            after_consonant && !sounded_le
        }
        _ => false,
    };
    (groups - usize::from(silent && groups > 1)).max(1)
}
