//! HTTP: paths, tokens, bodies in and out. Every response but the metrics is JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::service::Service;
use super::{BatchAnswer, BatchQuestion, Code, Item, NoVerdict, Question, Unanswered};
use crate::generation::Generation;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Paths that need no token and tell nothing.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
const PATHS: [&str; 6] = ["/healthz", "/metrics", "/readyz", "/v1/instances", "/v1/verify", "/v1/verify/batch"];

type Shared = State<Arc<Service>>;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/healthz", get(async || json_response(StatusCode::OK, &json!({"status": "ok"}))))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/instances", get(instances))
        .route("/v1/verify", post(verify))
        .route("/v1/verify/batch", post(verify_batch))
        .method_not_allowed_fallback(async || Unanswered::new(Code::MethodNotAllowed, "another method is needed here"))
        .fallback(async || Unanswered::new(Code::NotFound, format!("no such path; there are {}", PATHS.join(", "))))
        .layer(middleware::from_fn_with_state(service.clone(), guard))
        .with_state(service)
}

/// Serves until `stopped` says so, and then what was begun.
pub(super) async fn serve(
    listener: tokio::net::TcpListener,
    app: Router,
    mut stopped: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let stop = async move {
        // A sender that is gone means the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await
}

/// Asks for the token and counts.
async fn guard(State(service): Shared, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.uri().path();
    let endpoint = PATHS.into_iter().find(|known| *known == path).unwrap_or("other");
    let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let response = match &service.token {
        Some(token) if !OPEN.contains(&path) && !token.is_in(given) => {
            let message = "the bearer token is missing or another; send Authorization: Bearer ...";
            let mut response = Unanswered::new(Code::Unauthorized, message).into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        _ => next.run(request).await,
    };
    service.metrics.requested(endpoint, response.status().as_u16(), began.elapsed());
    response
}

async fn ready(State(service): Shared) -> Response {
    match service.instances() {
        Ok(_) => json_response(StatusCode::OK, &json!({"status": "ready"})),
        Err(unanswered) => unanswered.into_response(),
    }
}

async fn instances(State(service): Shared) -> Result<Response, Unanswered> {
    Ok(json_response(StatusCode::OK, &json!({"instances": service.instances()?})))
}

async fn metrics(State(service): Shared) -> Result<Response, Unanswered> {
    let text = service.metrics.text(service.queue.depth());
    let text = text.map_err(|error| Unanswered::new(Code::Internal, format!("metrics cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

async fn verify(State(service): Shared, request: Request) -> Result<Response, Unanswered> {
    let began = Instant::now();
    let question: Question = body(&service, request).await?;
    let (generation, deadline) = question.into_generation()?;
    let allowed = allowed(&service, deadline);
    let taken = service.ask(vec![generation])?.pop();
    let taken = taken.ok_or_else(|| Unanswered::new(Code::Internal, "a question got lost; this is a bug of assay"))?;
    let answer = taken.outcome(began + allowed, allowed).await?;
    Ok(json_response(StatusCode::OK, &*answer))
}

async fn verify_batch(State(service): Shared, request: Request) -> Result<Response, Unanswered> {
    let began = Instant::now();
    let questions: BatchQuestion = body(&service, request).await?;
    let mut generations: Vec<Generation> = Vec::with_capacity(questions.items.len());
    let mut asked = Vec::with_capacity(questions.items.len());
    for (index, question) in questions.items.into_iter().enumerate() {
        let place = |unanswered: Unanswered| Unanswered {
            message: format!("items[{index}]: {}", unanswered.message),
            ..unanswered
        };
        let (generation, deadline) = question.into_generation().map_err(place)?;
        asked.push((generation.instance_id.clone(), allowed(&service, deadline)));
        generations.push(generation);
    }
    let taken = service.ask(generations)?;
    let mut answers = Vec::with_capacity(taken.len());
    // They are worked on at the same time; here only their ends are waited for, one after the other.
    for (taken, (instance_id, allowed)) in taken.into_iter().zip(asked) {
        answers.push(match taken.outcome(began + allowed, allowed).await {
            Ok(answer) => Item::Answer(Box::new((*answer).clone())),
            Err(error) => Item::Unanswered { status: NoVerdict::Unanswered, instance_id, error },
        });
    }
    Ok(json_response(StatusCode::OK, &BatchAnswer { answers }))
}

fn allowed(service: &Service, asked_ms: Option<u64>) -> Duration {
    asked_ms.map_or(service.deadline, |asked| Duration::from_millis(asked).min(service.deadline))
}

/// A JSON body.
///
/// # Errors
/// Every way that it is not what is expected is the client's, with a status of its own.
async fn body<T: DeserializeOwned>(service: &Service, request: Request) -> Result<T, Unanswered> {
    if !is_json(request.headers()) {
        let message = "send the body as JSON, with Content-Type: application/json";
        return Err(Unanswered::new(Code::UnsupportedMediaType, message));
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, read(request.into_body(), service.max_body)).await;
    let late =
        |_| Unanswered::new(Code::BodyTimeout, format!("the body took longer than {} s", BODY_TIMEOUT.as_secs()));
    serde_json::from_slice(&read.map_err(late)??).map_err(|error| {
        let code = match error.classify() {
            serde_json::error::Category::Data => Code::InvalidRequest,
            _ => Code::MalformedRequest,
        };
        Unanswered::new(code, format!("the body is not a question: {error}"))
    })
}

/// The bytes of a body. Of one that is too large the rest is read and dropped, up to as much again: most clients read no
/// response before everything is sent.
async fn read(body: Body, most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut pieces = body.into_data_stream();
    let (mut bytes, mut total) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| Unanswered::new(Code::MalformedRequest, format!("the body cannot be read: {error}")))?;
        total += piece.len();
        if total > most.saturating_mul(2) {
            break;
        }
        if total <= most {
            bytes.extend_from_slice(&piece);
        }
    }
    if total > most {
        let message = format!("the body is larger than {most} bytes; see --max-body");
        return Err(Unanswered::new(Code::TooLarge, message));
    }
    Ok(bytes)
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_response(status, &json!({"error": self}));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.code, Code::TooLarge | Code::BodyTimeout | Code::Unauthorized | Code::UnsupportedMediaType) {
            // The body was not read to its end, so no other request can follow on this connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn json_response<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("a response is no JSON: {error}")).into_response(),
    }
}
