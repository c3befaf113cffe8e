//! The reward service. In: HTTP questions, each an answer of a model to an instance. Out: rewards from the same verifier as
//! every other command, or why there is none.
//!
//! ```text
//!  client ──► accept ─► connection ─► http ─► reading ─► service: known? ──yes──► answer
//!               │ too many                                    │ no                    ▲
//!               ▼                                             ▼                       │
//!             aside: /healthz, 503                          queue (bounded) ─► worker: lab, one by one ─► journal
//! ```
//! The journal is the store: after a kill, what was run is known again. Nothing but a rejected verdict is a reward of 0.

mod accept;
mod answer;
mod body;
mod connection;
mod http;
mod ledger;
pub mod limits;
mod listen;
mod metrics;
mod question;
mod queue;
mod reading;
mod service;
mod token;
mod unanswered;
mod worker;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use answer::{Answer, BatchAnswer, Item, NoVerdict, Timings};
pub use limits::Limits;
pub use listen::Place;
pub use question::{BatchQuestion, Question};
pub use token::Token;
pub use unanswered::{Code, Problem, Unanswered};

use crate::console::Console;
use crate::lab::{Admissions, Lab, Located};
use accept::Door;
use ledger::Ledger;
use service::Service;

/// How the service is run.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: Place,
    /// Asked for by everything but the health endpoints.
    pub token: Option<Token>,
    /// Questions that may wait.
    pub queue: usize,
    /// Longest time that a question may take, waiting included.
    pub deadline: Duration,
    /// How long questions that were taken may go on after a signal to stop.
    pub grace: Duration,
    /// Largest body of a request, bytes.
    pub max_body: usize,
    /// Largest answer of a question, bytes.
    pub max_answer: usize,
    pub limits: Limits,
}

/// A service that listens. Until [`Running::work`] it answers that it is not ready.
#[derive(Debug)]
pub struct Running {
    service: Arc<Service>,
    address: SocketAddr,
    grace: Duration,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

/// How a service ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was asked was answered.
    Drained,
    /// The grace period was over first; the rest was told to ask again.
    CutShort,
}

impl Running {
    /// Listens.
    ///
    /// # Errors
    /// The address cannot be had, or lies outside this machine and there is no token.
    pub fn listen(options: &Options, console: &Console) -> anyhow::Result<Self> {
        let listener = options.listen.listen(options.token.is_some())?;
        listener.set_nonblocking(true).context("cannot listen without blocking")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("serve")
            .enable_all()
            .build()
            .context("cannot start the threads that answer requests")?;
        let service = Arc::new(Service::new(options));
        let (stop, stopped) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).context("cannot wait for connections")?
        };
        let door = Door {
            listener,
            app: http::router(service.clone()),
            aside: http::aside(service.clone()),
            limits: options.limits,
            console: console.clone(),
        };
        let server = runtime.spawn(door.serve(stopped));
        Ok(Self { service, address, grace: options.grace, runtime, stop, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers questions until `cancel` is raised, and then those that were taken, as long as the grace period lasts.
    ///
    /// # Errors
    /// The file of answered generations in the run directory cannot be used.
    pub fn work(
        self,
        lab: &Lab,
        instances: &[Located],
        admissions: &Admissions,
        cancel: &AtomicBool,
    ) -> anyhow::Result<Ended> {
        let located: BTreeMap<_, _> = instances.iter().map(|l| (l.instance_id.as_str(), l)).collect();
        let ledger = Ledger::open(lab.run.path())?;
        self.service.open(admissions, lab.settings.workers)?;
        let ended = std::thread::scope(|scope| {
            for _ in 0..lab.settings.workers.max(1) {
                scope.spawn(|| worker::work(lab, &self.service, &located, admissions, &ledger));
            }
            self.wait(lab.console, cancel);
            let ended = self.drain();
            self.service.stop();
            ended
        });
        self.close();
        Ok(ended)
    }

    fn wait(&self, console: &Console, cancel: &AtomicBool) {
        let (mut said, mut last) = (Instant::now(), 0);
        while !cancel.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
            let answered = self.service.answered();
            if said.elapsed() >= Duration::from_secs(60) && answered > last {
                console.say(self.service.describe());
                (said, last) = (Instant::now(), answered);
            }
        }
        console.say("stopping: what was taken is answered, nothing new is; a second signal ends it at once");
    }

    /// Takes nothing new and waits for the rest.
    fn drain(&self) -> Ended {
        self.service.close();
        let until = Instant::now() + self.grace;
        while !self.service.is_idle() {
            if Instant::now() > until {
                return Ended::CutShort;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ended::Drained
    }

    /// Lets answers that are ready go out, and ends the server.
    fn close(self) {
        // Nobody listens any more when the server has ended by itself; then there is nothing to tell.
        let _ = self.stop.send(true);
        let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), self.server).await });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}
