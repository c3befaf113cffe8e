//! Answers of the Hub that are not success, sorted by what can be done about them.

use std::time::Duration;

use hf_hub::HFError;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::account::Account;

/// Characters quoted of an answer that is not the Hub's.
const QUOTED: usize = 120;

/// One failed request. `what` is fit for people: no token, no signed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Over in a while: busy, rate limited, cut off. For a change it is unknown whether it was made.
    Passing {
        what: String,
        /// What the server asked to wait.
        wait: Option<Duration>,
        /// No answer came, rather than a bad one.
        network: bool,
    },
    /// The repository is not as it was read: another commit came first, or the thing exists already.
    Moved {
        what: String,
    },
    Absent {
        what: String,
    },
    /// Without or with a wrong token.
    Unknown {
        what: String,
    },
    /// With a token that may not.
    Forbidden {
        what: String,
    },
    /// The request itself is not accepted.
    Rejected {
        what: String,
    },
    /// Success, but not of the Hub: a proxy or a log-in page has answered in its place.
    Foreign {
        what: String,
    },
}

impl Fault {
    /// The fault of an answer, which is read for its message. `None` for success.
    pub async fn of_answer(account: &Account, answer: reqwest::Response) -> Result<reqwest::Response, Self> {
        let status = answer.status();
        if status.is_success() {
            // The Hub answers none of our requests with a page for people.
            return match media(answer.headers()) {
                Some(media) if media.contains("html") => {
                    let body = answer.bytes().await.unwrap_or_default();
                    Err(Self::foreign(account, Some(&media), &body))
                }
                _ => Ok(answer),
            };
        }
        let wait = wait_asked(answer.headers());
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let message = header("x-error-message");
        let message = match message {
            Some(message) => message,
            None => said(&answer.text().await.unwrap_or_default()),
        };
        Err(Self::of_status(status, account.scrub(&format!("{status}{message}")), wait))
    }

    /// The fault of a request that got no usable answer.
    pub fn of_transport(account: &Account, error: reqwest::Error) -> Self {
        let builder = error.is_builder();
        let what = account.scrub(&chain(&error.without_url()));
        match builder {
            true => Self::Rejected { what },
            false => Self::Passing { what, wait: None, network: true },
        }
    }

    /// The fault of a body that was to be JSON and is not.
    pub fn of_body(account: &Account, media: Option<&str>, body: &[u8], error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        match error.classify() {
            Category::Eof => {
                let what = format!("the answer ends after {} bytes, before it is whole", body.len());
                Self::Passing { what, wait: None, network: false }
            }
            Category::Data => Self::Rejected { what: format!("the answer is not in the form of the Hub: {error}") },
            Category::Syntax | Category::Io => Self::foreign(account, media, body),
        }
    }

    /// An answer that somebody else than the Hub has given.
    pub fn foreign(account: &Account, media: Option<&str>, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let words: Vec<_> = text.split_whitespace().take(QUOTED).collect();
        let begins: String = account.scrub(&words.join(" ")).chars().take(QUOTED).collect();
        let media = media.unwrap_or("no content type");
        Self::Foreign { what: format!("the answer is not JSON but {media}, and begins {begins:?}") }
    }

    /// The fault that `hf-hub` reports.
    pub fn of_client(account: &Account, error: HFError) -> Self {
        let what = account.scrub(&chain(&error));
        match error {
            HFError::AuthRequired { .. } => Self::Unknown { what },
            HFError::Forbidden { .. } => Self::Forbidden { what },
            HFError::RepoNotFound { .. } | HFError::RevisionNotFound { .. } | HFError::EntryNotFound { .. } => {
                Self::Absent { what }
            }
            HFError::Conflict { .. } => Self::Moved { what },
            HFError::RateLimited { retry_after, .. } => Self::Passing { what, wait: retry_after, network: false },
            HFError::Http { context } => Self::of_status(context.status, what, None),
            HFError::Request { source, .. } if source.is_builder() => Self::Rejected { what },
            HFError::Request { source, .. } if is_no_json(&source) => {
                Self::Passing { what: "the answer is not JSON".to_owned(), wait: None, network: false }
            }
            HFError::Request { .. } | HFError::Xet { .. } => Self::Passing { what, wait: None, network: true },
            // An answer that was cut off is not JSON.
            HFError::Json(_) | HFError::MalformedResponse { .. } => Self::Passing { what, wait: None, network: false },
            _ => Self::Rejected { what },
        }
    }

