//! The Merkle root over the files of a dataset: one digest that names them all. Pure. The tree is that of RFC 6962,
//! section 2.1, with sha256, and its leaves are the entries' canonical JSON. Leaves and inner nodes are digested under
//! different first bytes, so neither can stand for the other, and a dataset's size cannot be changed by moving the edge
//! of the tree.

use sha2::{Digest as _, Sha256};

use super::entries::FileEntry;
use crate::model::digest::{Digest, canonical_json};

/// Root over the entries in their order; of no entries, the digest of nothing. A leaf is the entry's canonical JSON.
pub fn root(entries: &[FileEntry]) -> Digest {
    let leaves: Vec<_> = entries.iter().map(|entry| digest(&[&[0], &canonical_json(entry)])).collect();
    Digest::from_bytes(&node(&leaves))
}

fn node(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => digest(&[]),
        [leaf] => *leaf,
        _ => {
            // The largest power of two that is smaller than the number of leaves.
            let split = leaves.len().next_power_of_two() / 2;
            digest(&[&[1], &node(&leaves[..split]), &node(&leaves[split..])])
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str) -> FileEntry {
        FileEntry { path: path.to_owned(), bytes: 1, sha256: Digest::of(path.as_bytes()), rows: None }
    }

    #[test]
    fn the_shape_of_the_tree_is_that_of_rfc_6962() {
        let leaf = |byte: u8| digest(&[&[0], &[byte]]);
        let join = |one: [u8; 32], other: [u8; 32]| digest(&[&[1], &one, &other]);
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(leaf);
        assert_eq!(hex::encode(node(&[])), Digest::of(b"").as_str());
        assert_eq!(node(&[a]), a);
        assert_eq!(node(&[a, b, c]), join(join(a, b), c));
        assert_eq!(node(&[a, b, c, d, e]), join(join(join(a, b), join(c, d)), e));
    }

    #[test]
    fn the_root_changes_with_any_field_and_with_the_order() {
        let entries = [entry("a"), entry("b"), entry("c")];
        let whole = root(&entries);
        let mut changed = entries.clone();
        changed[1].bytes = 2;
        assert_ne!(root(&changed), whole);
        assert_ne!(root(&[entry("b"), entry("a"), entry("c")]), whole);
        assert_ne!(root(&entries[..2]), whole);
    }
}
