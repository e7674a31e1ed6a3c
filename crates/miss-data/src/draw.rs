//! Which caption of a set is shown when.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::order::mix;

/// Sets the order of phrases apart from which of them are drawn.
const ORDER: u64 = 0x6F72_6465_7200_0000;

/// What may stand beside an image, for a draw at every visit. In JSON, a list of captions or a list of lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Lists")]
pub enum Captions {
    /// Whole captions, of which one is drawn.
    Whole(Vec<String>),
    /// Phrases for each attribute: one of each is drawn, and they are joined in an order that is drawn too.
    Parts(Vec<Vec<String>>),
}

/// As it comes, before it is known that there is something to draw.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lists {
    Whole(Vec<String>),
    Parts(Vec<Vec<String>>),
}

impl TryFrom<Lists> for Captions {
    type Error = &'static str;

    fn try_from(lists: Lists) -> Result<Self, Self::Error> {
        let captions = match lists {
            Lists::Whole(captions) => Self::Whole(captions),
            Lists::Parts(parts) => Self::Parts(parts),
        };
        if captions.is_empty() {
            return Err("captions without a caption, or a part of them without a phrase");
        }
        Ok(captions)
    }
}

impl Captions {
    /// True where there is nothing to draw: no caption, no part, or a part without a phrase.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Whole(captions) => captions.is_empty(),
            Self::Parts(parts) => parts.is_empty() || parts.iter().any(Vec::is_empty),
        }
    }

    /// Every text in it: whole captions, or the phrases of all parts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (whole, parts) = match self {
            Self::Whole(captions) => (&captions[..], &[][..]),
            Self::Parts(parts) => (&[][..], &parts[..]),
        };
        whole
            .iter()
            .chain(parts.iter().flatten())
            .map(String::as_str)
    }

    /// The caption that stands beside `record` in `epoch`; of an empty part there is nothing in it.
    ///
    /// A pure function, as [`draw`], which draws among whole captions.
    #[must_use]
    pub fn draw(&self, seed: u64, epoch: u64, record: u64) -> Cow<'_, str> {
        match self {
            Self::Whole(captions) => captions
                .get(draw(captions.len(), seed, epoch, record))
                .map_or(Cow::Borrowed(""), |caption| Cow::Borrowed(caption)),
            Self::Parts(parts) => {
                let mut drawn: Vec<(u64, &str)> = (0_u64..)
                    .zip(parts)
                    .filter_map(|(part, phrases)| {
                        let index = draw(phrases.len(), mix(&[seed, part]), epoch, record);
                        let place = mix(&[seed, epoch, record, ORDER, part]);
                        phrases.get(index).map(|phrase| (place, phrase.as_str()))
                    })
                    .collect();
                drawn.sort_unstable();
                let phrases: Vec<&str> = drawn.into_iter().map(|(_, phrase)| phrase).collect();
                Cow::Owned(phrases.join(" "))
            }
        }
    }
}

/// The index in `0..set_len` of the caption that stands beside `record` in `epoch`; 0 for an empty set.
///
/// A pure function: a resumed run, or one with another number of workers, shows the same captions.
pub fn draw(set_len: usize, seed: u64, epoch: u64, record: u64) -> usize {
    let random = mix(&[seed, epoch, record]);
    // The high half of the product maps 2^64 values onto the range without a remainder's bias.
    ((u128::from(random) * set_len as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn stays_in_range_and_repeats() {
        for set_len in [1, 2, 5, 13] {
            for record in 0..200 {
                let index = draw(set_len, 1, 2, record);
                assert!(index < set_len);
                assert_eq!(index, draw(set_len, 1, 2, record));
            }
        }
        assert_eq!(draw(0, 1, 2, 3), 0);
    }

    #[test]
    fn every_caption_gets_its_share_over_epochs_and_over_records() {
        // 5,000 draws of 5: each expected 1,000 times, standard deviation 28.
        let mut by_epoch = [0_usize; 5];
        let mut by_record = [0_usize; 5];
        for step in 0..5_000 {
            by_epoch[draw(5, 3, step, 17)] += 1;
            by_record[draw(5, 3, 17, step)] += 1;
        }
        for count in by_epoch.into_iter().chain(by_record) {
            assert!((850..=1150).contains(&count), "{by_epoch:?} {by_record:?}");
        }
    }

    fn letters(parts: &[&str]) -> Captions {
        Captions::Parts(
            parts
                .iter()
                .map(|part| part.chars().map(String::from).collect())
                .collect(),
        )
    }

    #[test]
    fn whole_captions_are_drawn_as_their_index_is() {
        let captions = Captions::Whole(["a", "b", "c"].map(String::from).to_vec());
        for record in 0..50 {
            let index = draw(3, 7, 1, record);
            assert_eq!(captions.draw(7, 1, record), ["a", "b", "c"][index]);
        }
    }

    #[test]
    fn each_part_is_said_once_and_every_choice_and_order_gets_its_share() {
        // 3 x 2 phrases of three parts in 3! orders: 36 captions, each expected 500 times of 18,000,
        // standard deviation 22.
        let captions = letters(&["abc", "de", "f"]);
        let mut times = std::collections::HashMap::new();
        for record in 0..18_000 {
            let caption = captions.draw(1, 2, record);
            let mut said: Vec<&str> = caption.split(' ').collect();
            said.sort_unstable();
            assert!("abc".contains(said[0]) && "de".contains(said[1]) && said[2] == "f");
            assert_eq!(said.len(), 3);
            *times.entry(caption.into_owned()).or_insert(0) += 1;
        }
        assert_eq!(times.len(), 36);
        assert!(
            times.values().all(|count| (390..=610).contains(count)),
            "{times:?}"
        );
    }

    #[test]
    fn seed_epoch_and_record_each_change_what_is_drawn() {
        let captions = letters(&["abcdefgh", "ijklmnop", "qrstuvwx"]);
        let caption = captions.draw(1, 2, 3);
        assert_eq!(caption, captions.draw(1, 2, 3));
        for other in [
            captions.draw(2, 2, 3),
            captions.draw(1, 3, 3),
            captions.draw(1, 2, 4),
        ] {
            assert_ne!(caption, other);
        }
    }

    #[test]
    fn both_forms_go_to_json_and_back_and_nothing_to_draw_is_refused() {
        for text in [r#"["a","b"]"#, r#"[["a","b"],["c"]]"#] {
            let captions: Captions = serde_json::from_str(text).unwrap();
            assert!(!captions.is_empty());
            assert_eq!(serde_json::to_string(&captions).unwrap(), text);
        }
        for text in ["[]", "[[]]", r#"[["a"],[]]"#, r#"[1]"#, r#"["a",["b"]]"#] {
            assert!(serde_json::from_str::<Captions>(text).is_err(), "{text}");
        }
        assert_eq!(letters(&["ab", "c"]).texts().collect::<String>(), "abc");
        assert_eq!(letters(&[]).draw(1, 2, 3), "");
    }
}
