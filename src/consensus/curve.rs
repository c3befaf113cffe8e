//! How the share of resolved issues grows with the number of patches to choose from.
//!
//! Subsets are drawn by a seed that follows from instance, size and draw, so the number of threads does not change the
//! curve. Intervals are bootstrap over issues. Inconclusive choices are in no rate. pass@k is the unbiased estimate
//! over judged candidates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choice::{Method, Rules};
use super::panel::Panel;
use super::similarity::Similarities;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::verdict::VerdictStatus;

/// Bootstrap resamples behind an interval.
const RESAMPLES: usize = 1000;

/// `scaling.json`: rates over issues, beside what a perfect choice and chance would give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scaling {
    pub format: String,
    pub method: Method,
    /// Random draws of patches per issue and number; 1 where all patches are taken.
    pub draws: u64,
    pub seed: u64,
    /// Issues with at least one candidate that was judged.
    pub instances: u64,
    /// Share of issues whose chosen patch is verified.
    pub selected: Vec<Point>,
    /// Share of issues with any verified patch among those drawn.
    pub oracle: Vec<Point>,
    /// Unbiased estimate of the same over all draws (`1 - C(n - c, k) / C(n, k)`; Chen et al., 2021).
    pub pass_at: Vec<Point>,
}

/// A rate at one number of patches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Patches to choose from; an issue with fewer gives all it has.
    pub patches: u64,
    /// 0 to 1.
    pub rate: f64,
    /// Bounds of the middle 95 % of resamples over issues.
    pub low: f64,
    pub high: f64,
    /// Issues that the rate is over: those where the verdict is known. Inconclusive ones are in no rate.
    pub instances: u64,
}

/// What one issue adds: per number of patches the share of draws that were resolved, `None` if nothing is known.
#[derive(Clone, Debug)]
pub struct Share {
    pub selected: Vec<Option<f64>>,
    pub oracle: Vec<Option<f64>>,
    pub pass_at: Vec<Option<f64>>,
}

/// How draws are made.
#[derive(Clone, Debug)]
pub struct Draws {
    /// Numbers of patches, rising.
    pub sizes: Vec<usize>,
    pub draws: usize,
    pub seed: u64,
}

impl Draws {
    /// 1, 2, 4 and so on up to the greatest number, and that number.
    pub fn up_to(most: usize, draws: usize, seed: u64) -> Self {
        let mut sizes: Vec<_> = std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|n| *n < most).collect();
        sizes.push(most.max(1));
        Self { sizes, draws: draws.max(1), seed }
    }
}

/// What an issue adds to the curve.
pub fn share(panel: &Panel, rules: &Rules, draws: &Draws, similarities: &mut Similarities) -> Share {
    let mut share = Share { selected: Vec::new(), oracle: Vec::new(), pass_at: Vec::new() };
    let judged = |wanted: VerdictStatus| panel.entries.iter().filter(|entry| entry.verdict == Some(wanted)).count();
    let (verified, rejected) = (judged(VerdictStatus::Verified), judged(VerdictStatus::Rejected));
    let all: Vec<usize> = (0..panel.entries.len()).collect();
    if rules.method.dense() {
        // Almost every patch ties with another in some draw.
        similarities.measure(0..panel.keys.len());
    }
    for size in &draws.sizes {
        let (mut selected, mut oracle) = (Mean::default(), Mean::default());
        let rules = Rules { num_samples: *size, ..*rules };
        for draw in 0..if *size >= all.len() { 1 } else { draws.draws } {
            let name = format!("{} {} {size} {draw}", draws.seed, panel.instance_id);
            let members = Random::new(&name).choose(&all, *size);
            let known = |candidate: usize| match panel.entries[candidate].verdict {
                Some(VerdictStatus::Verified) => Some(true),
                Some(VerdictStatus::Rejected) => Some(false),
                Some(VerdictStatus::Inconclusive) | None => None,
            };
            let verdicts: Vec<_> = members.iter().filter_map(|candidate| known(*candidate)).collect();
            oracle.add((!verdicts.is_empty()).then(|| verdicts.contains(&true)));
            // An issue without any patch is not resolved.
            let chosen = rules.choose(panel, &members, similarities).candidate;
            selected.add(chosen.map_or((!verdicts.is_empty()).then_some(false), known));
        }
        share.selected.push(selected.value());
        share.oracle.push(oracle.value());
        share.pass_at.push(pass_at(verified + rejected, verified, *size));
    }
    share
}

