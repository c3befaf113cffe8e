//! Sentinels: a test file of ours, in the form of the framework, of which some tests must fail and the others pass.
//!
//! Which of its tests must fail follows from the candidate's tree, so code that answers the test runner cannot please
//! all of them. The file lies beside the repository's tests and uses nothing of the repository. If gold's rehearsal
//! shows that a runner cannot take a file of ours, the instance has no sentinels.

use crate::digest::Digest;

/// Raised whenever the sentinels change: old admissions then prove them again.
pub const VERSION: u32 = 1;

/// Tests of the file.
pub const COUNT: usize = 7;

/// A sentinel file, and which of its tests must pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub source: String,
    pub must_pass: [bool; COUNT],
}

/// Test ids in a file at `path`, the same for every tree.
pub fn ids(framework: &str, path: &str) -> [String; COUNT] {
    let owner = if is_unittest(framework) { "::TestValues" } else { "" };
    std::array::from_fn(|place| format!("{path}{owner}::test_value_{}", place + 1))
}

/// The sentinels of a tree. `seed` follows from the tree and the admission.
pub fn write(framework: &str, seed: &Digest) -> Written {
    let mut random = Random::new(seed);
    // At least two of each.
    let failing = 2 + random.below(COUNT as u64 - 3) as usize;
    let mut places: Vec<_> = (0..COUNT).map(|place| (random.below(1 << 16), place)).collect();
    places.sort_unstable();
    let mut must_pass = [true; COUNT];
    for (_, place) in places.into_iter().take(failing) {
        must_pass[place] = false;
    }
    let mut source = String::new();
    let (indent, argument) = if is_unittest(framework) {
        source.push_str("import unittest\n\n\nclass TestValues(unittest.TestCase):\n");
        ("    ", "self")
    } else {
        ("", "")
    };
    for (place, holds) in must_pass.iter().enumerate() {
        let (left, right) = random.equation(*holds);
        let assertion = match is_unittest(framework) {
            true => format!("self.assertEqual({left}, {right})"),
            false => format!("assert {left} == {right}"),
        };
        source.push_str(&format!("{indent}def test_value_{}({argument}):\n{indent}    {assertion}\n\n", place + 1));
    }
    source.truncate(source.trim_end().len());
    source.push('\n');
    Written { source, must_pass }
}

fn is_unittest(framework: &str) -> bool {
    framework.split('/').next() == Some("unittest")
}

/// Numbers that follow from a digest.
struct Random<'d> {
    seed: &'d Digest,
    drawn: u64,
}

impl<'d> Random<'d> {
    fn new(seed: &'d Digest) -> Self {
        Self { seed, drawn: 0 }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.drawn += 1;
        let digest = Digest::of(format!("{} {}", self.seed.as_str(), self.drawn).as_bytes());
        u64::from_str_radix(&digest.as_str()[..12], 16).unwrap_or(self.drawn) % limit
    }

    /// Two sides of an equation that holds or does not.
    fn equation(&mut self, holds: bool) -> (String, String) {
        let (a, b, c) = (11 + self.below(80), 11 + self.below(80), 3 + self.below(60));
        let m = 13 + self.below(80);
        let (left, value, wrong) = match self.below(3) {
            0 => (format!("({a} * {b} + {c}) % {m}"), (a * b + c) % m, 1 + self.below(m - 1)),
            1 => {
                let sum: u64 = (0..c).map(|n| n * a % m).sum();
                (format!("sum(n * {a} % {m} for n in range({c}))"), sum, 1 + self.below(9))
            }
            _ => {
                let largest = [a * c % m, b * c % m, a * b % m].into_iter().max().unwrap_or(0);
                let parts = format!("max([{a} * {c} % {m}, {b} * {c} % {m}, {a} * {b} % {m}])");
                (parts, largest, 1 + self.below(9))
            }
        };
        (left, if holds { value } else { value + wrong }.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn patterns_differ_between_trees_and_hold_two_of_each() {
        let mut seen = BTreeSet::new();
        for number in 0..200 {
            let written = write("pytest/1", &Digest::of(format!("tree {number}").as_bytes()));
            let passing = written.must_pass.iter().filter(|passes| **passes).count();
            assert!((2..=COUNT - 2).contains(&passing), "{:?}", written.must_pass);
            seen.insert(written.must_pass);
        }
        assert!(seen.len() > 40, "only {} patterns", seen.len());
    }

    #[test]
    fn the_same_tree_gives_the_same_file_and_another_framework_another_form() {
        let seed = Digest::of(b"tree");
        assert_eq!(write("pytest/4", &seed), write("pytest/4", &seed));
        let (pytest, unittest) = (write("pytest/4", &seed), write("unittest/4", &seed));
        assert_eq!(pytest.must_pass, unittest.must_pass);
        assert!(pytest.source.starts_with("def test_value_1():\n    assert "));
        assert!(unittest.source.contains("class TestValues(unittest.TestCase):\n    def test_value_1(self):\n"));
        assert_eq!(ids("pytest/4", "t/test_a.py")[6], "t/test_a.py::test_value_7");
        assert_eq!(ids("unittest/4", "t/test_a.py")[0], "t/test_a.py::TestValues::test_value_1");
    }
}
