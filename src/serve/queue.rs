//! The queue: questions that wait, those at work, and who waits for them. Equal questions are worked on once. A batch
//! is taken as a whole or not at all.
//!
//! If the last client that waits for a question is gone (connection closed, deadline over), the question leaves the
//! queue, or its trial is ended and the worker is free. What had been run stays known. A full queue answers 429 with a
//! `Retry-After` that follows from the speed of the last answers. A known answer needs no place.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Answer, Code, Unanswered};
use crate::model::digest::Digest;
use crate::model::generation::Generation;

/// What became of a question.
pub(super) type Outcome = Result<Arc<Answer>, Unanswered>;

/// A bounded queue.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Job>>,
    /// Questions that somebody waits for.
    asked: BTreeMap<Digest, Asked>,
    /// Number of a job at work -> what ends it.
    running: BTreeMap<u64, Arc<AtomicBool>>,
    next: u64,
    stopped: bool,
    workers: usize,
    /// How long a job takes, milliseconds, over the last few.
    mean_ms: f64,
}

#[derive(Debug)]
struct Asked {
    job: Arc<Job>,
    waiters: usize,
}

/// A question under way.
#[derive(Debug)]
pub(super) struct Job {
    number: u64,
    pub id: Digest,
    pub generation: Generation,
    pub asked: Instant,
    outcome: watch::Sender<Option<Outcome>>,
}

/// A place in the queue. Dropping it is giving up.
#[derive(Debug)]
pub(super) struct Ticket {
    queue: Arc<Queue>,
    job: Arc<Job>,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// How full the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Depth {
    pub waiting: usize,
    pub running: usize,
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), ready: Condvar::new(), capacity }
    }

    pub fn set_workers(&self, workers: usize) {
        self.lock().workers = workers;
    }

    /// Takes all of the generations, or none: equal ones share a job.
    ///
    /// # Errors
    /// [`Code::QueueFull`], [`Code::TooLarge`] if it could never hold that many, [`Code::ShuttingDown`].
    pub fn ask(self: &Arc<Self>, generations: Vec<(Digest, Generation)>) -> Result<Vec<Ticket>, Unanswered> {
        let mut state = self.lock();
        if state.stopped {
            return Err(shutting_down());
        }
        let mut new: Vec<_> =
            generations.iter().map(|(id, _)| id).filter(|id| !state.asked.contains_key(*id)).collect();
        new.sort();
        new.dedup();
        if new.len() > self.capacity {
            let message = format!("{} questions at once; the queue holds {}", new.len(), self.capacity);
            return Err(Unanswered::new(Code::TooLarge, message));
        }
        if state.waiting.len() + new.len() > self.capacity {
            let message = format!("{} questions wait, the queue holds {}", state.waiting.len(), self.capacity);
            return Err(Unanswered::new(Code::QueueFull, message).after(state.retry_after_s()));
        }
        let mut tickets = Vec::with_capacity(generations.len());
        for (id, generation) in generations {
            let state = &mut *state;
            let asked = state.asked.entry(id.clone()).or_insert_with(|| {
                let job = Arc::new(Job {
                    number: state.next,
                    id,
                    generation,
                    asked: Instant::now(),
                    outcome: watch::Sender::new(None),
                });
                state.next += 1;
                state.waiting.push_back(job.clone());
                Asked { job, waiters: 0 }
            });
            asked.waiters += 1;
            let outcome = asked.job.outcome.subscribe();
            tickets.push(Ticket { queue: self.clone(), job: asked.job.clone(), outcome });
        }
        self.ready.notify_all();
        Ok(tickets)
    }

    /// The next job, for a worker that `cancel` ends; `None` if the queue has stopped.
    pub fn take(&self, cancel: &Arc<AtomicBool>) -> Option<Arc<Job>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(job) = state.waiting.pop_front() {
                state.running.insert(job.number, cancel.clone());
                return Some(job);
            }
            state = self.ready.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// A worker is done with a job. Lowers its flag, which from here on nobody raises for this job.
    pub fn finish(&self, job: &Job, took: Duration, outcome: Outcome) {
        let mut state = self.lock();
        if let Some(cancel) = state.running.remove(&job.number) {
            cancel.store(false, Ordering::SeqCst);
        }
        if state.asked.get(&job.id).is_some_and(|asked| asked.job.number == job.number) {
            state.asked.remove(&job.id);
        }
        let took = took.as_secs_f64() * 1000.0;
        state.mean_ms = if state.mean_ms == 0.0 { took } else { state.mean_ms * 0.9 + took * 0.1 };
        drop(state);
        job.outcome.send_replace(Some(outcome));
    }

    /// Ends what runs and tells everybody who waits to ask again.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for cancel in state.running.values() {
            cancel.store(true, Ordering::SeqCst);
        }
        for job in std::mem::take(&mut state.waiting) {
            state.asked.remove(&job.id);
            job.outcome.send_replace(Some(Err(shutting_down())));
        }
        self.ready.notify_all();
    }

    pub fn depth(&self) -> Depth {
        let state = self.lock();
        Depth { waiting: state.waiting.len(), running: state.running.len() }
    }

    fn leave(&self, job: &Job) {
        let mut state = self.lock();
        let Some(asked) = state.asked.get_mut(&job.id).filter(|asked| asked.job.number == job.number) else { return };
        asked.waiters -= 1;
        if asked.waiters > 0 {
            return;
        }
        state.asked.remove(&job.id);
        match state.running.get(&job.number) {
            Some(cancel) => cancel.store(true, Ordering::SeqCst),
            None => state.waiting.retain(|waiting| waiting.number != job.number),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// About when there is room again: a tenth of the queue worked off.
    fn retry_after_s(&self) -> u64 {
        let ahead = (self.waiting.len() as f64 / 10.0).max(1.0) * self.mean_ms / self.workers.max(1) as f64;
        (ahead / 1000.0).ceil().clamp(1.0, 60.0) as u64
    }
}

pub(super) fn shutting_down() -> Unanswered {
    Unanswered::new(Code::ShuttingDown, "the service is stopping; ask again when it is back").after(5)
}

impl Ticket {
    /// Waits for the outcome.
    pub async fn outcome(&mut self) -> Outcome {
        match self.outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(shutting_down())),
            // The job holds the other end, and this ticket the job.
            Err(_) => Err(Unanswered::new(Code::Internal, "a question lost its worker; this is a bug of assay")),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.leave(&self.job);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
