//! A connection: how long it may be idle, and whether its client is still there.
//!
//! A client that leaves and one that has only closed its sending side look the same: both send an end. To tell them
//! apart the first byte of the response, which is an `H` whatever the answer will be, is sent ahead. A client that has
//! left answers it with a reset, and its work is cancelled. A client that still reads gets the rest later.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Version;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::limits::{LARGEST_HEAD, Limits};

/// How often limits and clients are looked after.
const TICK: Duration = Duration::from_millis(200);

/// When the system asks a silent client whether it is still there, and how often.
const ALIVE_AFTER: Duration = Duration::from_secs(60);
const ALIVE_EVERY: Duration = Duration::from_secs(15);
const ALIVE_TRIES: u32 = 4;

/// What every response of HTTP/1 begins with.
const FIRST: u8 = b'H';

/// Serves a connection until it ends, a limit ends it, or its client is gone; `stopped` lets it end after what it is at.
pub(super) async fn serve(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    keep_alive: bool,
    mut stopped: watch::Receiver<bool>,
) {
    // A socket without these options works too.
    let _ = set_options(&stream);
    let connection = Arc::new(Connection::new(stream));
    let app = TowerToHyperService::new(app);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let at_work = AtWork::new(&connection, request.version());
        let response = app.call(request.map(Body::new));
        async move {
            let response = response.await;
            drop(at_work);
            response
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().half_close(true).keep_alive(keep_alive).max_buf_size(LARGEST_HEAD);
    let mut served = pin!(builder.serve_connection(TokioIo::new(Watched(connection.clone())), service));
    let mut stop = pin!(async move {
        // A sender that is gone means the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    let mut stopping = false;
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            // What went wrong on a connection is its client's to know.
            _ = served.as_mut() => break,
            () = stop.as_mut(), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => if connection.is_over(&limits) { break },
        }
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, ALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, ALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(stream, ALIVE_TRIES)?;
    Ok(())
}

/// A connection, as the protocol and its limits share it.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests that have no response yet.
    at_work: usize,
    /// A head is awaited or under way; otherwise the connection is idle.
    head: bool,
    since: Instant,
    /// Since when nothing could be written.
    stuck: Option<Instant>,
    http1: bool,
    /// The client closed its sending side.
    half_closed: bool,
    /// The first byte of the next response is out.
    sent_ahead: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let state = State {
            at_work: 0,
            head: true,
            since: Instant::now(),
            stuck: None,
            http1: false,
            half_closed: false,
            sent_ahead: false,
        };
        Self { stream, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn is_over(&self, limits: &Limits) -> bool {
        let mut state = self.lock();
        if state.at_work > 0 {
            return state.is_stuck(limits) || self.has_left(&mut state);
        }
        let most = if state.head { limits.head } else { limits.idle };
        state.is_stuck(limits) || state.since.elapsed() > most
    }

    /// Whether the client is gone.
    fn has_left(&self, state: &mut State) -> bool {
        let mut asked = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        if poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_err() {
            // Asked again at the next tick.
            return false;
        }
        let seen = asked[0].revents();
        if seen.intersects(PollFlags::ERR | PollFlags::HUP) {
            return true;
        }
        // What is still to be written of an earlier response comes first.
        if seen.contains(PollFlags::RDHUP) && state.http1 && !state.half_closed && state.stuck.is_none() {
            match self.stream.try_write(&[FIRST]) {
                Ok(written) => {
                    state.sent_ahead = written == 1;
                    state.half_closed = state.sent_ahead;
                }
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }
}

impl State {
    fn is_stuck(&self, limits: &Limits) -> bool {
        self.stuck.is_some_and(|since| since.elapsed() > limits.body)
    }
}

/// A request that has no response yet.
#[derive(Debug)]
struct AtWork(Arc<Connection>);

impl AtWork {
    fn new(connection: &Arc<Connection>, version: Version) -> Self {
        let mut state = connection.lock();
        state.at_work += 1;
        state.head = false;
        state.http1 = version <= Version::HTTP_11;
        drop(state);
        Self(connection.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.at_work -= 1;
        state.since = Instant::now();
        state.head = false;
    }
}

/// The bytes of a connection, watched.
#[derive(Debug)]
struct Watched(Arc<Connection>);

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Connection { stream, .. } = &*self.0;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    let mut state = self.0.lock();
                    if read > 0 && state.at_work == 0 && !state.head {
                        state.head = true;
                        state.since = Instant::now();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Connection { stream, .. } = &*self.0;
        let mut state = self.0.lock();
        let mut rest = bytes;
        if state.sent_ahead && !bytes.is_empty() {
            if bytes[0] != FIRST {
                return Poll::Ready(Err(io::Error::other("a response begins with another byte than was sent ahead")));
            }
            rest = &bytes[1..];
        }
        let written = loop {
            if rest.is_empty() {
                break 0;
            }
            let Poll::Ready(ready) = stream.poll_write_ready(cx) else {
                state.stuck.get_or_insert_with(Instant::now);
                return Poll::Pending;
            };
            ready?;
            match stream.try_write(rest) {
                Ok(written) => break written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        };
        state.stuck = None;
        state.sent_ahead = state.sent_ahead && bytes.is_empty();
        if state.at_work == 0 && !state.head {
            state.since = Instant::now();
        }
        Poll::Ready(Ok(written + bytes.len() - rest.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.0.stream, rustix::net::Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}