    fn of_status(status: StatusCode, what: String, wait: Option<Duration>) -> Self {
        match status.as_u16() {
            401 => Self::Unknown { what },
            403 => Self::Forbidden { what },
            404 => Self::Absent { what },
            409 | 412 => Self::Moved { what },
            408 | 429 | 500 | 502 | 503 | 504 => Self::Passing { what, wait, network: false },
            _ => Self::Rejected { what },
        }
    }
}

/// The address whose answer `hf-hub` could not make use of, although it was a success.
pub(super) fn unread(error: &HFError) -> Option<&str> {
    match error {
        HFError::Request { source, url } if is_no_json(source) => url.as_deref(),
        HFError::MalformedResponse { url, .. } => url.as_deref(),
        _ => None,
    }
}

/// A whole body that is not JSON, rather than one that was cut off.
fn is_no_json(error: &reqwest::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<serde_json::Error>())
}

/// Whether a body is a page for people, whatever its header says.
pub(super) fn is_page(body: &[u8]) -> bool {
    let begin = String::from_utf8_lossy(&body[..body.len().min(100)]).to_ascii_lowercase();
    let begin = begin.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    ["<!doctype html", "<html"].iter().any(|tag| begin.starts_with(tag))
}

/// The content type of an answer.
pub(super) fn media(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(reqwest::header::CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase())
}

/// `Retry-After` in seconds, otherwise the seconds until the window of `RateLimit: "api";r=0;t=55` ends.
fn wait_asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let after = text("retry-after").and_then(|value| value.trim().parse().ok());
    let window = || {
        let mut parts = text("ratelimit")?.split(';').map(str::trim);
        let spent = parts.clone().any(|part| part == "r=0");
        parts.find_map(|part| part.strip_prefix("t=")).filter(|_| spent)?.parse().ok()
    };
    after.or_else(window).map(Duration::from_secs)
}

/// What a body says of the error, bounded.
fn said(body: &str) -> String {
    let json: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let text = match &json {
        Some(value) => value["error"].as_str().unwrap_or(body),
        None => body,
    };
    let short: String = text.trim().chars().take(300).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &'static str, value: &'static str) -> Option<Duration> {
        wait_asked(&HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
    }

    #[test]
    fn the_wait_is_read_from_either_header_and_only_when_the_window_is_spent() {
        assert_eq!(asked("retry-after", "17"), Some(Duration::from_secs(17)));
        assert_eq!(asked("ratelimit", "\"api\";r=0;t=55"), Some(Duration::from_secs(55)));
        assert_eq!(asked("ratelimit", "\"api\";r=12;t=55"), None);
        assert_eq!(asked("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn every_status_has_one_consequence() {
        let of = |status: u16| Fault::of_status(StatusCode::from_u16(status).unwrap(), String::new(), None);
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(of(status), Fault::Passing { network: false, .. }), "{status}");
        }
        assert!(matches!(of(412), Fault::Moved { .. }) && matches!(of(409), Fault::Moved { .. }));
        assert!(matches!(of(401), Fault::Unknown { .. }) && matches!(of(403), Fault::Forbidden { .. }));
        assert!(matches!(of(404), Fault::Absent { .. }) && matches!(of(413), Fault::Rejected { .. }));
    }

    #[test]
    fn a_body_that_is_not_json_says_what_it_is_and_one_that_is_cut_may_pass() {
        let account = Account::new("https://hub.example", Some("hf_secret"), "HF_TOKEN").unwrap();
        let fault = |body: &str| {
            let error = serde_json::from_str::<Vec<u8>>(body).unwrap_err();
            Fault::of_body(&account, Some("text/html"), body.as_bytes(), &error)
        };
        let page = format!("\n<html>\n  <title>Sign in</title> hf_secret {}", "x".repeat(1000));
        let Fault::Foreign { what } = fault(&page) else { panic!("{:?}", fault(&page)) };
        assert!(what.contains("text/html") && what.contains("<html> <title>Sign in</title> <token>"), "{what}");
        assert!(what.len() < 300 && !what.contains("secret"), "{what}");
        assert!(matches!(fault("[1, 2"), Fault::Passing { .. }) && matches!(fault(""), Fault::Passing { .. }));
        assert!(matches!(fault("{\"a\": 1}"), Fault::Rejected { .. }));
        assert!(is_page(b"\xef\xbb\xbf <!DOCTYPE HTML>") && !is_page(b"{}") && !is_page(b"<manifest/>"));
    }

    #[test]
    fn a_body_is_quoted_in_short() {
        assert_eq!(said("{\"error\":\"no such thing\"}"), ": no such thing");
        assert_eq!(said(""), "");
        assert!(said(&"x".repeat(10_000)).len() < 400);
    }
}
