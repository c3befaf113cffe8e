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
    /// An endpoint that is no http address; a token with characters that no token has; a token file that cannot be read.
    pub fn find() -> Result<Self, HubError> {
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
    fn an_unusable_endpoint_or_token_is_named_without_being_shown() {
        for endpoint in ["hub.example", "ftp://hub.example", "https://user:word@hub.example", ""] {
            let error = Account::new(endpoint, None, "").unwrap_err().to_string();
            assert!(error.contains("HF_ENDPOINT") && !error.contains("word@"), "{error}");
        }
        let error = Account::new(DEFAULT_ENDPOINT, Some("hf_a b"), "/home/x/token").unwrap_err().to_string();
        assert!(error.contains("/home/x/token") && !error.contains("hf_a"), "{error}");
    }
}
