//! What reading one repair showed, kept for the next ones.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::model::screen::Screen;

/// What is remembered from one repair to the next.
#[derive(Debug, Default)]
pub struct ReadCache {
    /// By instance and tree.
    pub(super) screens: Remembered<Screen>,
    /// Of files that every repair of an instance is held against, by tree and path.
    pub(super) literals: Remembered<Rc<BTreeSet<String>>>,
}

pub(super) type Remembered<T> = RefCell<BTreeMap<(String, String), T>>;

/// At most this many are remembered; then the memory begins anew.
const MOST: usize = 256;

/// Remembers a value under its key.
pub(super) fn keep<T>(remembered: &Remembered<T>, key: (String, String), value: T) {
    let mut remembered = remembered.borrow_mut();
    if remembered.len() >= MOST {
        remembered.clear();
    }
    remembered.insert(key, value);
}
