//! Sentinels: a test file of ours, in the form of the framework, of which some tests must fail and the others pass.
//!
//! Which of its tests must fail follows from the candidate's tree, so code that answers the test runner cannot please
//! all of them. The file lies beside the repository's tests and uses nothing of the repository. If gold's rehearsal
//! shows that a runner cannot take a file of ours, the instance has no sentinels.

use crate::model::digest::Digest;
use crate::runner::{SentinelFile, Sentinels};

/// Raised whenever the sentinels change: old admissions then prove them again.
pub const VERSION: u32 = 1;

/// Tests of the file.
const COUNT: usize = 7;

/// Sentinels as functions, for pytest.
#[derive(Clone, Copy, Debug)]
pub struct Functions;

/// Sentinels as methods of a test case, for unittest.
#[derive(Clone, Copy, Debug)]
pub struct Methods;

impl Sentinels for Functions {
    fn version(&self) -> u32 {
        VERSION
    }

    fn path(&self, beside: &str, tag: &str) -> String {
        path(beside, tag)
    }

    fn write(&self, seed: &Digest) -> SentinelFile {
        written(seed, "", |place, left, right| format!("def test_value_{place}():\n    assert {left} == {right}\n\n"))
    }

    fn ids(&self, path: &str) -> Vec<String> {
        (1..=COUNT).map(|place| format!("{path}::test_value_{place}")).collect()
    }
}

impl Sentinels for Methods {
    fn version(&self) -> u32 {
        VERSION
    }

    fn path(&self, beside: &str, tag: &str) -> String {
        path(beside, tag)
    }

    fn write(&self, seed: &Digest) -> SentinelFile {
        written(seed, "import unittest\n\n\nclass TestValues(unittest.TestCase):\n", |place, left, right| {
            format!("    def test_value_{place}(self):\n        self.assertEqual({left}, {right})\n\n")
        })
    }

    fn ids(&self, path: &str) -> Vec<String> {
        (1..=COUNT).map(|place| format!("{path}::TestValues::test_value_{place}")).collect()
    }
}

/// The place of the sentinels, in the folder of a test file.
fn path(beside: &str, tag: &str) -> String {
    let folder = beside.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    format!("{folder}test_values_{tag}.py")
}

/// The sentinels of a seed, which follows from the tree and the admission.
fn written(seed: &Digest, head: &str, test: impl Fn(usize, String, String) -> String) -> SentinelFile {
    let mut random = Random::new(seed);
    // At least two of each.
    let failing = 2 + random.below(COUNT as u64 - 3) as usize;
    let mut places: Vec<_> = (0..COUNT).map(|place| (random.below(1 << 16), place)).collect();
    places.sort_unstable();
    let mut must_pass = [true; COUNT];
    for (_, place) in places.into_iter().take(failing) {
        must_pass[place] = false;
    }
    let mut source = head.to_owned();
    for (place, holds) in must_pass.iter().enumerate() {
        let (left, right) = random.equation(*holds);
        source.push_str(&test(place + 1, left, right));
    }
    source.truncate(source.trim_end().len());
    source.push('\n');
    SentinelFile { source, must_pass: must_pass.to_vec() }
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
            let written = Functions.write(&Digest::of(format!("tree {number}").as_bytes()));
            let passing = written.must_pass.iter().filter(|passes| **passes).count();
            assert!((2..=COUNT - 2).contains(&passing), "{:?}", written.must_pass);
            seen.insert(written.must_pass);
        }
        assert!(seen.len() > 40, "only {} patterns", seen.len());
    }

    #[test]
    fn the_same_tree_gives_the_same_file_and_another_runner_another_form() {
        let seed = Digest::of(b"tree");
        assert_eq!(Functions.write(&seed), Functions.write(&seed));
        let (pytest, unittest) = (Functions.write(&seed), Methods.write(&seed));
        assert_eq!(pytest.must_pass, unittest.must_pass);
        assert!(pytest.source.starts_with("def test_value_1():\n    assert "));
        assert!(unittest.source.contains("class TestValues(unittest.TestCase):\n    def test_value_1(self):\n"));
        assert_eq!(Functions.ids("t/test_a.py")[6], "t/test_a.py::test_value_7");
        assert_eq!(Methods.ids("t/test_a.py")[0], "t/test_a.py::TestValues::test_value_1");
    }
}
