//! Asks for what is missing: many requests at once, each repeated while that is worth anything, every sample on disk as it
//! comes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::asks::Ask;
use super::budget::{Caps, Leave, Spent};
use super::endpoint::Endpoint;
use super::failure::{Failure, wait};
use super::keep::{generation_of, used};
use super::ledger::Ledger;
use super::prompts::{Entry, Prompts};
use super::reply::Reply;
use super::terms::{Field, Terms, advice};
use crate::prompt::batch::body;

/// How often workers that wait look for Ctrl-C and for room in the budget.
const LOOK: Duration = Duration::from_millis(100);

/// How an endpoint is asked.
#[derive(Clone, Debug)]
pub struct Manner {
    pub model: String,
    /// Fields of the request's body beside `messages`, `n` and `seed`, as the user wants them.
    pub parameters: Map<String, Value>,
    /// Seed of the first sample of a prompt; sample i gets seed + i.
    pub seed: Option<u64>,
    /// Most tokens of one completion.
    pub max_tokens: u64,
    pub concurrency: usize,
    /// Requests for one ask in all, the first included.
    pub attempts: u32,
    /// Wait before the first repeat; then twice as long every time.
    pub first_wait: Duration,
    pub caps: Caps,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub sampled: u64,
    pub requests: u64,
    pub retries: u64,
    /// Samples that were asked for and did not come, for good or after all attempts.
    pub failed: u64,
    /// Answers beyond those that were asked for; not kept.
    pub extra: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// A cap was reached before everything was asked.
    pub capped: bool,
    /// Why nothing more was asked: the endpoint's key, address or quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    pub interrupted: bool,
}

/// Shared by the workers.
struct Shared<'a> {
    endpoint: Endpoint,
    prompts: Prompts,
    manner: Manner,
    cancel: Arc<AtomicBool>,
    report: &'a (dyn Fn(Event<'_>) + Sync),
    queue: Mutex<VecDeque<Ask>>,
    ledger: Mutex<Ledger>,
    spent: Mutex<Spent>,
    tally: Mutex<Tally>,
    /// Nothing goes out before: an endpoint that asks one request to wait means all of them.
    not_before: Mutex<Instant>,
    terms: Mutex<Terms>,
    /// A reply held several answers: the endpoint knows `n`.
    several: AtomicBool,
    /// Some asks are for several samples.
    splits: bool,
    under_way: AtomicUsize,
}

/// What is worth telling.
#[derive(Debug)]
pub enum Event<'a> {
    Sampled,
    Failed {
        entry: &'a Entry,
        first: u64,
        count: u64,
        why: &'a str,
    },
    /// From now on the endpoint is asked in another way.
    Changed {
        why: &'a str,
    },
}

