//! Where the Hub is and as whom: endpoint and token, from the environment or the usual file. The token is never shown.

use std::fmt;
use std::path::Path;

use super::error::HubError;

/// The public Hub.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Endpoint and token.
#[derive(Clone)]
pub struct Account {
    endpoint: String,
    token: Option<String>,
    /// Where the token was found, for messages.
    source: String,
}

impl Account {
    /// `HF_ENDPOINT`, else the public Hub; `HF_TOKEN`, else the file that `HF_TOKEN_PATH` names, else the one that
    /// `hf auth login` writes (`$HF_HOME/token`, by default `~/.cache/huggingface/token`).
    ///
    /// # Errors
    /// An endpoint that is not an http address; a token with characters that no token has; a token file that cannot be read;
    /// an environment that keeps the Hub's clients offline.
    pub fn find() -> Result<Self, HubError> {
        if let Some(name) = offline(|name| std::env::var(name).ok()) {
            return Err(HubError::Environment(format!(
                "{name} keeps this machine off the Hub, so nothing was sent or read; run `unset {name}`, or set it to 0, and run \
the same command again"
            )));
        }
        let set = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|v| !v.is_empty());
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        if let Some(token) = set("HF_TOKEN") {
            return Self::new(&endpoint, Some(&token), "HF_TOKEN");
        }
        let file = set("HF_TOKEN_PATH").map_or_else(|| hf_hub::hf_home().join("token"), Into::into);
        let token = read(&file)?;
        Self::new(&endpoint, token.as_deref(), &file.display().to_string())
    }

    /// An account that is known already. `source` says in messages where the token is from.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn new(endpoint: &str, token: Option<&str>, source: &str) -> Result<Self, HubError> {
        let url = reqwest::Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url.filter(|url| url.has_host() && url.username().is_empty() && url.password().is_none())
        else {
            return Err(HubError::Usage(
                "HF_ENDPOINT is not an http address without user and password; set it to e.g. https://huggingface.co"
                    .to_owned(),
            ));
        };
        if token.is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(HubError::Environment(format!(
                "the token from {source} holds white space or other characters that no token has; paste it again"
            )));
        }
        Ok(Self {
            endpoint: url.as_str().trim_end_matches('/').to_owned(),
            token: token.map(str::to_owned),
            source: source.to_owned(),
        })
    }

    /// Address without a trailing slash.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// A message without the token and without the query of any address, which may be signed.
    pub(super) fn scrub(&self, text: &str) -> String {
        let hidden = match &self.token {
            Some(token) => text.replace(token.as_str(), "<token>"),
            None => text.to_owned(),
        };
        hidden.split_inclusive(char::is_whitespace).map(without_query).collect()
    }
}

/// The variable that says to stay offline, as the Hub's own client reads it.
fn offline(get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let set = |name: &&str| get(name).is_some_and(|value| !value.is_empty());
    // The second one counts only if the first is not set.
    let name = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().find(set)?;
    let value = get(name)?.to_ascii_uppercase();
    ["1", "TRUE", "YES", "ON"].contains(&value.as_str()).then_some(name)
}

fn without_query(word: &str) -> String {
    match word.find("://").and_then(|_| word.find('?')) {
        Some(at) => {
            let after = word[at..].find(|c: char| matches!(c, ')' | ',' | '"') || c.is_whitespace());
            format!("{}{}", &word[..at], after.map_or("", |end| &word[at + end..]))
        }
        None => word.to_owned(),
    }
}

fn read(file: &Path) -> Result<Option<String>, HubError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HubError::Environment(format!("cannot read the token file {}: {error}", file.display()))),
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = if self.token.is_some() { "present" } else { "none" };
        f.debug_struct("Account").field("endpoint", &self.endpoint).field("token", &token).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_in_no_message_and_no_debug_output() {
        let account = Account::new("https://hub.example/", Some("hf_secret"), "HF_TOKEN").unwrap();
        assert_eq!(account.endpoint(), "https://hub.example");
        let said = account.scrub("Bearer hf_secret refused (url=https://cas.example/x?sig=abc, id=7) why?");
        assert_eq!(said, "Bearer <token> refused (url=https://cas.example/x, id=7) why?");
        assert!(!format!("{account:?}").contains("secret"));
    }

    #[test]
    fn offline_is_read_as_the_hubs_own_client_reads_it() {
        let of = |hub: Option<&str>, transformers: Option<&str>| {
            offline(|name| if name == "HF_HUB_OFFLINE" { hub } else { transformers }.map(str::to_owned))
        };
        for yes in ["1", "true", "True", "YES", "on"] {
            assert_eq!(of(Some(yes), None), Some("HF_HUB_OFFLINE"), "{yes}");
        }
        for no in ["", "0", "false", "no", "off", "2"] {
            assert_eq!(of(Some(no), None), None, "{no}");
        }
        assert_eq!(of(None, Some("1")), Some("TRANSFORMERS_OFFLINE"));
        assert_eq!(of(Some(""), Some("1")), Some("TRANSFORMERS_OFFLINE"));
        assert_eq!(of(Some("0"), Some("1")), None);
    }

    #[test]
    fn an_unusable_endpoint_or_token_is_named_without_being_shown() {
        for endpoint in ["hub.example", "ftp://hub.example", "https://user:word@hub.example", ""] {
            let error = Account::new(endpoint, None, "").unwrap_err().to_string();
            assert!(error.contains("HF_ENDPOINT") && !error.contains("word@"), "{error}");
        }
        let error = Account::new(DEFAULT_ENDPOINT, Some("hf_a b"), "/home/x/token").unwrap_err().to_string();
        assert!(error.contains("/home/x/token") && !error.contains("hf_a"), "{error}");
    }
}
