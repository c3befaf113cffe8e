//! HTTP: paths, tokens, bodies in and out. Every response but the metrics is JSON.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::body;
use super::reading::{self, Asked, NotAsked};
use super::service::Service;
use super::{Answer, BatchAnswer, Code, Item, NoVerdict, Problem, Unanswered};
use crate::model::format;

/// How long the body is read of a request that is told to come back.
const BUSY_BODY: Duration = Duration::from_secs(1);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Paths that need no token and tell nothing.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];
const PATHS: [&str; 6] = ["/healthz", "/metrics", "/readyz", "/v1/instances", "/v1/verify", "/v1/verify/batch"];

type Shared = State<Arc<Service>>;

pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/healthz", get(health))
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

/// For connections that are too many: the health endpoints answer, and everything else is told to come back.
pub(super) fn aside(service: Arc<Service>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .fallback(busy)
        .layer(middleware::from_fn_with_state(service.clone(), guard))
        .with_state(service)
}

async fn health() -> Response {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

async fn busy(State(service): Shared, request: Request) -> Unanswered {
    body::drop_of(request.into_body(), service.max_body, BUSY_BODY).await;
    Unanswered::new(Code::TooManyConnections, "too many connections are open; ask again, with fewer at a time").after(1)
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
    let body = body::read(request, service.max_body, service.limits.body).await?;
    let Asked { generation, deadline_ms, notes } = reading::one(&body, service.max_answer)?;
    let allowed = allowed(&service, deadline_ms);
    let taken = service.ask(vec![generation])?.pop();
    let answer = taken.ok_or_else(lost)?.outcome(began + allowed, allowed).await?;
    Ok(json_response(StatusCode::OK, &Answer { notes, ..(*answer).clone() }))
}

async fn verify_batch(State(service): Shared, request: Request) -> Result<Response, Unanswered> {
    let began = Instant::now();
    let body = body::read(request, service.max_body, service.limits.body).await?;
    let mut generations = Vec::new();
    let mut items = Vec::new();
    for item in reading::many(&body, service.max_answer)? {
        items.push(item.map(|Asked { generation, deadline_ms, notes }| {
            let instance_id = generation.instance_id.clone();
            generations.push(generation);
            (instance_id, allowed(&service, deadline_ms), notes)
        }));
    }
    let mut taken = service.ask(generations)?.into_iter();
    let mut answers = Vec::with_capacity(items.len());
    // They are worked on at the same time; here only their ends are waited for, one after the other.
    for (index, item) in (0..).zip(items) {
        let no = |instance_id, error| Item::Unanswered { status: NoVerdict::Unanswered, index, instance_id, error };
        answers.push(match item {
            Err(NotAsked { instance_id, error }) => no(instance_id, error),
            Ok((instance_id, allowed, notes)) => {
                match taken.next().ok_or_else(lost)?.outcome(began + allowed, allowed).await {
                    Ok(answer) => Item::Answer(Box::new(Answer { notes, ..(*answer).clone() })),
                    Err(error) => no(Some(instance_id), error),
                }
            }
        });
    }
    Ok(json_response(StatusCode::OK, &BatchAnswer { format: format::REWARD_BATCH.to_owned(), answers }))
}

fn lost() -> Unanswered {
    Unanswered::new(Code::Internal, "a question got lost; this is a bug of assay")
}

fn allowed(service: &Service, asked_ms: Option<u64>) -> Duration {
    asked_ms.map_or(service.deadline, |asked| Duration::from_millis(asked).min(service.deadline))
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            json_response(status, &Problem { format: format::REWARD_ERROR.to_owned(), error: self.clone() });
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.code, Code::TooLarge | Code::BodyTimeout | Code::Unauthorized | Code::UnsupportedMediaType) {
            // The body was not read to its end, so no other request can follow on this connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self.code == Code::UnsupportedMediaType {
            response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
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
