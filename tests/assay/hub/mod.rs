//! A Hub for the tests: real bare git repositories, the official Xet test server for large files, faults on demand.

mod commits;
mod pages;
mod repository;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use xet_client::cas_client::{LocalTestServer, LocalTestServerBuilder};

pub use repository::{Entry, Repository};

/// Token that may write to `me/...`.
pub const TOKEN: &str = "hf_goodtoken";
/// Token that may only read.
pub const READER: &str = "hf_readtoken";

/// A running server; ends when dropped.
pub struct Hub {
    pub endpoint: String,
    pub shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

pub struct Shared {
    endpoint: String,
    cas: LocalTestServer,
    http: reqwest::Client,
    state: Mutex<HubState>,
}

pub struct HubState {
    root: tempfile::TempDir,
    repositories: BTreeMap<String, Repository>,
    /// sha256 -> what is stored under it.
    objects: BTreeMap<String, Object>,
    faults: Vec<Fault>,
    /// Every request, with its time of arrival.
    requests: Vec<(Instant, String)>,
    /// Large files travel by plain LFS only.
    pub basic_only: bool,
}

#[derive(Clone)]
enum Object {
    /// In the Xet server, by its own hash.
    Xet(String),
    /// Uploaded by plain LFS.
    Plain(Bytes),
}

/// What goes wrong, once where nothing else is said, with the first request whose line (`POST /api/...`) contains this text.
pub struct Fault {
    pub on: &'static str,
    pub what: Wrong,
}

#[derive(Clone)]
pub enum Wrong {
    /// This answer instead.
    Answer(u16, Vec<(&'static str, &'static str)>),
    /// It is done, and then this is answered.
    DoneThenAnswer(u16),
    /// It is done, and then the connection is cut in the middle of the answer.
    DoneThenCut,
    /// It is done, and the answer takes this long.
    DoneThenSlow(Duration),
    /// The answer takes this long, then it is done.
    Slow(Duration),
    /// Somebody else commits a file first.
    OtherCommit(&'static str),
    /// Every time, a proxy answers with its log-in page instead; with this content type, if any.
    Page(Option<&'static str>),
}

/// What a proxy shows to people.
pub const LOGIN_PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Sign in to the office network</title></head></html>\n";

impl Hub {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (endpoint, shared) = runtime.block_on(async {
            let cas = LocalTestServerBuilder::new().start().await;
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let state = HubState {
                root: tempfile::tempdir().unwrap(),
                repositories: BTreeMap::new(),
                objects: BTreeMap::new(),
                faults: Vec::new(),
                requests: Vec::new(),
                basic_only: false,
            };
            let (http, state) = (reqwest::Client::new(), Mutex::new(state));
            let shared = Arc::new(Shared { endpoint: endpoint.clone(), cas, http, state });
            let app = axum::Router::new().fallback(serve).with_state(shared.clone());
            tokio::spawn(async move { axum::serve(listener, app).await });
            (endpoint, shared)
        });
        Self { endpoint, shared, _runtime: runtime }
    }

    pub fn state(&self) -> MutexGuard<'_, HubState> {
        self.shared.state()
    }

    /// Makes a repository of somebody's.
    pub fn add(&self, id: &str, private: bool, hidden: bool) {
        self.state().add(id, private).hidden = hidden;
    }

    pub fn fault(&self, on: &'static str, what: Wrong) {
        self.state().faults.push(Fault { on, what });
    }

    /// Faults that did not come to pass yet.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    /// Lines of the requests so far that contain this text, with their times.
    pub fn requests(&self, containing: &str) -> Vec<(Instant, String)> {
        self.state().requests.iter().filter(|(_, line)| line.contains(containing)).cloned().collect()
    }

    /// Waits for such a request.
    pub fn wait_for(&self, containing: &str, count: usize) {
        let start = Instant::now();
        while self.requests(containing).len() < count {
            assert!(start.elapsed() < Duration::from_secs(60), "no request {containing:?} came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Paths of a revision with what they hold, and the messages of its commits from new to old.
    pub fn read(&self, id: &str, revision: &str) -> (BTreeMap<String, Entry>, Vec<String>) {
        let state = self.state();
        let repository = &state.repositories[id];
        (repository.entries(revision), repository.messages(revision))
    }

    pub fn repository<T>(&self, id: &str, read: impl FnOnce(&mut Repository) -> T) -> T {
        read(self.state().repositories.get_mut(id).unwrap_or_else(|| panic!("no repository {id}")))
    }

    /// Whether there is such a repository.
    pub fn has(&self, id: &str) -> bool {
        self.state().repositories.contains_key(id)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl HubState {
    fn add(&mut self, id: &str, private: bool) -> &mut Repository {
        let path = self.root.path().join(format!("{id}.git"));
        self.repositories.entry(id.to_owned()).or_insert_with(|| Repository::init(&path, private))
    }
}

/// An answer with an error in the Hub's form.
fn refuse(status: u16, message: &str) -> Response {
    let code = StatusCode::from_u16(status).unwrap();
    (code, axum::Json(serde_json::json!({ "error": message }))).into_response()
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let wrong = {
        let mut state = shared.state();
        state.requests.push((Instant::now(), line.clone()));
        let at = state.faults.iter().position(|fault| line.contains(fault.on));
        at.map(|at| match &state.faults[at].what {
            lasting @ Wrong::Page(_) => lasting.clone(),
            _ => state.faults.remove(at).what,
        })
    };
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, 512 << 20).await {
        Ok(body) => body,
        Err(error) => return refuse(400, &error.to_string()),
    };
    let call = Call {
        head: parts.method == Method::HEAD,
        method: if parts.method == Method::HEAD { Method::GET } else { parts.method },
        path: parts.uri.path().trim_matches('/').split('/').map(decode).collect(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    match wrong {
        None => pages::answer(&shared, &call).await,
        Some(Wrong::Answer(status, headers)) => {
            let mut answer = refuse(status, "a fault on purpose");
            for (name, value) in headers {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            answer
        }
        Some(Wrong::DoneThenAnswer(status)) => {
            let done = pages::answer(&shared, &call).await;
            assert!(done.status().is_success(), "{line}: {done:?}");
            refuse(status, "a fault on purpose, after it was done")
        }
        Some(Wrong::DoneThenCut) => {
            pages::answer(&shared, &call).await;
            let pieces = [Ok(Bytes::from_static(b"{\"commit")), Err(std::io::Error::other("cut"))];
            Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
        }
        Some(Wrong::DoneThenSlow(wait)) => {
            let done = pages::answer(&shared, &call).await;
            tokio::time::sleep(wait).await;
            done
        }
        Some(Wrong::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            pages::answer(&shared, &call).await
        }
        Some(Wrong::Page(media)) => {
            let mut page = Response::new(Body::from(LOGIN_PAGE));
            if let Some(media) = media {
                page.headers_mut().insert("content-type", media.parse().unwrap());
            }
            page
        }
        Some(Wrong::OtherCommit(path)) => {
            let id = call.path[2..4].join("/");
            shared.state().repositories.get_mut(&id).unwrap().other_commit(path);
            pages::answer(&shared, &call).await
        }
    }
}

/// A request, read.
struct Call {
    head: bool,
    /// `GET` for a `HEAD` too.
    method: Method,
    path: Vec<String>,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn token(&self) -> Option<&str> {
        self.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
    }

    fn asks(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = segment.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
            }
            (byte, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap()
}
