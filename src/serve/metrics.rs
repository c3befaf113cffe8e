//! Counts for Prometheus, in the OpenMetrics text format.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::Answer;
use super::queue::Depth;
use crate::model::name::name;

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    answers: Family<Given, Counter>,
    given: Counter,
    trials: Counter,
    /// Questions that were given up at work, because nobody waited any more or the service stopped.
    pub cancelled: Counter,
    waiting: Gauge,
    running: Gauge,
    request_seconds: Histogram,
    queued_seconds: Histogram,
    judged_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    endpoint: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Given {
    skill: String,
    status: String,
    reason: String,
    cached: String,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.5, 14));
        let mut metrics = Self {
            registry: Registry::with_prefix("assay"),
            requests: Family::default(),
            answers: Family::default(),
            given: Counter::default(),
            trials: Counter::default(),
            cancelled: Counter::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            request_seconds: seconds(),
            queued_seconds: seconds(),
            judged_seconds: seconds(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "HTTP requests by endpoint and status", metrics.requests.clone());
        registry.register("answers", "Answers given, by skill and verdict", metrics.answers.clone());
        registry.register("trials", "Trials run in a sandbox", metrics.trials.clone());
        let cancelled = "Questions given up at work: the client left, its deadline passed, or the service stopped";
        registry.register("cancelled", cancelled, metrics.cancelled.clone());
        registry.register("questions_waiting", "Questions in the queue", metrics.waiting.clone());
        registry.register("questions_running", "Questions at work", metrics.running.clone());
        let histograms = [
            ("request", "From a request's head to its response", &metrics.request_seconds),
            ("queued", "From a question to its being taken up", &metrics.queued_seconds),
            ("judged", "From being taken up to the verdict", &metrics.judged_seconds),
        ];
        for (name, help, histogram) in histograms {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        metrics
    }
}

impl Metrics {
    /// A request came to its end.
    pub fn requested(&self, endpoint: &str, code: u16, took: Duration) {
        self.requests.get_or_create(&Request { endpoint: endpoint.to_owned(), code }).inc();
        self.request_seconds.observe(took.as_secs_f64());
    }

    /// A worker came to an answer.
    pub fn worked(&self, answer: &Answer) {
        self.trials.inc_by(answer.trials_run);
        self.queued_seconds.observe(answer.timings.queued_ms as f64 / 1000.0);
        self.judged_seconds.observe(answer.timings.judged_ms as f64 / 1000.0);
    }

    /// An answer is ready, from a worker or from memory.
    pub fn answered(&self, answer: &Answer) {
        let labels = Given {
            skill: answer.skill.to_string(),
            status: name(&answer.status),
            reason: name(&answer.reason),
            cached: answer.cached.to_string(),
        };
        self.answers.get_or_create(&labels).inc();
        self.given.inc();
    }

    pub fn answers_given(&self) -> u64 {
        self.given.get()
    }

    /// Everything as text, with the queue as it is now.
    ///
    /// # Errors
    /// Never for a string; the encoder is written for any sink.
    pub fn text(&self, depth: Depth) -> Result<String, fmt::Error> {
        self.waiting.set(i64::try_from(depth.waiting).unwrap_or(i64::MAX));
        self.running.set(i64::try_from(depth.running).unwrap_or(i64::MAX));
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
