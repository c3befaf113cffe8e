//! What an answer means that holds no completion: try again, give this one up, or stop. Pure.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::fault::Fault;
use super::reply::short;
use super::terms::Field;

/// Longest wait that an endpoint may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Longest wait of our own between attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may go well another time, at the earliest after `after` if the endpoint says so. `unreachable`: nothing that speaks this
    /// protocol may be there at all.
    Again { why: String, after: Option<Duration>, unreachable: bool, fields: Vec<Field> },
    /// This request will not be answered: too long for the model, against its rules, or with fields that it does not take.
    Refused { why: String, fields: Vec<Field> },
    /// No request to this endpoint will be: the key, the address or the quota is wrong.
    Stop { why: String },
}

impl Failure {
    /// It may go well another time.
    pub fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), after: None, unreachable: false, fields: Vec::new() }
    }

    /// It may go well another time; if it never does, nothing may be there that speaks this protocol.
    pub fn unreachable(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), after: None, unreachable: true, fields: Vec::new() }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Again { why, .. } | Self::Refused { why, .. } | Self::Stop { why } => why,
        }
    }

    /// The fields of the request that the endpoint will not take.
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Again { fields, .. } | Self::Refused { fields, .. } => fields,
            Self::Stop { .. } => &[],
        }
    }

    /// How much it ends: one attempt, one request, or all of them.
    pub fn weight(&self) -> u8 {
        match self {
            Self::Again { .. } => 0,
            Self::Refused { .. } => 1,
            Self::Stop { .. } => 2,
        }
    }
}

/// What a status other than success means. `after` is the parsed `Retry-After`.
pub fn of_status(status: u16, body: &str, after: Option<Duration>) -> Failure {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let fault = json.as_ref().and_then(Fault::in_body).unwrap_or_else(|| Fault::of_text(body));
    let said = short(body);
    let why = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    // Waiting does not fill an account.
    let status = if status == 429 && fault.is_unpaid() { 402 } else { status };
    of_code(status, why, after, fault.fields())
}

/// What an error means that came with a status of success, in the body or in a choice: what its own code says.
pub fn of_fault(fault: &Fault, place: &str, after: Option<Duration>) -> Failure {
    let said = short(fault.message());
    match fault.status() {
        Some(code) => of_code(code, format!("error {code} in {place}: {said}"), after, fault.fields()),
        None => {
            let why = format!("{place} is an error: {said}");
            Failure::Again { why, after, unreachable: false, fields: fault.fields() }
        }
    }
}

fn of_code(status: u16, why: String, after: Option<Duration>, fields: Vec<Field>) -> Failure {
    match status {
        408 | 409 | 425 | 429 | 500..=599 => Failure::Again { why, after, unreachable: false, fields },
        300..=399 => Failure::Stop { why: format!("{why}; redirects are not followed, give the address itself") },
        401 | 403 | 407 => Failure::Stop { why: format!("{why}; check the API key in the environment") },
        402 => Failure::Stop { why: format!("{why}; check the account that the API key belongs to") },
        404 | 405 | 410 => Failure::Stop { why: format!("{why}; check the endpoint's address and the model's name") },
        _ => Failure::Refused { why, fields },
    }
}

/// What a body with a status of success means that is no JSON. A page is a log-in or a wrong address; JSON that ends
/// early was cut; other text is anybody's guess.
pub fn of_text(text: &str, content_type: &str, why: &str) -> Failure {
    let text = text.trim_start_matches('\u{feff}').trim();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = text.starts_with(['{', '[']);
    let beginning = || format!("instead of JSON (content type {content_type:?}), beginning: {}", short(text));
    if text.is_empty() {
        Failure::again("the body is empty")
    } else if text.starts_with('<') || (kind == "text/html" && !json) {
        let check = "check the endpoint's address, and log-ins and proxies in front of it";
        Failure::Stop { why: format!("a page came {}; {check}", beginning()) }
    } else if text.starts_with("data:") || (kind == "text/event-stream" && !json) {
        Failure::Stop { why: format!("a stream came {}; assay reads whole answers only", beginning()) }
    } else if json {
        Failure::again(format!("the body is no JSON: {why}"))
    } else {
        Failure::unreachable(format!("text came {}", beginning()))
    }
}

/// Reads `Retry-After` (seconds or a date) and `Retry-After-Ms`; `now` in seconds since 1970. At most ten minutes.
pub fn retry_after(after: Option<&str>, milliseconds: Option<&str>, now: u64) -> Option<Duration> {
    let seconds = |text: &str| text.trim().parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    let wait = match (milliseconds.and_then(seconds), after) {
        (Some(milliseconds), _) => milliseconds / 1000.0,
        (None, Some(text)) => match seconds(text) {
            Some(seconds) => seconds,
            None => http_date(text)?.saturating_sub(now) as f64,
        },
        (None, None) => return None,
    };
    Some(Duration::from_secs_f64(wait.min(LONGEST_WAIT.as_secs_f64())))
}

