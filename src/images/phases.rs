//! Where the time of making an image goes.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The clock of one image in the making, for one thread. A phase inside another one stops the outer one's clock, so the seconds of all phases
/// are those of the whole.
#[derive(Debug, Default)]
pub struct Phases(RefCell<State>);

#[derive(Debug, Default)]
struct State {
    /// Phases under way, the innermost last, and since when the innermost runs.
    open: Vec<&'static str>,
    since: Option<Instant>,
    /// In the order in which they began first.
    spent: Vec<(&'static str, Duration)>,
}

/// A phase that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    pub phase: &'static str,
    pub seconds: f64,
}

impl State {
    fn settle(&mut self) {
        let now = Instant::now();
        let passed = self.since.replace(now).map_or(Duration::ZERO, |since| now - since);
        let Some(name) = self.open.last() else { return };
        match self.spent.iter_mut().find(|(known, _)| known == name) {
            Some((_, spent)) => *spent += passed,
            None => self.spent.push((name, passed)),
        }
    }
}

impl Phases {
    /// Does some work and adds its time to the phase of this name.
    pub fn time<T>(&self, phase: &'static str, work: impl FnOnce() -> T) -> T {
        let mut state = self.0.borrow_mut();
        state.settle();
        state.open.push(phase);
        drop(state);
        let done = work();
        let mut state = self.0.borrow_mut();
        state.settle();
        state.open.pop();
        done
    }

    /// The phases so far, in milliseconds at best.
    pub fn spent(&self) -> Vec<Phase> {
        let state = self.0.borrow();
        let seconds = |spent: &Duration| (spent.as_secs_f64() * 1000.0).round() / 1000.0;
        state.spent.iter().map(|(phase, spent)| Phase { phase, seconds: seconds(spent) }).collect()
    }
}

/// Phases as a sentence; those that took no time to speak of are left out.
pub fn sentence(phases: &[Phase]) -> String {
    let total = phases.iter().fold(0.0, |total, phase| total + phase.seconds);
    let told = phases.iter().filter(|phase| phase.seconds >= 0.05);
    let told: Vec<String> = told.map(|phase| format!("{} {:.1} s", phase.phase, phase.seconds)).collect();
    match told.is_empty() {
        true => format!("took {total:.1} s"),
        false => format!("took {total:.1} s: {}", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_inside_another_one_is_not_counted_twice() {
        let phases = Phases::default();
        let pause = || std::thread::sleep(Duration::from_millis(20));
        phases.time("outer", || {
            phases.time("inner", pause);
            phases.time("inner", pause);
        });
        phases.time("last", || ());
        let spent = phases.spent();
        assert_eq!(spent.iter().map(|phase| phase.phase).collect::<Vec<_>>(), ["outer", "inner", "last"]);
        assert!(spent[1].seconds >= 0.04, "{spent:?}");
    }

    #[test]
    fn the_sentence_names_what_took_time() {
        let phase = |phase, seconds| Phase { phase, seconds };
        let phases = [phase("unpacking layers", 3.21), phase("the rest", 0.02)];
        assert_eq!(sentence(&phases), "took 3.2 s: unpacking layers 3.2 s");
        assert_eq!(sentence(&[]), "took 0.0 s");
    }
}
