//! Exact (Clopper-Pearson) intervals for a share of which some were seen. Pure.

/// Bounds of the 95 % interval for `hits` of `of`, 0 to 1. Nothing seen says nothing: 0 to 1.
pub fn exact_95(hits: usize, of: usize) -> (f64, f64) {
    let lower = if hits == 0 { 0.0 } else { root(|share| 1.0 - at_most(hits - 1, of, share), 0.025) };
    let upper = if hits == of { 1.0 } else { root(|share| -at_most(hits, of, share), -0.025) };
    (lower, upper)
}

/// Where a rising function reaches a value.
fn root(rising: impl Fn(f64) -> f64, value: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if rising(middle) < value { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// Chance of at most `hits` in `of` tries that succeed with `share` each.
fn at_most(hits: usize, of: usize, share: f64) -> f64 {
    let mut ways = 0.0_f64;
    let mut sum = 0.0;
    for k in 0..=hits {
        if k > 0 {
            ways += ((of - k + 1) as f64).ln() - (k as f64).ln();
        }
        sum += (ways + k as f64 * share.ln() + (of - k) as f64 * (1.0 - share).ln()).exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        for (hits, of, lower, upper) in
            [(0, 10, 0.0, 0.3085), (1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)]
        {
            let (low, high) = exact_95(hits, of);
            assert!((low - lower).abs() < 0.0001 && (high - upper).abs() < 0.0001, "{hits} of {of}: {low} to {high}");
        }
        assert_eq!(exact_95(0, 0), (0.0, 1.0));
    }
}
