//! Listed tests of an instance that say nothing here: they are tests of gold's run and left the expectations.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an instance loses of its listed tests. If it lists none that fail on base, the tests of changed test files that fail on
/// base, and on gold for want of a network, count as listed fail-to-pass tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostTests {
    /// Listed fail-to-pass tests that are tests here, the lost ones included.
    pub of_fail_to_pass: u64,
    /// The same of the pass-to-pass tests.
    pub of_pass_to_pass: u64,
    /// Lost fail-to-pass tests by their listed name, and why they left.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fail_to_pass: BTreeMap<String, String>,
    /// Lost pass-to-pass tests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pass_to_pass: BTreeMap<String, String>,
    /// Listed names that are none of gold's tests, or several. They are in no count.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unmatched: BTreeSet<String>,
    /// Those of them whose test file the tree does not have, so that nothing was run for them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without_file: BTreeSet<String>,
    /// More is lost than an instance may lose, and `--accept-lost` admitted it all the same: its rows reach E1 at most.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

impl LostTests {
    /// Whether a test is lost, not only a name unmatched.
    pub fn any(&self) -> bool {
        !self.fail_to_pass.is_empty() || !self.pass_to_pass.is_empty()
    }

    /// Names with their reasons, those of the fail-to-pass tests first, e.g. `t.py::a: needs the network (gaierror: ...)`.
    pub fn lines(&self) -> Vec<String> {
        self.fail_to_pass.iter().chain(&self.pass_to_pass).map(|(name, why)| format!("{name}: {why}")).collect()
    }

    /// Lost names, those of the fail-to-pass tests first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fail_to_pass.keys().chain(self.pass_to_pass.keys()).map(String::as_str)
    }

    /// How many of how many, for a heading.
    pub fn count(&self) -> String {
        let kinds = [
            (self.fail_to_pass.len(), self.of_fail_to_pass, "fail-to-pass"),
            (self.pass_to_pass.len(), self.of_pass_to_pass, "pass-to-pass"),
        ];
        let parts: Vec<_> = kinds
            .iter()
            .filter(|(lost, ..)| *lost > 0)
            .map(|(lost, of, kind)| format!("{lost} of {of} {kind} tests"))
            .collect();
        parts.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_tests_are_counted_by_kind_and_unmatched_names_are_not_lost() {
        let why = |name: &str| (name.to_owned(), "needs the network".to_owned());
        let lost = LostTests {
            of_fail_to_pass: 6,
            of_pass_to_pass: 107,
            fail_to_pass: [why("t.py::z")].into(),
            pass_to_pass: [why("t.py::a"), why("t.py::b")].into(),
            ..LostTests::default()
        };
        assert_eq!(lost.count(), "1 of 6 fail-to-pass tests and 2 of 107 pass-to-pass tests");
        assert_eq!(lost.names().collect::<Vec<_>>(), ["t.py::z", "t.py::a", "t.py::b"]);
        assert_eq!(lost.lines()[0], "t.py::z: needs the network");
        let unmatched = LostTests { unmatched: ["t.py::[".to_owned()].into(), ..LostTests::default() };
        assert!(!unmatched.any() && unmatched.count().is_empty());
    }
}
