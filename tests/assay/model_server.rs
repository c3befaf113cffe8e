//! A local HTTP server that plays a model, well or badly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, Uri};
use serde_json::{Value, json};

/// What the server does with a request.
pub enum Say {
    /// 200 with this JSON.
    Json(Value),
    /// 200 with this text, whatever it is.
    Text(String),
    /// 200 with this content type and text.
    Typed(&'static str, String),
    /// This status, header and text.
    Status(u16, Option<(&'static str, String)>, String),
    /// 200, the head of a body, and then the connection is closed.
    Cut,
    /// The answer, later.
    Later(Duration, Box<Say>),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Instant,
    pub path: String,
    pub body: Value,
    pub authorization: Option<String>,
    /// Which request with this text (and seed) it is, from 0.
    pub nth: usize,
}

impl Asked {
    /// The text of the last message.
    pub fn text(&self) -> &str {
        let messages = self.body["messages"].as_array().expect("messages");
        messages.last().and_then(|message| message["content"].as_str()).expect("a text")
    }
}

type Answer = dyn Fn(&Asked) -> Say + Send + Sync;

pub struct ModelServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl ModelServer {
    pub fn start(answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let counts: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let answer: Arc<Answer> = Arc::new(answer);
        let seen = asked.clone();
        let handler = move |uri: Uri, headers: HeaderMap, bytes: Bytes| {
            let (seen, counts, answer) = (seen.clone(), counts.clone(), answer.clone());
            async move {
                let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let key = format!("{} {} {}", uri.path(), body["seed"], body["messages"]);
                let nth = {
                    let mut counts = counts.lock().unwrap();
                    let count = counts.entry(key).or_default();
                    *count += 1;
                    *count - 1
                };
                let authorization =
                    headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
                let asked = Asked { at: Instant::now(), path: uri.path().to_owned(), body, authorization, nth };
                seen.lock().unwrap().push(asked.clone());
                let mut said = answer(&asked);
                while let Say::Later(wait, after) = said {
                    tokio::time::sleep(wait).await;
                    said = *after;
                }
                response(said)
            }
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (told, address) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let router = Router::new().fallback(handler).layer(axum::extract::DefaultBodyLimit::disable());
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address: address.recv().unwrap(), asked, stop: Some(stop) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far, in the order they came.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(());
        }
    }
}

fn response(said: Say) -> Response<Body> {
    let builder = Response::builder().header("content-type", "application/json");
    match said {
        Say::Json(body) => builder.body(Body::from(body.to_string())).unwrap(),
        Say::Text(text) => builder.body(Body::from(text)).unwrap(),
        Say::Typed(kind, text) => Response::builder().header("content-type", kind).body(Body::from(text)).unwrap(),
        Say::Status(status, header, text) => {
            let builder = match header {
                Some((name, value)) => builder.header(name, value),
                None => builder,
            };
            builder.status(status).body(Body::from(text)).unwrap()
        }
        Say::Cut => {
            let pieces =
                [Ok(Bytes::from_static(b"{\"choices\": [{\"mess")), Err(std::io::Error::other("cut on purpose"))];
            builder.body(Body::from_stream(futures_util::stream::iter(pieces))).unwrap()
        }
        Say::Later(..) => unreachable!("waited for above"),
    }
}

/// A chat completion with these answers.
pub fn completion(answers: &[&str]) -> Value {
    let choices: Vec<_> = answers
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}))
        .collect();
    json!({"model": "played-1", "choices": choices, "usage": {"prompt_tokens": 10, "completion_tokens": 3}})
}
