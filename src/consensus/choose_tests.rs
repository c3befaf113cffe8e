//! The choice against a direct transcription of the formula, and its rules one by one.

use proptest::prelude::*;

use super::choice::{Choice, Method, Rules, Used};
use super::panel::{Cell, Column, Entry, Panel, Seen};
use super::similarity::Similarities;
use crate::model::verdict::VerdictStatus;

fn rules(method: Method, num_samples: usize) -> Rules {
    Rules { method, num_samples, regression: true, reproduction: true }
}

fn choose(panel: &Panel, rules: Rules) -> Choice {
    let all: Vec<usize> = (0..panel.entries.len()).collect();
    rules.choose(panel, &all, &mut Similarities::new(&panel.keys))
}

fn patches(keys: &[&str]) -> Panel {
    let entry = |key: &&str| Entry { key: (*key).to_owned(), ..Entry::default() };
    Panel::new("i", keys.iter().map(entry).collect(), Vec::new())
}

fn tested(rows: &[(&str, Seen<u32>, Seen<Cell>)]) -> Panel {
    let entry = |(key, regression, cell): &(&str, Seen<u32>, Seen<Cell>)| Entry {
        left_out: None,
        key: (*key).to_owned(),
        regression: *regression,
        tests: vec![*cell],
        verdict: None,
    };
    let column = Column { test: "t".to_owned(), votes: 1, fails: 2, passes: 1 };
    Panel::new("i", rows.iter().map(entry).collect(), vec![column])
}

const SOLVES: Seen<Cell> = Seen::Known(Cell { fail_to_pass: 2, pass_to_pass: 1 });
const HALF: Seen<Cell> = Seen::Known(Cell { fail_to_pass: 1, pass_to_pass: 1 });

/// The formula, word for word, over every pair, with another crate's similarity: the candidate and its votes.
fn reference(keys: &[String], failures: &[Option<u32>], num_samples: usize) -> Option<usize> {
    let n = keys.len();
    let q: Vec<f64> = (0..n)
        .map(|i| {
            let ratio = |j: usize| {
                let (a, b) = (keys[i].chars().count(), keys[j].chars().count());
                let lcs = rapidfuzz::distance::lcs_seq::similarity(keys[i].chars(), keys[j].chars());
                if a + b == 0 { 1.0 } else { 2.0 * lcs as f64 / (a + b) as f64 }
            };
            let mut s: Vec<f64> = (0..n).map(ratio).collect();
            s.sort_by(|a, b| b.total_cmp(a));
            let k = (num_samples / 2).max(1).min(n);
            s[..k].iter().sum::<f64>() / k as f64
        })
        .collect();
    let filled = |i: &usize| !keys[*i].is_empty();
    let mut eligible: Vec<usize> = (0..n).filter(filled).collect();
    if let Some(least) = eligible.iter().filter_map(|i| failures[*i]).min() {
        eligible.retain(|i| failures[*i] == Some(least));
    }
    let vote = |i: usize| eligible.iter().filter(|j| keys[**j] == keys[i]).count() as f64;
    let first = |i: usize| eligible.iter().copied().find(|j| keys[*j] == keys[i]).unwrap_or(i);
    let mut best: Option<(f64, f64, isize, usize)> = None;
    for i in eligible.iter().copied() {
        let rank = (vote(i) + q[i], q[i], -(first(i) as isize), i);
        if best.is_none_or(|best| (rank.0, rank.1, rank.2) > (best.0, best.1, best.2)) {
            best = Some(rank);
        }
    }
    best.map(|(.., i)| i)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_choice_equals_the_formula_over_every_pair(
        rows in proptest::collection::vec(("[ab\u{e9}]{0,6}|[a-d]{20,40}", proptest::option::weighted(0.9, 0_u32..3)), 1..30),
        num_samples in 1_usize..40,
        regression in any::<bool>(),
    ) {
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let failures: Vec<_> = rows.iter().map(|(_, failures)| failures.filter(|_| regression)).collect();
        let entry = |(key, failures): (&String, &Option<u32>)| Entry {
            key: key.clone(),
            regression: match (regression, failures) {
                (true, Some(count)) => Seen::Known(*count),
                (true, None) => Seen::Failed,
                (false, _) => Seen::NotRun,
            },
            ..Entry::default()
        };
        let panel = Panel::new("i", keys.iter().zip(&failures).map(entry).collect(), Vec::new());
        let choice = choose(&panel, rules(Method::Enhanced, num_samples));
        prop_assert_eq!(choice.candidate, reference(&keys, &failures, num_samples));
    }

    #[test]
    fn every_method_chooses_an_eligible_candidate_whatever_is_known(
        rows in proptest::collection::vec(("[ab]{0,3}", 0_u32..4, 0_u32..4), 0..12),
        num_samples in 0_usize..20,
    ) {
        let seen = |n: u32| match n { 0 => Seen::NotRun, 1 => Seen::Failed, n => Seen::Known(n - 2) };
        let cell = |n: u32| match seen(n) {
            Seen::Known(n) => Seen::Known(Cell { fail_to_pass: n * 2, pass_to_pass: n }),
            Seen::Failed => Seen::Failed,
            Seen::NotRun => Seen::NotRun,
        };
        let rows: Vec<_> = rows.iter().map(|(key, a, b)| (key.as_str(), seen(*a), cell(*b))).collect();
        let panel = tested(&rows);
        for method in [
            Method::Enhanced, Method::SelfConsistency, Method::Density, Method::SelfPlay, Method::TestAgreement,
            Method::First, Method::Oracle,
        ] {
            let choice = choose(&panel, rules(method, num_samples));
            match choice.candidate {
                Some(candidate) => prop_assert!(choice.eligible.contains(&candidate) && !rows[candidate].0.is_empty()),
                None => prop_assert!(rows.iter().all(|(key, ..)| key.is_empty())),
            }
            prop_assert_eq!(choice.used.contains(&Used::Verdicts), method == Method::Oracle && choice.candidate.is_some());
        }
    }
}

