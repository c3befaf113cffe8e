//! Held-out source of a Python test file: its tests with other inputs, which note what the code answers instead of
//! asserting it. What gold and base answered is compared outside the sandbox; no expectation is ever inside.
//!
//! The copies stand beside the original. Inputs change by small steps: numbers, digits in texts, then letters, one case
//! of a parametrised test each. Base and gold run the copies, and gold runs them again with another seed, zone and
//! locale. A copy is kept if it passes on gold, answers the same twice there, and differs on base: at most three of a
//! case and sixteen of an instance.

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::Node;

use super::canary::{functions, names, parsed};
use super::inputs::{Constants, Inputs};
use super::recording::Notes;
use super::syntax::applied;
use crate::language::reader::Derived;

/// Raised whenever what is derived changes: old admissions then derive it again.
pub const VERSION: u32 = 1;

/// Text that replaces bytes of a source.
pub(crate) type Edits = BTreeMap<(usize, usize), String>;

/// Tests of a file that get variants.
const MOST_FUNCTIONS: usize = 12;
/// Variants of a test: at least, per case, at most.
const VARIANTS: (usize, usize, usize) = (8, 3, 24);

/// Derives variants of these tests for a new file at `path`; `None` if no test has an input to change.
pub fn derive(source: &str, path: &str, ids: &[String]) -> Option<Derived> {
    let tree = parsed(source)?;
    let mut all = Edits::new();
    let mut tests = BTreeMap::new();
    for (function, ids) in functions(tree.root_node(), source, ids).into_values().take(MOST_FUNCTIONS) {
        let whole = outer(function);
        let variants = variants(function, source);
        if variants.is_empty() {
            continue;
        }
        let indent = &source[line_start(source, whole.start_byte())..whole.start_byte()];
        let texts: Vec<_> = variants.iter().map(|variant| variant.text.as_str()).collect();
        all.insert((whole.start_byte(), whole.end_byte()), texts.join(&format!("\n\n{indent}")));
        for id in ids {
            let mut parts = names(id);
            let last = parts.pop()?;
            let owner: String = parts.iter().map(|part| format!("{part}::")).collect();
            for variant in &variants {
                let case = format!("{owner}{last}#{}", variant.case);
                tests.insert(format!("{path}::{owner}{}", variant.name), case);
            }
        }
    }
    let source = applied(source, 0..source.len(), &all)?;
    (!tests.is_empty() && parsed(&source).is_some()).then_some(Derived { source, tests })
}

struct Variant {
    name: String,
    case: usize,
    text: String,
}

/// Variants of one test, each of one case, no two alike.
fn variants(function: Node, source: &str) -> Vec<Variant> {
    let (Some(body), Some(name)) = (function.child_by_field_name("body"), function.child_by_field_name("name")) else {
        return Vec::new();
    };
    let whole = outer(function);
    let inputs = Inputs::of(whole, function, source);
    let mut notes = Notes::new(source);
    notes.take(body);
    let notes = notes.into_edits();
    let (least, per_case, most) = VARIANTS;
    let mut seen = BTreeSet::new();
    let mut variants = Vec::new();
    for number in 0..(per_case * inputs.cases()).clamp(least, most) {
        let case = number % inputs.cases();
        let mut constants = Constants::new(source);
        inputs.collect(case, body, &mut constants);
        let mut edits = constants.changed(number / inputs.cases(), &function.start_byte().to_string());
        let dropped =
            |at: &(usize, usize)| notes.keys().any(|note| note.0 < note.1 && note.0 <= at.0 && at.1 <= note.1);
        edits.retain(|at, _| !dropped(at));
        if edits.is_empty() || !seen.insert((case, edits.clone())) {
            continue;
        }
        let mut kept = BTreeMap::new();
        for (range, text) in inputs.keep(case, &edits) {
            edits.retain(|at, _| at.0 < range.start || at.1 > range.end);
            kept.insert((range.start, range.end), text);
        }
        edits.retain(|at, _| whole.start_byte() <= at.0 && at.1 <= whole.end_byte());
        edits.extend(kept);
        edits.extend(notes.clone());
        let named = free_name(&source[name.byte_range()], number + 1, source);
        edits.insert((name.start_byte(), name.end_byte()), named.clone());
        if let Some(text) = applied(source, whole.byte_range(), &edits) {
            variants.push(Variant { name: named, case, text });
        }
    }
    variants
}

fn free_name(name: &str, number: usize, source: &str) -> String {
    let mut free = format!("{name}_{number}");
    while source.contains(&free) {
        free.push('x');
    }
    free
}

/// A test with its decorators.
fn outer(function: Node) -> Node {
    function.parent().filter(|parent| parent.kind() == "decorated_definition").unwrap_or(function)
}

fn line_start(source: &str, at: usize) -> usize {
    source[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1)
}

/// Places beside a test file at which a file of ours may stand, the first free one to be taken. The middle is a tag, for
/// pytest wants names that differ between folders that are not packages.
pub fn beside(path: &str, tag: &str) -> String {
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let stem = name.strip_suffix(".py").unwrap_or(name);
    let name = match stem.strip_suffix("_test") {
        Some(start) => format!("{start}_{tag}_test.py"),
        None => format!("{stem}_{tag}.py"),
    };
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

#[cfg(test)]
#[path = "held_out_tests.rs"]
mod tests;
