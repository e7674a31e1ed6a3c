//! What there is to do: images that share a tuple of attributes share the work.

use std::collections::HashMap;

use super::options::Options;
use crate::attributes::Attributes;
use crate::map::Labelled;
use crate::realise::Sampler;

/// Distinct tuples of attributes, and what is asked for them.
#[derive(Debug)]
pub(crate) struct Work {
    /// Distinct tuples, in the order of first appearance.
    pub(crate) tuples: Vec<Attributes>,
    /// The tuple of each image.
    pub(crate) of_image: Vec<usize>,
    /// What captions are made for: the tuples, or their distinct parts.
    pub(crate) items: Vec<Attributes>,
    /// The items of each tuple.
    pub(crate) of_tuple: Vec<Vec<usize>>,
}

impl Work {
    pub(crate) fn of(labelled: &[Labelled], options: &Options) -> Self {
        let mut tuples = Distinct::default();
        let of_image = labelled
            .iter()
            .map(|image| tuples.index(&image.attributes))
            .collect();
        let mut items = Distinct::default();
        let of_tuple = tuples
            .list
            .iter()
            .map(|tuple| match options.sampler {
                Sampler::WholeCaption => vec![items.index(tuple)],
                Sampler::PerAttribute => {
                    let parts = tuple.parts();
                    parts.iter().map(|part| items.index(part)).collect()
                }
            })
            .collect();
        Self {
            tuples: tuples.list,
            of_image,
            items: items.list,
            of_tuple,
        }
    }
}

#[derive(Default)]
struct Distinct {
    list: Vec<Attributes>,
    index: HashMap<Attributes, usize>,
}

impl Distinct {
    fn index(&mut self, attributes: &Attributes) -> usize {
        if let Some(index) = self.index.get(attributes) {
            return *index;
        }
        self.list.push(attributes.clone());
        self.index.insert(attributes.clone(), self.list.len() - 1);
        self.list.len() - 1
    }
}