#[test]
fn votes_come_first_then_density_then_the_place() {
    let panel = patches(&["aaaa", "zzzz", "aaab", "zzzz", "aaac"]);
    let by = |method| choose(&panel, rules(method, 6)).candidate;
    assert_eq!(by(Method::Enhanced), Some(1), "two of a kind beat three that are alike");
    assert_eq!(by(Method::Density), Some(0), "and not without votes");
    let tied = patches(&["zzzz", "aaaa", "aaab", "aaac"]);
    assert_eq!(choose(&tied, rules(Method::Enhanced, 6)).candidate, Some(1));
    assert_eq!(choose(&tied, rules(Method::SelfConsistency, 6)).candidate, Some(0));
    assert_eq!(choose(&patches(&["", "b", "a"]), rules(Method::First, 6)).candidate, Some(1));
    assert_eq!(choose(&patches(&["", ""]), rules(Method::Enhanced, 6)).candidate, None);
}

#[test]
fn a_missing_report_is_not_taken_for_no_failures() {
    let rows = [("crashed", Seen::Failed, SOLVES), ("one", Seen::Known(1), SOLVES), ("two", Seen::Known(2), SOLVES)];
    let choice = choose(&tested(&rows), rules(Method::Enhanced, 3));
    assert_eq!((choice.candidate, choice.eligible), (Some(1), vec![1]));
}

#[test]
fn an_empty_patch_does_not_set_the_fewest_failures() {
    let rows = [("", Seen::Known(0), SOLVES), ("one", Seen::Known(1), SOLVES), ("two", Seen::Known(2), SOLVES)];
    assert_eq!(choose(&tested(&rows), rules(Method::Enhanced, 3)).eligible, [1]);
}

#[test]
fn what_ran_for_some_candidates_only_is_not_used() {
    let rows = [("a", Seen::Known(5), Seen::NotRun), ("b", Seen::NotRun, SOLVES), ("b", Seen::NotRun, SOLVES)];
    for method in [Method::Enhanced, Method::SelfPlay, Method::TestAgreement] {
        let choice = choose(&tested(&rows), rules(method, 3));
        assert_eq!(choice.candidate, Some(1));
        assert_eq!(choice.used.iter().collect::<Vec<_>>(), [&Used::Patches], "{method:?}");
        assert!(choice.why.iter().any(|why| why.contains("1 of 3") || why.contains("2 of 3")), "{:?}", choice.why);
    }
}

