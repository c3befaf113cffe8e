//! The bearer token of the service. It is compared as a digest, in full. It must be set if others can reach the
//! address.

use std::fmt;

use crate::exit_code::Stop;
use crate::model::digest::Digest;

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
    /// Reads `ASSAY_TOKEN`; `None` if it is not set.
    ///
    /// # Errors
    /// It is set to what no client can send.
    pub fn from_environment() -> Result<Option<Self>, Stop> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::read(&text).map(Some),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Stop::Usage(format!("{VARIABLE} is not text"))),
        }
    }

    /// A token without what surrounds it in a file.
    ///
    /// # Errors
    /// There is nothing else, or a header cannot carry it: the service would answer 401 to everybody.
    fn read(text: &str) -> Result<Self, Stop> {
        let token = text.trim();
        if token.is_empty() {
            return Err(Stop::Usage(format!("{VARIABLE} is empty or blank; unset it, or give it a value")));
        }
        // The token itself is not for printing.
        if let Some(place) = token.chars().position(|c| !matches!(c, ' '..='~')) {
            return Err(Stop::Usage(format!(
                "character {} of {VARIABLE} is a control character or not ASCII, so no client can send it in a header; check where it is read from",
                place + 1
            )));
        }
        Ok(Self(Digest::of(token.as_bytes())))
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
    fn a_token_is_stripped_and_one_that_nobody_can_send_is_refused() {
        for text in ["secret", "secret\n", " \tsecret\r\n"] {
            assert!(Token::read(text).is_ok_and(|token| token.is_in(Some(b"Bearer secret"))), "{text:?}");
        }
        assert!(Token::read("two words").is_ok_and(|token| token.is_in(Some(b"Bearer two words"))));
        for (text, said) in
            [("", "blank"), (" \n", "blank"), ("sec\nret", "character 4"), ("\u{feff}secret", "character 1")]
        {
            let refusal = Token::read(text).unwrap_err().to_string();
            assert!(refusal.contains(said) && !refusal.contains("ret"), "{refusal}");
        }
    }

    #[test]
    fn only_the_whole_token_in_a_bearer_header_will_do() {
        let token = Token::read("secret").unwrap();
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
