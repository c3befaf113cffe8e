//! One request to an OpenAI-compatible endpoint.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use serde_json::{Map, Value};
use thiserror::Error;

use super::failure::{Failure, of_fault, of_status, of_text, retry_after};
use super::fault::Fault;
use super::reply::short;
use crate::surrogates::repaired;

/// Largest body that is read, in bytes.
const LARGEST_BODY: usize = 64 << 20;

/// Shortest key that is looked for in what comes back; shorter ones are place holders such as `EMPTY`.
const SHORTEST_KEY: usize = 8;

/// An endpoint, by its address up to and including `/v1`.
#[derive(Clone)]
pub struct Endpoint {
    client: Client,
    base: Url,
    key: Option<String>,
}

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub body: Value,
    /// Half surrogate pairs and broken bytes that were replaced.
    pub replaced: usize,
    /// How long it asks to wait before the next request.
    pub after: Option<Duration>,
}

/// An endpoint that cannot be used as it is given.
#[derive(Debug, Error)]
pub enum EndpointError {
    #[error("{url:?} is not the address of an endpoint: {why}; give it as http://HOST:PORT/v1")]
    Address { url: String, why: String },
    #[error("the API key in the environment variable {variable} cannot be sent: {why}")]
    Key { variable: String, why: &'static str },
    #[error("the HTTP client cannot be made: {0}")]
    Client(reqwest::Error),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// `key_variable` names the environment variable with the API key; unset, requests go without one. `timeout` is for one
    /// request from first byte to last.
    ///
    /// # Errors
    /// The address is none, or holds secrets itself; the key has characters that no header can hold.
    pub fn open(url: &str, key_variable: &str, timeout: Duration) -> Result<Self, EndpointError> {
        let wrong = |why: &str| EndpointError::Address { url: without_secrets(url), why: why.to_owned() };
        let mut base = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(wrong("only http and https are spoken"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(wrong("it must hold no user, password or query; keys belong into the environment"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let key = std::env::var(key_variable).ok().map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let mut headers = HeaderMap::new();
        if let Some(key) = &key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| EndpointError::Key {
                variable: key_variable.to_owned(),
                why: "it has characters that a header cannot hold",
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let builder = Client::builder()
            .default_headers(headers)
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(30))
            .timeout(timeout);
        // A proxy is for other machines.
        let here = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let client = if here { builder.no_proxy() } else { builder }.build().map_err(EndpointError::Client)?;
        Ok(Self { client, base, key })
    }

    /// The address, which holds no secret.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Posts a body to a path below the address, such as `chat/completions`, and reads back JSON that is not an error.
    ///
    /// # Errors
    /// What the failure means for this and other requests. No error text holds the key.
    pub async fn post(&self, path: &str, body: &Map<String, Value>) -> Result<Answer, Failure> {
        let url = self.base.join(path).map_err(|error| Failure::Stop { why: error.to_string() })?;
        let text = serde_json::to_vec(body)
            .map_err(|error| Failure::Refused { why: error.to_string(), fields: Vec::new() })?;
        let mut response = match self.client.post(url).body(text).send().await {
            Ok(response) => response,
            Err(error) => {
                let why = self.hidden(&chain(&error.without_url()));
                return Err(Failure::unreachable(why));
            }
        };
        let status = response.status();
        let after = waited_for(response.headers());
        let kind =
            response.headers().get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > LARGEST_BODY => {
                    return Err(Failure::again(format!("the body has more than {LARGEST_BODY} bytes")));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    let why = self.hidden(&chain(&error.without_url()));
                    return Err(Failure::again(format!("the body was cut after {} bytes: {why}", bytes.len())));
                }
            }
        }
        if !status.is_success() {
            let said = self.hidden(&String::from_utf8_lossy(&bytes));
            return Err(of_status(status.as_u16(), &said, after));
        }
        if self.key_in(&bytes) {
            return Err(Failure::Stop {
                why: "the endpoint sends the API key back; nothing of that is kept".to_owned(),
            });
        }
        let read = repaired(&bytes);
        let body: Value = serde_json::from_str(read.text.trim_start_matches('\u{feff}'))
            .map_err(|error| of_text(&read.text, kind.as_deref().unwrap_or("none"), &error.to_string()))?;
        match Fault::in_body(&body) {
            Some(fault) => Err(of_fault(&fault, "the body", after)),
            None => Ok(Answer { body, replaced: read.replaced.len(), after }),
        }
    }

    fn key_in(&self, bytes: &[u8]) -> bool {
        let key = self.key.as_deref().filter(|key| key.len() >= SHORTEST_KEY);
        key.is_some_and(|key| bytes.windows(key.len()).any(|window| window == key.as_bytes()))
    }

    /// A text without the key.
    fn hidden(&self, text: &str) -> String {
        match self.key.as_deref().filter(|key| key.len() >= SHORTEST_KEY) {
            Some(key) => text.replace(key, "[key]"),
            None => text.to_owned(),
        }
    }
}

/// How long the endpoint asks to wait.
fn waited_for(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    retry_after(text(RETRY_AFTER.as_str()), text("retry-after-ms"), now)
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    short(&text)
}

/// An address as it may be shown: what stands before an `@` or after a `?` may be secret.
fn without_secrets(url: &str) -> String {
    let shown = url.split('?').next().unwrap_or_default();
    match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://...@{rest}"),
        (None, Some((_, rest))) => format!("...@{rest}"),
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        Endpoint::open(url, "ASSAY_NO_SUCH_KEY", Duration::from_secs(1)).unwrap_err().to_string()
    }

    #[test]
    fn addresses_are_checked_and_their_secrets_not_repeated() {
        assert!(error("localhost:8000").contains("not the address"), "{}", error("localhost:8000"));
        assert!(error("ftp://x/v1").contains("http"));
        for url in ["http://me:hunter22@host/v1", "https://host/v1?key=hunter22"] {
            let said = error(url);
            assert!(said.contains("environment") && !said.contains("hunter22"), "{said}");
        }
        let endpoint = Endpoint::open("http://localhost:8000/v1", "ASSAY_NO_SUCH_KEY", Duration::from_secs(1)).unwrap();
        assert_eq!(endpoint.address(), "http://localhost:8000/v1");
    }
}
