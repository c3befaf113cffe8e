//! Why a question has no answer: an HTTP status, a code for programs and a sentence for people. Never a reward.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::admission::Refusal;

/// What went wrong. Each code has one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the body is not JSON.
    MalformedRequest,
    /// 401: the bearer token is missing or another.
    Unauthorized,
    /// 404: no such path.
    NotFound,
    /// 404: the service was not started with this instance.
    UnknownInstance,
    /// 405
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    BodyTimeout,
    /// 409: the instance was not admitted; nothing about it can be judged.
    InstanceRefused,
    /// 413: the body, the number of items or an answer is over the limit.
    TooLarge,
    /// 415: the body is not declared as JSON, or it is encoded in a way that is not read.
    UnsupportedMediaType,
    /// 422: JSON of another shape than a question.
    InvalidRequest,
    /// 429: the queue is full.
    QueueFull,
    /// 500: something of ours failed; it says nothing about the answer.
    Internal,
    /// 503: instances are still being admitted.
    NotReady,
    /// 503: the service is on its way out.
    ShuttingDown,
    /// 503: more connections are open than the service takes.
    TooManyConnections,
    /// 504: no verdict before the deadline; the work for it was given up.
    DeadlineExceeded,
}

/// Body of every response that is not 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub format: String,
    pub error: Unanswered,
}

/// No answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize, JsonSchema)]
#[error("{message}")]
pub struct Unanswered {
    pub code: Code,
    /// What, where, and what to do next.
    pub message: String,
    /// The field of the question that is wrong, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether the same question may be answered later.
    pub retryable: bool,
    /// When to ask again, seconds; the `Retry-After` header too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Why the instance was not admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl Code {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedRequest => 400,
            Self::Unauthorized => 401,
            Self::NotFound | Self::UnknownInstance => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::InstanceRefused => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidRequest => 422,
            Self::QueueFull => 429,
            Self::Internal => 500,
            Self::NotReady | Self::ShuttingDown | Self::TooManyConnections => 503,
            Self::DeadlineExceeded => 504,
        }
    }

    fn retryable(self) -> bool {
        match self {
            Self::BodyTimeout
            | Self::QueueFull
            | Self::Internal
            | Self::NotReady
            | Self::ShuttingDown
            | Self::TooManyConnections
            | Self::DeadlineExceeded => true,
            Self::MalformedRequest
            | Self::Unauthorized
            | Self::NotFound
            | Self::UnknownInstance
            | Self::MethodNotAllowed
            | Self::InstanceRefused
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::InvalidRequest => false,
        }
    }
}

impl Unanswered {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            retryable: code.retryable(),
            retry_after_s: None,
            refusal: None,
        }
    }

    /// A question whose field is wrong; the message begins with its name.
    pub(super) fn of_field(code: Code, field: &str, what: impl std::fmt::Display) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(code, format!("{field}: {what}")) }
    }

    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    pub(super) fn refused(instance_id: &str, refusal: Refusal, detail: &str) -> Self {
        let message = format!("instance {instance_id} was not admitted: {refusal} {detail}");
        Self { refusal: Some(refusal), ..Self::new(Code::InstanceRefused, message.trim_end()) }
    }
}