/// Chance that at least one of `k` drawn out of `n` is among the `c` right ones; `None` if fewer than `k` were judged.
pub fn pass_at(n: usize, c: usize, k: usize) -> Option<f64> {
    if n < k || k == 0 {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    let none: f64 = (0..k).map(|drawn| (n - c - drawn) as f64 / (n - drawn) as f64).product();
    Some(1.0 - none)
}

/// The curve of all issues.
pub fn scaling(shares: &[Share], method: Method, draws: &Draws) -> Scaling {
    let line = |name: &str, of: &dyn Fn(&Share) -> &Vec<Option<f64>>| {
        let points = draws.sizes.iter().enumerate().filter_map(|(place, size)| {
            let rates: Vec<f64> = shares.iter().filter_map(|share| of(share)[place]).collect();
            point(*size, &rates, &mut Random::new(&format!("{} {name} {size}", draws.seed)))
        });
        points.collect::<Vec<_>>()
    };
    let known = |share: &&Share| share.oracle.iter().any(Option::is_some);
    Scaling {
        format: format::SCALING.to_owned(),
        method,
        draws: draws.draws as u64,
        seed: draws.seed,
        instances: shares.iter().filter(known).count() as u64,
        selected: line("selected", &|share| &share.selected),
        oracle: line("oracle", &|share| &share.oracle),
        pass_at: line("pass_at", &|share| &share.pass_at),
    }
}

fn point(size: usize, rates: &[f64], random: &mut Random) -> Option<Point> {
    if rates.is_empty() {
        return None;
    }
    let count = rates.len();
    let mut means: Vec<f64> =
        (0..RESAMPLES).map(|_| (0..count).map(|_| rates[random.below(count)]).sum::<f64>() / count as f64).collect();
    means.sort_by(f64::total_cmp);
    Some(Point {
        patches: size as u64,
        rate: rates.iter().sum::<f64>() / count as f64,
        low: means[RESAMPLES * 25 / 1000],
        high: means[RESAMPLES * 975 / 1000 - 1],
        instances: count as u64,
    })
}

/// A mean of what is known.
#[derive(Default)]
struct Mean {
    right: usize,
    known: usize,
}

impl Mean {
    fn add(&mut self, right: Option<bool>) {
        self.known += usize::from(right.is_some());
        self.right += usize::from(right == Some(true));
    }

    fn value(&self) -> Option<f64> {
        (self.known > 0).then(|| self.right as f64 / self.known as f64)
    }
}

/// Numbers that follow from a name: the same on every machine and in whatever order threads run (SplitMix64, Steele et
/// al., 2014).
struct Random(u64);

impl Random {
    fn new(name: &str) -> Self {
        let digest = Digest::of(name.as_bytes());
        Self(u64::from_str_radix(&digest.as_str()[..16], 16).unwrap_or_default())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound: the high half of a product, whose unevenness is below 2^-32 for any bound that fits memory.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// This many of the items, in their order.
    fn choose(&mut self, items: &[usize], count: usize) -> Vec<usize> {
        let mut items = items.to_vec();
        let count = count.min(items.len());
        for place in 0..count {
            let other = place + self.below(items.len() - place);
            items.swap(place, other);
        }
        items.truncate(count);
        items.sort_unstable();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::panel::Entry;

    fn panel(id: &str, verdicts: &[Option<VerdictStatus>]) -> Panel {
        let entry = |(place, verdict): (usize, &Option<VerdictStatus>)| Entry {
            key: format!("patch {}", place % 3),
            verdict: *verdict,
            ..Entry::default()
        };
        Panel::new(id, verdicts.iter().enumerate().map(entry).collect(), Vec::new())
    }

    fn shares(panels: &[Panel], method: Method, draws: &Draws) -> Vec<Share> {
        let rules = Rules { method, num_samples: 4, regression: true, reproduction: true };
        panels.iter().map(|panel| share(panel, &rules, draws, &mut Similarities::new(&panel.keys))).collect()
    }

    const YES: Option<VerdictStatus> = Some(VerdictStatus::Verified);
    const NO: Option<VerdictStatus> = Some(VerdictStatus::Rejected);
    const UNKNOWN: Option<VerdictStatus> = Some(VerdictStatus::Inconclusive);

    #[test]
    fn pass_at_k_is_the_unbiased_estimate() {
        assert_eq!(pass_at(4, 1, 1), Some(0.25));
        assert_eq!(pass_at(4, 2, 2), Some(1.0 - 1.0 / 6.0));
        assert_eq!(pass_at(4, 0, 4), Some(0.0));
        assert_eq!(pass_at(4, 3, 2), Some(1.0));
        assert_eq!(pass_at(3, 1, 4), None);
    }

    #[test]
    fn sizes_double_up_to_the_number_of_patches() {
        assert_eq!(Draws::up_to(120, 1, 0).sizes, [1, 2, 4, 8, 16, 32, 64, 120]);
        assert_eq!(Draws::up_to(1, 1, 0).sizes, [1]);
        assert_eq!(Draws::up_to(0, 1, 0).sizes, [1]);
    }

    #[test]
    fn inconclusive_choices_are_in_no_rate_and_an_issue_without_patches_is_not_resolved() {
        let draws = Draws::up_to(1, 1, 7);
        let known =
            scaling(&shares(&[panel("a", &[YES]), panel("b", &[NO])], Method::First, &draws), Method::First, &draws);
        assert_eq!((known.selected[0].rate, known.selected[0].instances), (0.5, 2));
        let panels = [panel("a", &[YES]), panel("b", &[UNKNOWN])];
        let one = scaling(&shares(&panels, Method::First, &draws), Method::First, &draws);
        assert_eq!((one.selected[0].rate, one.selected[0].instances, one.instances), (1.0, 1, 1));
        let empty = Panel::new("c", vec![Entry { verdict: NO, ..Entry::default() }], Vec::new());
        assert_eq!(shares(&[empty], Method::First, &draws)[0].selected, [Some(0.0)]);
    }

    #[test]
    fn the_oracle_rises_with_the_number_of_patches_agrees_with_pass_at_k_and_draws_are_seeded() {
        let panels: Vec<_> = (0..40)
            .map(|n| {
                panel(&format!("p{n}"), &(0..16).map(|c| if c * 7 % 16 < n % 5 { YES } else { NO }).collect::<Vec<_>>())
            })
            .collect();
        let draws = Draws::up_to(16, 40, 1);
        let curve = scaling(&shares(&panels, Method::Oracle, &draws), Method::Oracle, &draws);
        for (oracle, pass) in curve.oracle.iter().zip(&curve.pass_at) {
            assert!((oracle.rate - pass.rate).abs() < 0.03, "{oracle:?} {pass:?}");
            assert!(oracle.low <= oracle.rate && oracle.rate <= oracle.high, "{oracle:?}");
        }
        assert!(curve.oracle.windows(2).all(|pair| pair[0].rate <= pair[1].rate + 0.02), "{curve:?}");
        assert_eq!(curve, scaling(&shares(&panels, Method::Oracle, &draws), Method::Oracle, &draws));
        let other = Draws { seed: 2, ..draws };
        assert_ne!(curve.oracle, scaling(&shares(&panels, Method::Oracle, &other), Method::Oracle, &other).oracle);
    }

    #[test]
    fn a_draw_holds_so_many_different_items_in_their_order() {
        let items: Vec<usize> = (0..50).collect();
        let mut seen = [0_u32; 50];
        for name in 0..200 {
            let drawn = Random::new(&name.to_string()).choose(&items, 10);
            assert!(drawn.len() == 10 && drawn.windows(2).all(|pair| pair[0] < pair[1]), "{drawn:?}");
            drawn.iter().for_each(|item| seen[*item] += 1);
        }
        assert!(seen.iter().all(|count| (15..=70).contains(count)), "{seen:?}");
    }
}
