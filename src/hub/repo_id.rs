//! The name of a dataset repository: `owner/name`.

use std::fmt;
use std::str::FromStr;

/// `owner/name`, both of letters, digits, `-`, `_` and `.`, as the Hub allows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepoId {
    owner: String,
    name: String,
}

impl RepoId {
    /// User or organisation.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Name below the owner.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RepoId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |part: &str| {
            let edge = |byte: Option<&u8>| byte.is_some_and(|byte| !matches!(byte, b'-' | b'.'));
            part.len() <= 96
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
                && edge(part.as_bytes().first())
                && edge(part.as_bytes().last())
                && !part.contains("..")
                && !part.contains("--")
        };
        match text.split_once('/') {
            Some((owner, name)) if fits(owner) && fits(name) && !name.ends_with(".git") => {
                Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!(
                "{text:?} is not the name of a dataset repository; give owner/name, of letters, digits, '-', '_' and '.'"
            )),
        }
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_and_a_name_are_taken_and_nothing_that_would_change_an_address() {
        let id: RepoId = "team-1/swe_rows.v2".parse().unwrap();
        assert_eq!((id.owner(), id.name(), id.to_string().as_str()), ("team-1", "swe_rows.v2", "team-1/swe_rows.v2"));
        for wrong in ["", "rows", "a/b/c", "a/", "/b", "a/..", "../b", "a b/c", "a/b?x", "a/b.git", "-a/b", "a/b--c"] {
            let message = wrong.parse::<RepoId>().unwrap_err();
            assert!(message.contains("owner/name"), "{wrong}: {message}");
        }
    }
}