/// Asks for everything in `asks`.
///
/// # Errors
/// A sample cannot be written, or a prompt cannot be read; what came before is kept.
pub fn run(
    endpoint: Endpoint,
    prompts: Prompts,
    asks: Vec<Ask>,
    ledger: Ledger,
    manner: Manner,
    cancel: Arc<AtomicBool>,
    report: &(dyn Fn(Event<'_>) + Sync),
) -> anyhow::Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the thread that waits for the endpoint")?;
    let concurrency = manner.concurrency.max(1);
    let splits = asks.iter().any(|ask| ask.count > 1);
    let shared = Shared {
        endpoint,
        prompts,
        manner,
        cancel,
        report,
        queue: Mutex::new(asks.into()),
        ledger: Mutex::new(ledger),
        spent: Mutex::default(),
        tally: Mutex::default(),
        not_before: Mutex::new(Instant::now()),
        terms: Mutex::default(),
        several: AtomicBool::new(false),
        splits,
        under_way: AtomicUsize::new(0),
    };
    // One thread is enough: it mostly waits. Futures that are polled together need no locks of their own, and may borrow.
    let workers = (0..concurrency).map(|_| async {
        while let Some(ask) = shared.next().await {
            let answered = shared.answer(ask).await;
            shared.under_way.fetch_sub(1, Ordering::SeqCst);
            if let Err(error) = answered {
                // The others end with the request that they have under way.
                shared.stop("what came cannot be kept".to_owned());
                return Err(error);
            }
        }
        Ok(())
    });
    let ended: Vec<anyhow::Result<()>> = runtime.block_on(join_all(workers));
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    let tally = lock(&shared.tally).clone();
    Ok(tally)
}

/// How a request went that was sent.
struct Went {
    /// Samples that came and are on disk.
    came: u64,
    /// Choices of the reply, answers or not.
    choices: usize,
    failure: Option<Failure>,
}

/// What is tried while one ask is answered, step by step: the terms from there on, and what is told if they hold.
type Trial = Vec<(Terms, String)>;

impl Shared<'_> {
    /// What is to be asked next. Asks that were split may come back as long as others are under way.
    async fn next(&self) -> Option<Ask> {
        loop {
            if self.cancel.load(Ordering::SeqCst) {
                lock(&self.tally).interrupted = true;
                return None;
            }
            if self.ended() {
                return None;
            }
            if let Some(ask) = self.pop() {
                self.under_way.fetch_add(1, Ordering::SeqCst);
                return Some(ask);
            }
            if !self.splits || self.under_way.load(Ordering::SeqCst) == 0 {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn pop(&self) -> Option<Ask> {
        let mut queue = lock(&self.queue);
        let ask = queue.pop_front()?;
        if ask.count == 1 || !lock(&self.terms).one_by_one {
            return Some(ask);
        }
        queue.push_front(Ask { first: ask.first + 1, count: ask.count - 1, ..ask });
        Some(Ask { count: 1, ..ask })
    }

    fn ended(&self) -> bool {
        let tally = lock(&self.tally);
        tally.stopped.is_some() || tally.capped
    }

    fn stop(&self, why: String) {
        lock(&self.tally).stopped.get_or_insert(why);
    }

    /// Asks until every sample is there, or no further attempt is worth it. An attempt that brings a part is none that failed.
    async fn answer(&self, mut ask: Ask) -> anyhow::Result<()> {
        let entry = &self.prompts.entries()[ask.prompt];
        let messages = self.prompts.read(entry)?.messages;
        let mut trial = Trial::new();
        let mut attempt = 1;
        loop {
            let mut terms = lock(&self.terms).clone();
            if let Some((tried, _)) = trial.last() {
                terms.adopt(tried);
            }
            let asked = Ask { count: if terms.one_by_one { 1 } else { ask.count }, ..ask };
            let mut parameters = terms.applied(&self.manner.parameters);
            if asked.count > 1 {
                parameters.insert(Field::N.as_str().to_owned(), json!(asked.count));
            }
            if let Some(seed) = self.manner.seed {
                parameters.insert("seed".to_owned(), json!(seed + ask.first));
            }
            let Some(went) = self.request(entry, asked, &body(&parameters, &messages), &parameters).await? else {
                return Ok(());
            };
            (ask.first, ask.count) = (ask.first + went.came, ask.count - went.came);
            if went.came > 0 {
                attempt = 1;
                if asked.count > 1 && went.choices == 1 && !self.several.load(Ordering::SeqCst) {
                    terms.one_by_one = true;
                    let note = format!("samples are asked for one by one; it sent one for n = {}", asked.count);
                    trial.push((terms.clone(), note));
                }
                self.settle_on(&mut trial);
            }
            if ask.count == 0 {
                return Ok(());
            }
            let Some(failure) = went.failure else {
                if lock(&self.terms).one_by_one {
                    // Whoever is free takes the rest.
                    lock(&self.queue).push_front(ask);
                    return Ok(());
                }
                continue;
            };
            if let Some(step) = self.other_way(terms, &failure, asked, &parameters) {
                trial.push(step);
                lock(&self.tally).retries += 1;
                continue;
            }
            match failure {
                Failure::Again { after, .. } if attempt < self.manner.attempts => {
                    lock(&self.tally).retries += 1;
                    let wait = wait(attempt, self.manner.first_wait, after, spread());
                    attempt += 1;
                    if let Some(after) = after {
                        let mut not_before = lock(&self.not_before);
                        *not_before = (*not_before).max(Instant::now() + after);
                    }
                    if !self.pause(wait).await {
                        return Ok(());
                    }
                }
                Failure::Again { why, unreachable, .. } => {
                    self.give_up(entry, ask, &format!("{why}, {attempt} time(s)"));
                    if unreachable && lock(&self.tally).sampled == 0 {
                        self.stop(format!("{} does not answer: {why}", self.endpoint.address()));
                    }
                    return Ok(());
                }
                Failure::Refused { why, .. } => {
                    let way = advice(&why, &parameters).map_or_else(String::new, |way| format!("; {way}"));
                    self.give_up(entry, ask, &format!("{why}{way}"));
                    return Ok(());
                }
                Failure::Stop { why } => {
                    self.stop(why);
                    return Ok(());
                }
            }
        }
    }

    /// What else may be sent after this failure: the request without a field that it names, or for a single answer.
    fn other_way(
        &self,
        mut terms: Terms,
        failure: &Failure,
        asked: Ask,
        sent: &Map<String, Value>,
    ) -> Option<(Terms, String)> {
        let refused = matches!(failure, Failure::Refused { .. });
        let bounded = self.manner.caps.tokens.is_some();
        let instead = if refused { terms.give_up(failure.fields(), sent, bounded) } else { None };
        let instead = match instead {
            Some(instead) => instead,
            // Some servers answer a wish that they do not know with 500.
            None if asked.count > 1 && (refused || failure.fields().contains(&Field::N)) => {
                terms.one_by_one = true;
                format!("samples are asked for one by one, not with n = {}", asked.count)
            }
            None => return None,
        };
        Some((terms, format!("{instead}; it said: {}", failure.why())))
    }

    /// What was tried works: it holds from now on, and is told once.
    fn settle_on(&self, trial: &mut Trial) {
        for (terms, note) in trial.drain(..) {
            if lock(&self.terms).adopt(&terms) {
                (self.report)(Event::Changed { why: &note });
            }
        }
    }

    fn give_up(&self, entry: &Entry, ask: Ask, why: &str) {
        lock(&self.tally).failed += ask.count;
        (self.report)(Event::Failed { entry, first: ask.first, count: ask.count, why });
    }

    /// One request; `None` if it may not go out.
    async fn request(
        &self,
        entry: &Entry,
        ask: Ask,
        body: &Map<String, Value>,
        parameters: &Map<String, Value>,
    ) -> anyhow::Result<Option<Went>> {
        let most = entry.tokens + ask.count * self.manner.max_tokens;
        if !self.leave(most).await {
            return Ok(None);
        }
        let answered = self.endpoint.post("chat/completions", body).await;
        let reply = answered.and_then(|answer| Reply::of(&answer));
        let used = reply.as_ref().map_or((0, 0), |reply| used(entry, reply));
        lock(&self.spent).settle(most, used.0 + used.1);
        let mut tally = lock(&self.tally);
        (tally.requests, tally.prompt_tokens, tally.completion_tokens) =
            (tally.requests + 1, tally.prompt_tokens + used.0, tally.completion_tokens + used.1);
        drop(tally);
        let mut reply = match reply {
            Ok(reply) => reply,
            Err(failure) => return Ok(Some(Went { came: 0, choices: 0, failure: Some(failure) })),
        };
        let choices = reply.choices.len() + reply.lost.len();
        self.several.fetch_or(choices > 1, Ordering::SeqCst);
        let came = (reply.choices.len() as u64).min(ask.count);
        lock(&self.tally).extra += reply.choices.len() as u64 - came;
        for (index, choice) in (ask.first..).zip(&reply.choices).take(came as usize) {
            let mut sampling = parameters.clone();
            sampling.insert("endpoint".to_owned(), json!(self.endpoint.address()));
            let generation = generation_of(entry, index, Some(&self.manner.model), &sampling, &reply, choice);
            if lock(&self.ledger).append(&generation)? {
                lock(&self.tally).sampled += 1;
                (self.report)(Event::Sampled);
            }
        }
        // The gravest of them decides.
        let failure = reply.lost.drain(..).max_by_key(Failure::weight);
        Ok(Some(Went { came, choices, failure }))
    }

    /// Waits until a request may go out; false if none may.
    async fn leave(&self, most: u64) -> bool {
        loop {
            let wait = lock(&self.not_before).saturating_duration_since(Instant::now());
            if !self.pause(wait).await || self.ended() {
                return false;
            }
            match lock(&self.spent).ask(self.manner.caps, most) {
                Leave::Granted => return true,
                Leave::Wait => {}
                Leave::Denied => {
                    lock(&self.tally).capped = true;
                    return false;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sleeps; false if Ctrl-C came.
    async fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            if self.cancel.load(Ordering::SeqCst) {
                lock(&self.tally).interrupted = true;
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }
}

/// A number between 0 and 1 that differs from call to call; that it is random does not matter.
fn spread() -> f64 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 0.5,
    }
}

/// What a panicking worker held is a count or a queue, whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
