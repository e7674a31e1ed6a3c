//! A set of candidate answers as a tree of their tokens.

use std::collections::BTreeMap;

use super::{GenerateError, inner};

/// The candidates that a search may write, by prefix.
///
/// Held to a prefix tree, the generative model answers from a closed set as a classifier would, with
/// no classifier trained and with probabilities of its own.
#[derive(Clone, Debug)]
pub struct PrefixTree {
    nodes: Vec<Node>,
    longest: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: BTreeMap<u32, usize>,
    /// The candidate that ends here.
    candidate: Option<usize>,
}

impl PrefixTree {
    /// The node before any token.
    pub(super) const ROOT: usize = 0;

    /// A tree of `candidates`, token rows as the tokenizer gives them (`[CLS] … [SEP]`). Of equal
    /// candidates the first counts.
    ///
    /// # Errors
    ///
    /// When there is none, or one has no tokens.
    pub fn new(candidates: &[Vec<u32>]) -> Result<Self, GenerateError> {
        let mut nodes = vec![Node::default()];
        let mut longest = 0;
        for (index, tokens) in inner(candidates)?.into_iter().enumerate() {
            longest = longest.max(tokens.len());
            let mut at = Self::ROOT;
            for token in tokens {
                let new = nodes.len();
                at = *nodes[at].children.entry(*token).or_insert(new);
                if at == new {
                    nodes.push(Node::default());
                }
            }
            nodes[at].candidate.get_or_insert(index);
        }
        Ok(Self { nodes, longest })
    }

    /// Tokens of the longest candidate.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Tokens that may follow `node`, and the nodes they lead to.
    pub(super) fn children(&self, node: usize) -> impl Iterator<Item = (u32, usize)> + '_ {
        let children = &self.nodes[node].children;
        children.iter().map(|(token, child)| (*token, *child))
    }

    /// The candidate that ends at `node`.
    pub(super) fn candidate(&self, node: usize) -> Option<usize> {
        self.nodes[node].candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_shared_and_ends_are_known() {
        let rows = [
            vec![9, 1, 2, 8],
            vec![9, 1, 8],
            vec![9, 3, 8],
            vec![9, 1, 8],
        ];
        let tree = PrefixTree::new(&rows).expect("candidates");
        let first: Vec<u32> = tree
            .children(PrefixTree::ROOT)
            .map(|(token, _)| token)
            .collect();
        assert_eq!(first, [1, 3]);
        let (_, one) = tree.children(PrefixTree::ROOT).next().expect("a child");
        assert_eq!(tree.candidate(one), Some(1));
        assert_eq!(tree.children(one).count(), 1);
        assert_eq!(tree.longest(), 2);
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn a_candidate_without_tokens_is_named() {
        assert_eq!(
            PrefixTree::new(&[]).unwrap_err(),
            GenerateError::NoCandidates
        );
        let rows = [vec![9, 1, 8], vec![9, 8]];
        let error = PrefixTree::new(&rows).unwrap_err();
        assert_eq!(error, GenerateError::EmptyCandidate(1));
    }
}
