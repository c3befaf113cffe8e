//! Locations of a change: the files that an answer must name.

use std::collections::BTreeSet;

use crate::model::candidate::{PathClass, Prepared};
use crate::model::layout::Layout;

/// The locations of a verified change: source files that exist at base.
pub(crate) fn locations(prepared: &Prepared, layout: &Layout) -> Vec<String> {
    let created: BTreeSet<_> = created_files(&prepared.diff);
    let is_source = |path: &&String| layout.class(path) == PathClass::Source;
    prepared.files.iter().filter(is_source).filter(|path| !created.contains(path.as_str())).cloned().collect()
}

/// Paths that a canonical diff creates.
fn created_files(diff: &str) -> BTreeSet<&str> {
    let lines: Vec<_> = diff.lines().collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "--- /dev/null");
    pairs.filter_map(|pair| pair[1].strip_prefix("+++ b/")).collect()
}
