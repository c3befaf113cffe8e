//! The gate before a trial: how many trials run at once without its memory running out.
//!
//! A trial waits until it fits into `--memory-budget` beside the trials that run. It is counted with half as much again
//! as the largest trial of its image took, or with its whole limit as long as none was measured. Cores are shared by
//! `--workers`.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::model::digest::Digest;

/// Bytes that a trial may take beyond half as much again as the largest before it.
const SPARE: u64 = 64 << 20;

/// Shared by the workers. The number of workers shares the cores.
#[derive(Debug)]
pub(crate) struct MemoryGate {
    /// Bytes that running trials may take together.
    budget: u64,
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: u32,
    taken: u64,
    /// The largest that a trial in an image took.
    peaks: BTreeMap<Digest, u64>,
}

/// The memory of a trial that runs. It is free again when this is dropped.
pub(crate) struct Reservation<'a> {
    gate: &'a MemoryGate,
    bytes: u64,
}

impl MemoryGate {
    pub fn new(budget: u64) -> Self {
        Self { budget, state: Mutex::default(), left: Condvar::new() }
    }

    /// Waits until a trial in an image fits beside those that run. A trial that never fits runs alone.
    pub fn enter(&self, image: &Digest, limit: u64) -> Reservation<'_> {
        let mut state = self.lock();
        loop {
            let bytes = need(state.peaks.get(image).copied(), limit);
            if state.running == 0 || state.taken.saturating_add(bytes) <= self.budget {
                state.running += 1;
                state.taken += bytes;
                return Reservation { gate: self, bytes };
            }
            state = self.left.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// What a trial in an image took at its peak, if that was measured.
    pub fn saw(&self, image: &Digest, peak: Option<u64>) {
        let Some(peak) = peak else { return };
        let mut state = self.lock();
        match state.peaks.get_mut(image) {
            Some(most) => *most = peak.max(*most),
            None => drop(state.peaks.insert(image.clone(), peak)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.running -= 1;
        state.taken -= self.bytes;
        drop(state);
        self.gate.left.notify_all();
    }
}

/// Bytes that a trial is counted with: its whole limit as long as nothing was measured.
fn need(peak: Option<u64>, limit: u64) -> u64 {
    peak.map_or(limit, |peak| peak.saturating_add(peak / 2).saturating_add(SPARE).min(limit))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    const GIB: u64 = 1 << 30;

    /// The most trials of four workers that ran at once, of 40 in all.
    fn most_at_once(gate: &MemoryGate, image: &Digest) -> u32 {
        let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        let _entered = gate.enter(image, 2 * GIB);
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(2));
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        most.into_inner()
    }

    #[test]
    fn trials_run_together_as_far_as_what_was_measured_fits() {
        let (image, other) = (Digest::of(b"image"), Digest::of(b"other"));
        let gate = MemoryGate::new(5 * GIB);
        assert_eq!(most_at_once(&gate, &image), 2, "nothing is known: each counts with its limit");
        gate.saw(&image, Some(GIB));
        gate.saw(&image, None);
        gate.saw(&image, Some(GIB / 2));
        assert_eq!(most_at_once(&gate, &image), 3, "1.5 GiB and a little each");
        assert_eq!(most_at_once(&gate, &other), 2);
        gate.saw(&other, Some(8 << 20));
        assert_eq!(most_at_once(&gate, &other), 4);
    }

    #[test]
    fn what_never_fits_runs_alone() {
        assert_eq!(most_at_once(&MemoryGate::new(1), &Digest::of(b"image")), 1);
    }
}
