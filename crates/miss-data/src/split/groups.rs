//! What must stay together.

use std::collections::HashMap;

use crate::record::Question;

/// Connected components of rows over image and `linked_id`, in the order of their first row, by
/// union-find.
pub(super) fn groups(questions: &[Question]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..questions.len()).collect();
    let mut first_with: HashMap<(bool, &str), usize> = HashMap::new();
    for (row, question) in questions.iter().enumerate() {
        let keys = [
            Some((false, question.image.as_str())),
            question.linked_id.as_deref().map(|id| (true, id)),
        ];
        for key in keys.into_iter().flatten() {
            let other = *first_with.entry(key).or_insert(row);
            let (a, b) = (root(&mut parent, row), root(&mut parent, other));
            // The smaller row becomes the root, so that the result does not depend on the order of
            // unions.
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); questions.len()];
    for row in 0..questions.len() {
        members[root(&mut parent, row)].push(row);
    }
    members.retain(|group| !group.is_empty());
    members
}

fn root(parent: &mut [usize], mut row: usize) -> usize {
    while parent[row] != row {
        parent[row] = parent[parent[row]];
        row = parent[row];
    }
    row
}
