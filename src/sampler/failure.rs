//! What an answer that is no answer means: try again, give this one up, or stop. Pure.

use std::time::Duration;

use serde_json::Value;

/// Longest wait that an endpoint may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Longest wait of our own between attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may go well another time, at the earliest after `after` if the endpoint says so.
    Again { why: String, after: Option<Duration>, unreachable: bool },
    /// This request will not be answered: too long for the model, or against its rules.
    Refused { why: String },
    /// No request to this endpoint will be: the key, the address or the quota is wrong.
    Stop { why: String },
}

impl Failure {
    /// It may go well another time.
    pub fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), after: None, unreachable: false }
    }

    pub fn why(&self) -> &str {
        match self {
            Self::Again { why, .. } | Self::Refused { why } | Self::Stop { why } => why,
        }
    }
}

/// What a status other than success means. `said` is the beginning of the body, `after` the parsed `Retry-After`.
pub fn of_status(status: u16, said: &str, after: Option<Duration>) -> Failure {
    let why = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    match status {
        // Waiting does not fill an account.
        429 if code(said).as_deref() == Some("insufficient_quota") => Failure::Stop { why },
        408 | 409 | 425 | 429 | 500..=599 => Failure::Again { why, after, unreachable: false },
        300..=399 => Failure::Stop { why: format!("{why}; redirects are not followed, give the address itself") },
        401 | 403 => Failure::Stop { why: format!("{why}; check the API key in the environment") },
        404 | 405 => Failure::Stop { why: format!("{why}; check the endpoint's address and the model's name") },
        _ => Failure::Refused { why },
    }
}

fn code(said: &str) -> Option<String> {
    let body: Value = serde_json::from_str(said).ok()?;
    Some(body.get("error")?.get("code")?.as_str()?.to_owned())
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

/// Seconds since 1970 of `Wed, 21 Oct 2015 07:28:00 GMT` (RFC 9110, section 5.6.7; the form that servers must send).
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace().skip(1);
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if day == 0 || day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years from March on: the leap day is the last of the year.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
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

    #[test]
    fn a_status_says_whether_another_attempt_is_worth_anything() {
        for status in [408, 409, 425, 429, 500, 502, 503, 529] {
            assert!(matches!(of_status(status, "", None), Failure::Again { .. }), "{status}");
        }
        for status in [301, 307, 401, 403, 404, 405] {
            assert!(matches!(of_status(status, "", None), Failure::Stop { .. }), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(of_status(status, "context too long", None), Failure::Refused { .. }), "{status}");
        }
        let quota = r#"{"error": {"code": "insufficient_quota"}}"#;
        assert!(matches!(of_status(429, quota, None), Failure::Stop { .. }));
        assert_eq!(of_status(400, "too long", None).why(), "HTTP 400: too long");
    }

    #[test]
    fn retry_after_is_seconds_milliseconds_or_a_date() {
        let read = |text| retry_after(Some(text), None, 1_445_412_470);
        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        assert_eq!(read("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(read("Wed, 21 Oct 1999 07:28:00 GMT"), Some(Duration::ZERO));
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
