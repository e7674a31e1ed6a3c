//! Places as a caption words them.

use crate::attributes::{Convention, Side, Third};

#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub height: Option<Third>,
    pub side: Option<Side>,
    /// Whose side, where it is said.
    pub whose: Option<Convention>,
    /// How many of the finding are said to be there.
    pub number: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Item {
    pub height: Option<Third>,
    pub side: Option<Side>,
    pub both: bool,
    pub whose: Option<Convention>,
    pub number: Option<u8>,
    /// Has "in" or "on" of its own, so it is no adjective of a finding that follows.
    pub preposition: bool,
    /// A comma follows it, so it is no adjective either.
    pub comma: bool,
    /// Of an organ that has been named, so of no other.
    pub of_organ: bool,
    /// Has an article of its own, so it shares no word with its neighbours.
    pub article: bool,
}

/// "upper and middle left" are two corners, and so are "upper left and right".
pub(super) fn places(items: &[Item]) -> Vec<Place> {
    let mut items = items.to_vec();
    let shares = |two: &Item| !two.stands_alone() && !two.article;
    for index in (1..items.len()).rev() {
        let (before, after) = (items[index - 1], items[index]);
        if shares(&after) && before.side.is_none() && !before.both {
            items[index - 1].side = after.side;
            items[index - 1].both = after.both;
            items[index - 1].whose = before.whose.or(after.whose);
        }
    }
    for index in 1..items.len() {
        let (before, after) = (items[index - 1], items[index]);
        if shares(&after) && after.height.is_none() {
            items[index].height = before.height;
        }
    }
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        let place = |side| Place {
            height: item.height,
            side,
            whose: item.whose,
            number: item.number,
        };
        if item.both {
            places.extend([place(Some(Side::Left)), place(Some(Side::Right))]);
        } else {
            places.push(place(item.side));
        }
    }
    places
}

impl Item {
    fn stands_alone(&self) -> bool {
        self.number.is_some() || self.preposition
    }
}