/// Seconds since 1970 of an HTTP date in any of its three forms.
fn http_date(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// How long to wait before attempt `next` (the first repeat is 1): what the endpoint asks for, or twice as long every time,
/// spread by up to a half so that many do not come back at once. `spread` is between 0 and 1.
pub fn wait(next: u32, first: Duration, after: Option<Duration>, spread: f64) -> Duration {
    let doubled =
        first.saturating_mul(1_u32.checked_shl(next.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST_BACKOFF);
    let own = doubled.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0);
    after.map_or(own, |after| after.max(own.min(after + first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_says_whether_another_attempt_is_worth_anything() {
        for status in [408, 409, 425, 429, 500, 502, 503, 529] {
            assert!(matches!(of_status(status, "", None), Failure::Again { .. }), "{status}");
        }
        for status in [301, 307, 401, 402, 403, 404, 405, 410] {
            assert!(matches!(of_status(status, "", None), Failure::Stop { .. }), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(of_status(status, "context too long", None), Failure::Refused { .. }), "{status}");
        }
        for kind in ["code", "type"] {
            let quota =
                format!(r#"{{"error": {{"message": "{}", "{kind}": "insufficient_quota"}}}}"#, "see ".repeat(200));
            assert!(matches!(of_status(429, &quota, None), Failure::Stop { .. }), "{kind}");
        }
        assert_eq!(of_status(400, "too long", None).why(), "HTTP 400: too long");
    }

    #[test]
    fn an_error_with_status_200_is_what_its_own_code_says() {
        let of = |body: Value| of_fault(&Fault::in_body(&body).unwrap(), "the body", Some(Duration::from_secs(3)));
        for code in [json!(401), json!(402), json!(403), json!(404), json!("404")] {
            let failure = of(json!({"error": {"code": code, "message": "so it is"}}));
            assert!(matches!(&failure, Failure::Stop { why } if why.contains("so it is")), "{code}: {failure:?}");
        }
        for code in [json!(400), json!(422), json!("context_length_exceeded")] {
            assert!(matches!(of(json!({"error": {"code": code}})), Failure::Refused { .. }), "{code}");
        }
        for code in
            [json!(408), json!(429), json!(500), json!(524), json!("rate_limit_exceeded"), json!(null), json!(7)]
        {
            let failure = of(json!({"object": "error", "code": code, "message": "later"}));
            assert!(matches!(failure, Failure::Again { after: Some(_), .. }), "{code}: {failure:?}");
        }
    }

    #[test]
    fn a_page_ends_everything_and_a_cut_answer_does_not() {
        for (text, kind) in [
            (" \n<!DOCTYPE html><title>Log in</title>", "text/html; charset=utf-8"),
            ("\u{feff}<html>Log in", ""),
            ("Log in first", "Text/HTML"),
            ("data: {\"choices\": []} Log in", "text/event-stream"),
        ] {
            let failure = of_text(text, kind, "expected value");
            let Failure::Stop { why } = &failure else { panic!("{text}: {failure:?}") };
            assert!(why.contains("Log in") && why.contains(kind), "{why}");
        }
        for (text, kind, nobody) in [
            ("", "text/html", false),
            (" \n", "application/json", false),
            ("bad gateway", "text/plain", true),
            ("{\"choices\": [", "text/html", false),
        ] {
            let failure = of_text(text, kind, "EOF");
            assert!(
                matches!(failure, Failure::Again { unreachable, .. } if unreachable == nobody),
                "{text}: {failure:?}"
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_milliseconds_or_a_date() {
        let read = |text| retry_after(Some(text), None, 1_445_412_470);
        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        assert_eq!(read("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("Wednesday, 21-Oct-15 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("Thu, 21 Oct 1999 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("999999"), Some(LONGEST_WAIT));
        for odd in ["soon", "-1", "NaN", "Wed, 41 Oct 2015 07:28:00 GMT", "Wed, 21 Foo 2015 07:28:00 GMT", "", "x, 1"] {
            assert_eq!(read(odd), None, "{odd}");
        }
        assert_eq!(retry_after(Some("9"), Some("20"), 0), Some(Duration::from_millis(20)));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Tue, 29 Feb 2000 12:00:00 GMT"), Some(951_825_600));
    }

    #[test]
    fn waits_grow_to_a_bound_and_are_never_shorter_than_what_is_asked_for() {
        let first = Duration::from_secs(1);
        assert_eq!(wait(1, first, None, 1.0), Duration::from_secs(1));
        assert_eq!(wait(4, first, None, 1.0), Duration::from_secs(8));
        assert_eq!(wait(4, first, None, 0.0), Duration::from_secs(4));
        assert_eq!(wait(99, first, None, 1.0), LONGEST_BACKOFF);
        assert!(wait(1, first, Some(Duration::from_secs(30)), 0.3) >= Duration::from_secs(30));
        assert!(wait(9, first, Some(Duration::from_secs(2)), 1.0) >= Duration::from_secs(2));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(text in "\\PC{0,40}", now in 0..u64::MAX / 2) {
            retry_after(Some(&text), Some(&text), now);
            http_date(&text);
        }
    }
}
