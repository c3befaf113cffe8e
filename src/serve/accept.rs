//! The door: takes connections. An ordinary connection holds one of `--connections` places. A connection beyond them is
//! served aside, and so is every connection while one of the descriptors that are kept free is missing. It is told
//! whether the service is well, and anything else to come back. The oldest of those makes room for the next.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use super::connection;
use super::limits::Limits;
use crate::console::Console;

/// Connections served aside at the same time, and descriptors that are kept for them.
const ASIDE: usize = 16;
/// How long a connection served aside is safe from the next one: enough to ask for `/healthz`.
const SAFE: Duration = Duration::from_millis(100);
/// How long one served aside may take for its head, and again for its body.
const ASIDE_LIMIT: Duration = Duration::from_secs(2);
/// How often one complaint is said.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// What takes connections.
#[derive(Debug)]
pub(super) struct Door {
    pub listener: TcpListener,
    pub app: Router,
    /// What those are told that are served aside.
    pub aside: Router,
    pub limits: Limits,
    pub console: Console,
}

/// Connections served aside, oldest first.
#[derive(Debug, Default)]
struct Aside(VecDeque<(Instant, AbortHandle)>);

/// Descriptors in hand. While some are missing there are too few in all.
#[derive(Debug, Default)]
struct Spare(Vec<File>);

/// A complaint that is said once in a while.
#[derive(Debug, Default)]
struct Complaint(Option<Instant>);

impl Door {
    /// Takes connections until `stopped` says so, and then lets them end.
    pub async fn serve(self, stopped: watch::Receiver<bool>) {
        let Self { listener, app, aside, limits, console } = self;
        let aside_limits = Limits { head: ASIDE_LIMIT, body: ASIDE_LIMIT, idle: ASIDE_LIMIT, connections: ASIDE };
        let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        let (mut tasks, mut beside) = (JoinSet::new(), Aside::default());
        let (mut spare, mut full, mut short) = (Spare::default(), Complaint::default(), Complaint::default());
        let mut stop = stopped.clone();
        spare.refill();
        loop {
            let accepted = tokio::select! {
                _ = stop.wait_for(|stopped| *stopped) => break,
                Some(_) = tasks.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Not earlier: what was let go is for this connection.
                    let enough = spare.refill();
                    let place = if enough { places.clone().try_acquire_owned().ok() } else { None };
                    if let Some(place) = place {
                        let served = connection::serve(stream, app.clone(), limits, true, stopped.clone());
                        tasks.spawn(async move {
                            served.await;
                            drop(place);
                        });
                        continue;
                    }
                    if enough {
                        full.say(&console, || full_text(limits.connections));
                    }
                    beside.make_room(ASIDE - 1).await;
                    beside
                        .0
                        .push_back((Instant::now(), spawn_aside(&mut tasks, stream, &aside, aside_limits, &stopped)));
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    short.say(&console, || short_text(&error));
                    if spare.0.pop().is_none() && !beside.make_room(0).await {
                        tokio::time::sleep(SAFE).await;
                    }
                }
            }
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }
}

fn spawn_aside(
    tasks: &mut JoinSet<()>,
    stream: TcpStream,
    aside: &Router,
    limits: Limits,
    stopped: &watch::Receiver<bool>,
) -> AbortHandle {
    tasks.spawn(connection::serve(stream, aside.clone(), limits, false, stopped.clone()))
}

fn full_text(most: usize) -> String {
    format!(
        "{most} connections are open, which is the limit; others are answered 503, but for /healthz; see --connections"
    )
}

fn short_text(error: &io::Error) -> String {
    format!(
        "connections cannot be taken: {error}; others are answered 503, but for /healthz; raise `ulimit -n`, or lower --connections"
    )
}

impl Aside {
    /// If more than `most` are there, ends the oldest after it was safe for its while. Whether it did.
    async fn make_room(&mut self, most: usize) -> bool {
        self.0.retain(|(_, task)| !task.is_finished());
        if self.0.len() <= most {
            return false;
        }
        let Some((began, task)) = self.0.pop_front() else { return false };
        tokio::time::sleep_until(began + SAFE).await;
        task.abort();
        // Its descriptor is free once the task was dropped.
        tokio::task::yield_now().await;
        true
    }
}

impl Spare {
    /// Takes what is missing, as far as there is any. Whether all are in hand.
    fn refill(&mut self) -> bool {
        while self.0.len() < ASIDE {
            match File::open("/dev/null") {
                Ok(file) => self.0.push(file),
                Err(_) => return false,
            }
        }
        true
    }
}

impl Complaint {
    fn say(&mut self, console: &Console, text: impl FnOnce() -> String) {
        if self.0.is_none_or(|last| last.elapsed() >= SAID_EVERY) {
            self.0 = Some(Instant::now());
            console.say(text());
        }
    }
}

/// Whether it was one connection that failed, before it was taken.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | PermissionDenied | TimedOut
    )
}
