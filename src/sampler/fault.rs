//! An error as endpoints write it into a body, taken apart. Pure. An error that comes with status 200 is what its own
//! code says, or else its type. An error with neither is asked again.

use serde_json::{Map, Value};

use super::terms::{Field, named};

/// An error in a body or in a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The HTTP status that the error names itself.
    code: Option<u16>,
    /// Its type, or a code that is a word, in lower case letters and digits alone.
    names: Vec<String>,
    /// The field of the request that it is about.
    param: Option<String>,
    message: String,
}

/// Fields that hold an HTTP status or the name of an error.
const CODES: [&str; 9] =
    ["code", "type", "status", "status_code", "statusCode", "http_status", "http_code", "error_type", "error_code"];

/// Fields that hold what is said to a person.
const MESSAGES: [&str; 7] = ["message", "msg", "detail", "details", "error_msg", "error_message", "error_description"];

/// Fields that are lists if the body is an answer.
const ANSWERS: [&str; 2] = ["choices", "data"];

/// Longest message that is taken for the name of an error, such as `Not Found`.
const LONGEST_NAME: usize = 40;

/// What names mean as HTTP statuses; the first line that fits counts, for `invalid_request_error` often stands beside a more
/// exact name. An error that fits none may go well another time.
const NAMES: [(u16, &[&str]); 5] = [
    (
        402,
        &[
            "insufficientquota",
            "currentquota",
            "insufficientbalance",
            "insufficientcredit",
            "paymentrequired",
            "billing",
            "accountdeactivated",
        ],
    ),
    (429, &["ratelimit", "toomanyrequests", "overload", "resourceexhausted", "throttl"]),
    (401, &["apikey", "authentication", "notauthenticated", "unauthenticated", "unauthorized"]),
    (404, &["notfound"]),
    (403, &["permission", "forbidden", "accessdenied"]),
];

/// Names of errors that are about this one request.
const REFUSALS: [&str; 13] = [
    "badrequest",
    "contentfilter",
    "contentpolicy",
    "contextlength",
    "contextsize",
    "contextwindow",
    "invalidargument",
    "invalidprompt",
    "invalidrequest",
    "unknownparameter",
    "unprocessable",
    "unsupported",
    "validationerror",
];

impl Fault {
    /// The error that a body is, in any of the usual forms: below `error` or `errors`, marked as an error, or a message without
    /// an answer.
    pub fn in_body(body: &Value) -> Option<Self> {
        let body = match body {
            Value::Array(rows) if rows.len() == 1 => &rows[0],
            other => other,
        };
        if let Some(fault) = Self::beside(body) {
            return Some(fault);
        }
        let fields = body.as_object()?;
        let answers = ANSWERS.iter().any(|name| fields.get(*name).is_some_and(is_said));
        let marked = ["object", "type"].iter().any(|name| fields.get(*name).and_then(Value::as_str) == Some("error"));
        let speaks = MESSAGES.iter().chain(&CODES).any(|name| fields.get(*name).is_some_and(is_said));
        (marked || (speaks && !answers)).then(|| Self::of(body, None))
    }

    /// The error below `error` or `errors`.
    pub fn beside(value: &Value) -> Option<Self> {
        let error = ["error", "errors"].iter().find_map(|name| value.get(*name).filter(|error| is_said(error)))?;
        Some(match error {
            Value::Array(errors) => Self::of(&errors[0], Some(value)),
            Value::Bool(_) => Self::of(value, None),
            error => Self::of(error, Some(value)),
        })
    }

    /// The error and what stands around it, which may hold the code.
    fn of(error: &Value, around: Option<&Value>) -> Self {
        let mut fault = Self { message: message(error), ..Self::default() };
        for fields in [Some(error), around].into_iter().flatten().filter_map(Value::as_object) {
            fault.code = fault.code.or_else(|| CODES.iter().find_map(|name| status(fields.get(*name)?)));
            fault.names.extend(CODES.iter().filter_map(|name| Some(squashed(fields.get(*name)?.as_str()?))));
            let param = fields.get("param").or_else(|| fields.get("parameter")).and_then(Value::as_str);
            fault.param = fault.param.or_else(|| param.map(str::to_owned));
        }
        if fault.message.len() <= LONGEST_NAME {
            fault.names.push(squashed(&fault.message));
        }
        fault
    }

    /// An error that is a text and no more.
    pub fn of_text(text: &str) -> Self {
        Self { message: text.to_owned(), ..Self::default() }
    }

    /// What is said to a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status that it stands for, by its code, else by its names. Quotas that are used up come as 429 too, but waiting does
    /// not fill an account.
    pub fn status(&self) -> Option<u16> {
        match self.code {
            Some(429) if self.is_unpaid() => Some(402),
            Some(code) => Some(code),
            None => self.status_of_names(),
        }
    }

    /// Whether the account is empty.
    pub fn is_unpaid(&self) -> bool {
        self.status_of_names() == Some(402)
    }

