//! Secrets and personal data in texts that go into a dataset: keys and tokens by their shape, e-mail addresses, and home
//! directories that carry a person's name. Pure. What is found is told by kind and place, never by content.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// A key or token that opens something.
    Secret,
    /// An e-mail address, or the name of a home directory.
    PersonalData,
}

impl Finding {
    /// Its name in counts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::PersonalData => "personal_data",
        }
    }
}

/// Shapes of keys and tokens, from the documentation of those who hand them out.
const SECRETS: [(&str, &str); 14] = [
    (
        "private key",
        r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----\s*[A-Za-z0-9+/=\s:,-]{64}",
    ),
    ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b"),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    ("Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{20,}\b"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    ("OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,}\b"),
    ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{32,}\b"),
    ("Hugging Face token", r"\bhf_[A-Za-z]{34}\b"),
    ("Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{24,}\b"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}\b"),
    ("signed web token", r"\beyJ[A-Za-z0-9_-]{16,}\.eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{20,}\b"),
    (
        "password in an address",
        r"\b[a-z][a-z0-9+.-]*://[A-Za-z0-9._~-]+:[^\s:@/'\x22{}<>$%*]{6,}@[A-Za-z0-9.-]+\.[a-z]{2,}\b",
    ),
];

static SHAPES: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(SECRETS.map(|(_, shape)| shape)).expect("the shapes are regular expressions"));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Za-z0-9][A-Za-z0-9._%+-]*@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})\b")
        .expect("a regular expression")
});
static HOME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^A-Za-z0-9_.~-])(?:/home/|/Users/|[A-Z]:\\\\?Users\\\\?)([A-Za-z][A-Za-z0-9._-]+)")
        .expect("a regular expression")
});

/// Domains that are nobody's: reserved (RFC 2606), or for mail that nobody reads.
const NOBODY: [&str; 10] = [
    "example.com",
    "example.org",
    "example.net",
    "users.noreply.github.com",
    "noreply.github.com",
    "localhost.localdomain",
    "domain.com",
    "test.com",
    "email.com",
    "company.com",
];
const NOBODY_ENDS: [&str; 5] = [".example", ".test", ".invalid", ".localhost", ".example.com"];
/// Home directories that are machines' or nobody's.
const ROLES: [&str; 22] = [
    "user",
    "username",
    "runner",
    "root",
    "ubuntu",
    "vagrant",
    "travis",
    "circleci",
    "app",
    "me",
    "name",
    "test",
    "foo",
    "shared",
    "public",
    "default",
    "jovyan",
    "docker",
    "gitpod",
    "vscode",
    "admin",
    "runneradmin",
];

/// What a text holds: the gravest finding, and its kind for people.
pub fn scan(text: &str) -> Option<(Finding, &'static str)> {
    if let Some(shape) = SHAPES.matches(text).iter().next() {
        return Some((Finding::Secret, SECRETS[shape].0));
    }
    if EMAIL.captures_iter(text).any(|found| is_somebody(&found[1])) {
        return Some((Finding::PersonalData, "e-mail address"));
    }
    let named = HOME.captures_iter(text).any(|found| !ROLES.contains(&found[1].to_lowercase().as_str()));
    named.then_some((Finding::PersonalData, "home directory"))
}

fn is_somebody(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    // `image@2x.png` and a decorator at a line's start are not addresses.
    let file = [".png", ".jpg", ".svg", ".gif", ".py", ".js", ".ts", ".md"].iter().any(|end| domain.ends_with(end));
    !file && !NOBODY.contains(&domain.as_str()) && !NOBODY_ENDS.iter().any(|end| domain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tokens_addresses_and_homes_are_found_and_placeholders_are_not() {
        // Put together here, so that this file itself holds nothing of the shape.
        let join = |parts: &[&str]| parts.concat();
        let table = [
            (join(&["key = 'AKIA", "IOSFODNN7EXAMPLE'"]), Some("AWS access key")),
            (join(&["token: ghp", "_", &"a1B2".repeat(9)]), Some("GitHub token")),
            (join(&["hf", "_", &"aB".repeat(17)]), Some("Hugging Face token")),
            (join(&["-----BEGIN RSA ", "PRIVATE KEY-----\n", &"MIIEpAIBAAKCAQEA".repeat(5)]), Some("private key")),
            ("-----BEGIN PRIVATE KEY-----\n...".to_owned(), None),
            (join(&["postgres://app:", "s3cretpw@db.corp.io/x"]), Some("password in an address")),
            ("https://user:{password}@host.org/".to_owned(), None),
            ("mail jane.doe@university.edu".to_owned(), Some("e-mail address")),
            ("mail jane@example.com or bot@users.noreply.github.com".to_owned(), None),
            ("icon@2x.png, @decorator.call".to_owned(), None),
            ("File \"/home/jdoe42/x.py\"".to_owned(), Some("home directory")),
            ("File \"/home/runner/work/x.py\" and /Users/username/x".to_owned(), None),
            ("git+https://github.com/a/b@main".to_owned(), None),
        ];
        for (text, expected) in table {
            assert_eq!(scan(&text).map(|(_, kind)| kind), expected, "{text}");
        }
    }
}
