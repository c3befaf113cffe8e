//! The bearer token of the service.

use std::fmt;

use crate::digest::Digest;
use crate::exit_code::Stop;

/// Where the token comes from; never a flag, which other users would see.
pub const VARIABLE: &str = "ASSAY_TOKEN";

/// A token, kept as its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Digest);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// Reads `ASSAY_TOKEN`; none where it is not set.
    ///
    /// # Errors
    /// It is set and empty, or no text.
    pub fn from_environment() -> Result<Option<Self>, Stop> {
        match std::env::var(VARIABLE) {
            Ok(token) if token.is_empty() => {
                Err(Stop::Usage(format!("{VARIABLE} is empty; unset it, or give it a value")))
            }
            Ok(token) => Ok(Some(Self::new(&token))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Stop::Usage(format!("{VARIABLE} is not text"))),
        }
    }

    pub fn new(token: &str) -> Self {
        Self(Digest::of(token.as_bytes()))
    }

    /// Whether an `Authorization` header carries this token. Digests are compared, in full whatever differs, so the time it
    /// takes tells nothing of the token.
    pub fn is_in(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|value| value.split_at_checked(7)) else { return false };
        let given = Digest::of(given.trim_ascii());
        let pairs = self.0.as_str().bytes().zip(given.as_str().bytes());
        let differs = pairs.fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs));
        scheme.eq_ignore_ascii_case(b"bearer ") && std::hint::black_box(differs) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_in_a_bearer_header_will_do() {
        let token = Token::new("secret");
        let table: [(Option<&[u8]>, bool); 7] = [
            (Some(b"Bearer secret"), true),
            (Some(b"bearer  secret "), true),
            (Some(b"Bearer secre"), false),
            (Some(b"Bearer secretx"), false),
            (Some(b"Basic secret"), false),
            (Some(b"secret"), false),
            (None, false),
        ];
        for (header, fits) in table {
            assert_eq!(token.is_in(header), fits, "{:?}", header.map(String::from_utf8_lossy));
        }
        assert!(!format!("{token:?}").contains("secret"));
    }
}
