//! Choices by generated tests: classes of patches that pass the same tests (Agentless Mini), and scores over patches and
//! tests (Kimi-Dev).

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{Choice, Rules, Used};
use super::filters::{fewest_failures, usable};
use super::panel::Panel;

/// Narrows the eligible candidates: by regression then classes, the other way round, by classes alone, by regression alone; the
/// first of these that leaves some out counts. The vote comes after.
pub(super) fn agree(rules: &Rules, panel: &Panel, choice: &mut Choice) {
    let all = choice.eligible.clone();
    let regression = rules.regression && usable("regression tests", panel.regression(), choice);
    let tests = rules.reproduction && usable("generated tests", panel.generated(), choice);
    let by_regression = |among: &[usize]| {
        let mut narrowed = Choice { eligible: among.to_vec(), why: Vec::new(), ..choice.clone() };
        if regression {
            fewest_failures(panel, &mut narrowed);
        }
        narrowed.eligible
    };
    let by_tests = |among: &[usize]| if tests { largest_class(panel, among) } else { among.to_vec() };
    let stages = [
        ("regression tests, then agreement", by_tests(&by_regression(&all))),
        ("agreement, then regression tests", by_regression(&by_tests(&all))),
        ("agreement", by_tests(&all)),
        ("regression tests", by_regression(&all)),
    ];
    choice.used.extend(regression.then_some(Used::RegressionTests));
    choice.used.extend(tests.then_some(Used::GeneratedTests));
    let counts = |(_, left): &(&str, Vec<usize>)| !left.is_empty() && left.len() != all.len();
    match stages.into_iter().find(counts) {
        Some((stage, left)) => {
            choice.why.push(format!("{} of {} left by {stage}", left.len(), all.len()));
            choice.eligible = left;
        }
        None => choice.why.push("no test tells the candidates apart".to_owned()),
    }
}

/// The candidates of the classes with the most tests squared times patches.
fn largest_class(panel: &Panel, among: &[usize]) -> Vec<usize> {
    let mut classes: BTreeMap<BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
    for candidate in among {
        let passed = (0..panel.tests.len()).filter(|test| panel.resolves(*candidate, *test)).collect();
        classes.entry(passed).or_default().push(*candidate);
    }
    let worth = |(tests, patches): (&BTreeSet<usize>, &Vec<usize>)| tests.len() * tests.len() * patches.len();
    let most = classes.iter().map(worth).max().unwrap_or(0);
    let mut left: Vec<_> =
        classes.iter().filter(|class| worth(*class) == most).flat_map(|(_, patches)| patches.iter().copied()).collect();
    left.sort_unstable();
    left
}

/// Scores every candidate: the share of failing cases that it mends plus the share of passing cases that it keeps, over all
/// tests together. The highest wins, the earliest of equal ones. False if there are no tests to score by.
pub(super) fn play(panel: &Panel, choice: &mut Choice) -> bool {
    if !usable("generated tests", panel.generated(), choice) {
        return false;
    }
    choice.used.insert(Used::GeneratedTests);
    let total = |count: fn(&super::panel::Column) -> u32| panel.tests.iter().map(count).sum::<u32>();
    let (fails, passes) = (total(|test| test.fails), total(|test| test.passes));
    let share = |count: u32, of: u32| if of == 0 { 0.0 } else { f64::from(count) / f64::from(of) };
    let mut best: Option<(f64, usize)> = None;
    for candidate in &choice.eligible {
        let cells = || panel.entries[*candidate].tests.iter().filter_map(|seen| seen.known());
        let mended = cells().map(|cell| cell.fail_to_pass).sum();
        let kept = cells().map(|cell| cell.pass_to_pass).sum();
        let score = share(mended, fails) + share(kept, passes);
        choice.scores.insert(*candidate, score);
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, *candidate));
        }
    }
    choice.candidate = best.map(|(_, candidate)| candidate);
    choice.why.push(format!("the best score over {} generated tests", panel.tests.len()));
    true
}
