//! What requests and workers share: which instances there are, answers that are known, the queue, and counts.
//!
//! The journal is the store. An answer is named by its content; what was run for it is found again after a kill, and
//! the verdict is computed again. Answers are kept in memory too. A sandbox failure is not remembered: the next
//! question tries again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde::Serialize;

use super::metrics::Metrics;
use super::queue::{Outcome, Queue, Ticket, shutting_down};
use super::{Answer, Code, Limits, Options, Token, Unanswered};
use crate::lab::Admissions;
use crate::model::admission::Refusal;
use crate::model::digest::Digest;
use crate::model::generation::Generation;

/// Answers kept in memory. What is dropped is judged again from the journal, with nothing run.
const KEPT_ANSWERS: usize = 1 << 16;

/// State of a service.
#[derive(Debug)]
pub(super) struct Service {
    pub token: Option<Token>,
    pub deadline: Duration,
    pub max_body: usize,
    pub max_answer: usize,
    pub limits: Limits,
    pub metrics: Metrics,
    pub queue: Arc<Queue>,
    instances: OnceLock<BTreeMap<String, Known>>,
    answers: Mutex<Answers>,
    closed: AtomicBool,
}

/// What a client may know of an instance.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Known {
    pub admitted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Debug, Default)]
struct Answers {
    by_id: HashMap<Digest, Arc<Answer>>,
    /// Oldest first.
    order: VecDeque<Digest>,
}

/// A question that was taken: answered already, or a place in the queue.
#[derive(Debug)]
pub(super) enum Taken {
    Ready(Arc<Answer>),
    Waiting(Ticket),
    No(Unanswered),
}

impl Service {
    pub fn new(options: &Options) -> Self {
        Self {
            token: options.token.clone(),
            deadline: options.deadline,
            max_body: options.max_body,
            max_answer: options.max_answer,
            limits: options.limits,
            metrics: Metrics::default(),
            queue: Arc::new(Queue::new(options.queue)),
            instances: OnceLock::new(),
            answers: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// From here on questions are taken.
    ///
    /// # Errors
    /// The admissions cannot be read.
    pub fn open(&self, admissions: &Admissions, workers: usize) -> anyhow::Result<()> {
        let mut instances = BTreeMap::new();
        for admission in admissions.each() {
            let admission = admission?;
            let (admitted, refusal) = (admission.admitted(), admission.refusal);
            instances.insert(admission.instance_id, Known { admitted, refusal, detail: admission.detail });
        }
        self.queue.set_workers(workers);
        // A service is opened once.
        let _ = self.instances.set(instances);
        Ok(())
    }

    /// From here on no question is taken.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn stop(&self) {
        self.close();
        self.queue.stop();
    }

    pub fn is_idle(&self) -> bool {
        let depth = self.queue.depth();
        depth.waiting + depth.running == 0
    }

    /// Instances by id.
    ///
    /// # Errors
    /// [`Code::NotReady`], [`Code::ShuttingDown`].
    pub fn instances(&self) -> Result<&BTreeMap<String, Known>, Unanswered> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(shutting_down());
        }
        let not_ready = || Unanswered::new(Code::NotReady, "instances are still being admitted; ask again").after(5);
        self.instances.get().ok_or_else(not_ready)
    }

    /// Takes questions: all that can be taken get a place, or none does. A question about an instance that cannot be
    /// judged does not hold up the others.
    ///
    /// # Errors
    /// The queue has no room for them, or the service is not taking any.
    pub fn ask(&self, generations: Vec<Generation>) -> Result<Vec<Taken>, Unanswered> {
        let instances = self.instances()?;
        let mut taken = Vec::with_capacity(generations.len());
        let mut new = Vec::new();
        for generation in generations {
            let id = generation.id();
            taken.push(match standing(instances, &generation.instance_id) {
                Err(unanswered) => Some(Taken::No(unanswered)),
                Ok(()) => match self.known(&id) {
                    Some(answer) => Some(Taken::Ready(answer)),
                    None => {
                        new.push((id, generation));
                        None
                    }
                },
            });
        }
        let mut tickets = self.queue.ask(new)?.into_iter();
        let lost = || Taken::No(Unanswered::new(Code::Internal, "a question got no place; this is a bug of assay"));
        Ok(taken
            .into_iter()
            .map(|one| one.or_else(|| tickets.next().map(Taken::Waiting)).unwrap_or_else(lost))
            .collect())
    }

    fn known(&self, id: &Digest) -> Option<Arc<Answer>> {
        let answers = self.answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = answers.by_id.get(id).map(|answer| Arc::new(answer.again()))?;
        drop(answers);
        self.metrics.answered(&known);
        Some(known)
    }

    /// Keeps an answer, unless asking again may give another.
    pub fn keep(&self, id: &Digest, answer: &Arc<Answer>) {
        self.metrics.answered(answer);
        if answer.retryable {
            return;
        }
        let mut answers = self.answers.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if answers.by_id.insert(id.clone(), answer.clone()).is_none() {
            answers.order.push_back(id.clone());
        }
        if answers.order.len() > KEPT_ANSWERS
            && let Some(oldest) = answers.order.pop_front()
        {
            answers.by_id.remove(&oldest);
        }
    }

    /// Answers given, known ones included.
    pub fn answered(&self) -> u64 {
        self.metrics.answers_given()
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        let depth = self.queue.depth();
        format!("{} answers given, {} questions wait, {} at work", self.answered(), depth.waiting, depth.running)
    }
}

impl Taken {
    /// Waits for the outcome, until the deadline.
    pub async fn outcome(self, until: tokio::time::Instant, allowed: Duration) -> Outcome {
        match self {
            Self::Ready(answer) => Ok(answer),
            Self::No(unanswered) => Err(unanswered),
            Self::Waiting(mut ticket) => match tokio::time::timeout_at(until, ticket.outcome()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let message = format!("no verdict within {} ms; the work was given up", allowed.as_millis());
                    Err(Unanswered::new(Code::DeadlineExceeded, message).after(1))
                }
            },
        }
    }
}

fn standing(instances: &BTreeMap<String, Known>, id: &str) -> Result<(), Unanswered> {
    match instances.get(id) {
        None => {
            let message = format!("unknown instance {id:?}; start the service with it");
            Err(Unanswered::new(Code::UnknownInstance, message))
        }
        Some(Known { refusal: Some(refusal), detail, .. }) => Err(Unanswered::refused(id, *refusal, detail)),
        Some(_) => Ok(()),
    }
}