#[test]
fn the_reproduction_filter_is_dropped_where_nothing_passes_it() {
    let some = [("a", Seen::Known(0), HALF), ("b", Seen::Known(0), SOLVES), ("a", Seen::Known(0), HALF)];
    assert_eq!(choose(&tested(&some), rules(Method::Enhanced, 3)).candidate, Some(1));
    let none = [("a", Seen::Known(0), HALF), ("b", Seen::Known(0), Seen::Failed), ("b", Seen::Known(0), HALF)];
    let choice = choose(&tested(&none), rules(Method::Enhanced, 3));
    assert_eq!((choice.candidate, choice.eligible.len()), (Some(1), 3));
    let off = Rules { reproduction: false, ..rules(Method::SelfConsistency, 3) };
    assert_eq!(choose(&tested(&some), off).candidate, Some(0));
}

#[test]
fn self_play_adds_the_shares_of_mended_and_kept_cases() {
    let breaks = Seen::Known(Cell { fail_to_pass: 2, pass_to_pass: 0 });
    let rows = [("a", Seen::NotRun, breaks), ("b", Seen::NotRun, HALF), ("c", Seen::NotRun, SOLVES)];
    let choice = choose(&tested(&rows), rules(Method::SelfPlay, 3));
    assert_eq!(choice.candidate, Some(2));
    assert_eq!(choice.scores.values().copied().collect::<Vec<_>>(), [1.0, 1.5, 2.0]);
    let fallen = Seen::Failed;
    let rows = [("a", Seen::NotRun, fallen), ("b", Seen::NotRun, HALF)];
    assert_eq!(choose(&tested(&rows), rules(Method::SelfPlay, 3)).candidate, Some(1), "no result is no pass");
}

#[test]
fn test_agreement_takes_the_class_with_most_tests_squared_times_patches() {
    let cell = |passes: bool| Seen::Known(Cell { fail_to_pass: u32::from(passes), pass_to_pass: 0 });
    let entry = |key: &str, passes: [bool; 3]| Entry {
        key: key.to_owned(),
        tests: passes.map(cell).to_vec(),
        ..Entry::default()
    };
    let column = |test: &str| Column { test: test.to_owned(), votes: 1, fails: 1, passes: 0 };
    let columns = || ["t", "u", "v"].map(column).to_vec();
    // One test and four patches: 4. Two tests and one patch: 4. Three tests and one patch: 9.
    let weak = || vec![entry("w", [true, false, false]); 4];
    let mut entries = weak();
    entries.push(entry("x", [true, true, true]));
    let choice = choose(&Panel::new("i", entries, columns()), rules(Method::TestAgreement, 5));
    assert_eq!((choice.candidate, choice.eligible), (Some(4), vec![4]));
    let mut entries = weak();
    entries.push(entry("y", [true, true, false]));
    entries.push(entry("", [true, true, true]));
    entries.push(entry("z", [false, false, false]));
    let choice = choose(&Panel::new("i", entries, columns()), rules(Method::TestAgreement, 5));
    assert_eq!((choice.candidate, choice.eligible), (Some(0), vec![0, 1, 2, 3, 4]), "equal classes go together");
}

#[test]
fn only_the_oracle_looks_at_verdicts() {
    let with = |verdicts: [Option<VerdictStatus>; 3]| {
        let mut panel = patches(&["a", "b", "a"]);
        panel.entries.iter_mut().zip(verdicts).for_each(|(entry, verdict)| entry.verdict = verdict);
        panel
    };
    let (yes, no) = (Some(VerdictStatus::Verified), Some(VerdictStatus::Rejected));
    for method in [Method::Enhanced, Method::SelfConsistency, Method::Density, Method::SelfPlay, Method::TestAgreement]
    {
        let chosen =
            [[no, yes, no], [yes, no, yes], [None, None, None]].map(|v| choose(&with(v), rules(method, 3)).candidate);
        assert_eq!(chosen, [Some(0); 3], "{method:?}");
    }
    assert_eq!(choose(&with([no, yes, no]), rules(Method::Oracle, 3)).candidate, Some(1));
    assert_eq!(choose(&with([no, no, no]), rules(Method::Oracle, 3)).candidate, Some(0));
}