    fn status_of_names(&self) -> Option<u16> {
        let has = |parts: &[&str]| self.names.iter().any(|name| parts.iter().any(|part| name.contains(part)));
        let exact = NAMES.iter().find(|(_, parts)| has(parts)).map(|(status, _)| *status);
        exact.or_else(|| has(&REFUSALS).then_some(400))
    }

    /// The fields of the request that it will not take.
    pub fn fields(&self) -> Vec<Field> {
        let plain = self.names.iter().any(|name| name.contains("unsupported") || name.contains("unknownparameter"));
        named(self.param.as_deref(), &self.message, plain)
    }
}

/// Whether a field says anything: servers send empty ones beside whole answers.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(fields) => fields.values().any(is_said),
    }
}

/// A number that is the status of an error.
fn status(value: &Value) -> Option<u16> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    (number.fract() == 0.0 && (400.0..600.0).contains(&number)).then_some(number as u16)
}

fn message(error: &Value) -> String {
    let Some(fields) = error.as_object() else {
        return error.as_str().map_or_else(|| error.to_string(), str::to_owned);
    };
    let said = |name: &&str| fields.get(*name).filter(|value| is_said(value));
    let Some(message) = MESSAGES.iter().find_map(said) else { return error.to_string() };
    let message = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
    // Gateways put what their provider said here.
    match fields.get("metadata").and_then(Value::as_object).map(provider) {
        Some(Some(raw)) => format!("{message}: {raw}"),
        _ => message,
    }
}

fn provider(metadata: &Map<String, Value>) -> Option<String> {
    let raw = metadata.get("raw").filter(|raw| is_said(raw))?;
    Some(raw.as_str().map_or_else(|| raw.to_string(), str::to_owned))
}

fn squashed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_found_in_every_form_with_their_status_and_message() {
        for (body, status, said) in [
            (json!({"error": {"code": 404, "message": "no such model"}}), Some(404), "no such model"),
            (json!({"error": {"code": "402", "message": "no credit left"}}), Some(402), "no credit left"),
            (json!({"error": {"message": "later", "type": "rate_limit_error"}}), Some(429), "later"),
            (json!({"error": {"message": "busy", "type": "overloaded_error"}, "type": "error"}), Some(429), "busy"),
            (json!({"error": {"message": "?", "type": "insufficient_quota", "code": 429}}), Some(402), "?"),
            (
                json!({"error": {"message": "?", "type": "invalid_request_error", "code": "invalid_api_key"}}),
                Some(401),
                "?",
            ),
            (json!({"error": {"message": "?", "type": "invalid_request_error"}}), Some(400), "?"),
            (json!({"error": {"message": "boom"}}), None, "boom"),
            (json!({"error": "boom"}), None, "boom"),
            (json!({"error": "Rate limit of this API key"}), Some(429), "Rate limit"),
            (json!({"error": "Unauthorized", "statusCode": 401}), Some(401), "Unauthorized"),
            (json!({"error": true, "message": "gone", "status": 404}), Some(404), "gone"),
            (json!({"errors": [{"code": 10_000, "message": "Authentication error"}]}), Some(401), "Authentication"),
            (json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "bad"}}]), Some(400), "bad"),
            (json!({"object": "error", "code": 404, "message": "no model m", "choices": []}), Some(404), "no model m"),
            (json!({"object": "error", "type": "NotFoundError", "message": "x", "code": null}), Some(404), "x"),
            (json!({"code": 503, "message": "starting"}), Some(503), "starting"),
            (json!({"code": 1301, "msg": "odd", "data": null}), None, "odd"),
            (json!({"detail": "Not Found"}), Some(404), "Not Found"),
            (json!({"detail": [{"loc": ["body", "n"], "msg": "too big"}]}), None, "too big"),
            (json!({"error": {"code": 502, "message": "Provider", "metadata": {"raw": "died"}}}), Some(502), "died"),
        ] {
            let fault = Fault::in_body(&body).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(fault.status(), status, "{body}");
            assert!(fault.message().contains(said), "{body}: {}", fault.message());
        }
    }

    #[test]
    fn answers_and_empty_fields_are_no_errors() {
        for body in [
            json!({"choices": [{}], "error": null}),
            json!({"choices": [{}], "error": "", "errors": [], "code": 0, "message": ""}),
            json!({"choices": [{}], "error": {"code": 0, "message": ""}, "status": "completed"}),
            json!({"data": [{}], "type": "list", "message": "ok"}),
            json!({"choices": []}),
            json!({}),
            json!([1, 2]),
            json!(null),
        ] {
            assert_eq!(Fault::in_body(&body), None, "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_message_is_read_without_a_panic(text in "\\PC{0,60}", code in "[0-9eE.NaInf-]{0,6}") {
            let fault = Fault::in_body(&json!({"error": {"message": text, "code": code}, "detail": [text]}));
            fault.unwrap_or_default().status();
        }
    }
}
