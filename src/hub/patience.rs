//! How long a fault is waited out. Pure.

use std::time::Duration;

/// Waits between tries: the first, doubled each time up to a bound; what the server asks for comes before that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Wait after the first failure.
    pub first: Duration,
    /// Failures in a row after which it ends.
    pub tries: u32,
    /// The longest wait a server may ask for; its rate limits are counted over five minutes.
    pub longest: Duration,
}

/// Without word of the server, a wait is at most this many times the first.
const MOST: u32 = 16;

impl Default for Patience {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), tries: 6, longest: Duration::from_secs(10 * 60) }
    }
}

impl Patience {
    /// How long to wait after `failures` in a row (at least 1), or `None` to end it. A server's wish is kept to the second
    /// and never shortened.
    pub fn wait(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if failures >= self.tries || asked.is_some_and(|asked| asked > self.longest) {
            return None;
        }
        let own = self.first * 2_u32.saturating_pow(failures.saturating_sub(1)).min(MOST);
        Some(asked.map_or(own, |asked| asked.max(self.first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_then_it_ends() {
        let patience = Patience { tries: 8, ..Patience::default() };
        let waits: Vec<_> = (1..=8).map(|failures| patience.wait(failures, None).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), Some(4), Some(8), Some(16), Some(16), Some(16), None]);
    }

    #[test]
    fn the_servers_wish_is_kept_unless_it_is_beyond_all_patience() {
        let patience = Patience::default();
        assert_eq!(patience.wait(1, Some(Duration::from_secs(120))), Some(Duration::from_secs(120)));
        assert_eq!(patience.wait(1, Some(Duration::ZERO)), Some(Duration::from_secs(1)));
        assert_eq!(patience.wait(1, Some(Duration::from_secs(3600))), None);
    }
}
