//! Caps on what may be spent. Pure. The cap on tokens sets aside the prompt and `--max-tokens` of every request under
//! way, so it holds by the endpoint's count if the prompt's count does.

/// What may be spent in one run; `None` means that there is no cap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caps {
    pub requests: Option<u64>,
    pub tokens: Option<u64>,
}

/// What was spent, and what requests under way may still take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub requests: u64,
    pub tokens: u64,
    reserved: u64,
    under_way: u64,
}

/// Whether another request may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Granted,
    /// Requests under way may give back what they do not use.
    Wait,
    /// A cap is reached.
    Denied,
}

impl Spent {
    /// Asks for one request that takes at most `most` tokens, and sets them aside if it may go out.
    pub fn ask(&mut self, caps: Caps, most: u64) -> Leave {
        if caps.requests.is_some_and(|cap| self.requests >= cap) {
            return Leave::Denied;
        }
        if let Some(cap) = caps.tokens {
            let free = cap.saturating_sub(self.tokens);
            if most > free {
                return Leave::Denied;
            }
            if self.reserved + most > free {
                return if self.under_way > 0 { Leave::Wait } else { Leave::Denied };
            }
        }
        self.requests += 1;
        self.reserved += most;
        self.under_way += 1;
        Leave::Granted
    }

    /// A request that was granted ended, having used this many tokens.
    pub fn settle(&mut self, most: u64, used: u64) {
        self.reserved = self.reserved.saturating_sub(most);
        self.under_way = self.under_way.saturating_sub(1);
        self.tokens += used;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_on_tokens_holds_for_what_is_under_way_too() {
        let caps = Caps { tokens: Some(100), requests: None };
        let mut spent = Spent::default();
        assert_eq!(spent.ask(caps, 60), Leave::Granted);
        assert_eq!(spent.ask(caps, 60), Leave::Wait);
        spent.settle(60, 10);
        assert_eq!(spent.ask(caps, 60), Leave::Granted);
        spent.settle(60, 60);
        assert_eq!(spent.ask(caps, 60), Leave::Denied);
        assert_eq!((spent.tokens, spent.requests), (70, 2));
    }

    #[test]
    fn a_cap_on_requests_counts_every_one() {
        let caps = Caps { requests: Some(2), tokens: None };
        let mut spent = Spent::default();
        assert_eq!(
            [spent.ask(caps, 9), spent.ask(caps, 9), spent.ask(caps, 9)],
            [Leave::Granted, Leave::Granted, Leave::Denied]
        );
    }
}
