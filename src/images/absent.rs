//! Images and registries that were asked for in vain. Many instances may name one image, or images of one registry that
//! does not answer; they do not ask again one after the other. After a minute an answer is forgotten, because a run lasts
//! longer than most faults of a network.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const MEMORY: Duration = Duration::from_secs(60);

/// What was asked for in vain, when, and what was said.
#[derive(Debug)]
pub(crate) struct Absent(Mutex<BTreeMap<String, (Instant, String)>>);

impl Absent {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn remember(&self, name: &str, why: String) {
        self.remember_at(name, why, Instant::now());
    }

    /// Why it is absent, if that was said within the last minute.
    pub(crate) fn recall(&self, name: &str) -> Option<String> {
        self.recall_at(name, Instant::now())
    }

    fn remember_at(&self, name: &str, why: String, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), (now, why));
    }

    fn recall_at(&self, name: &str, now: Instant) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|(said, _)| now.saturating_duration_since(*said) < MEMORY).map(|(_, why)| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_there_is_asked_for_again_after_a_minute() {
        let (absent, now) = (Absent::new(), Instant::now());
        absent.remember_at("a", "it does not answer".to_owned(), now);
        assert_eq!(absent.recall_at("a", now + Duration::from_secs(59)).as_deref(), Some("it does not answer"));
        assert_eq!(absent.recall_at("b", now), None);
        assert_eq!(absent.recall_at("a", now + Duration::from_secs(61)), None);
    }
}
