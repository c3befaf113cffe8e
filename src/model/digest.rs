//! Content identity: sha256, written as 64 lower-case hex digits.

use std::fmt;
use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A sha256 in lower-case hex. Candidates, trials, images and receipts are named by one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// What was written by others may say anything. A digest becomes the name of a file.
impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(hex: String) -> Result<Self, String> {
        let plain = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if plain { Ok(Self(hex)) } else { Err(format!("{hex:?} is not a sha256 in lower-case hex")) }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl Digest {
    /// Digest of raw bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(bytes)))
    }

    /// Digest of everything a reader gives, a piece at a time.
    ///
    /// # Errors
    /// Whatever the reader fails with.
    pub fn of_reader(mut reader: impl io::Read) -> io::Result<Self> {
        let mut hasher = Sha256::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(Self(hex::encode(hasher.finalize()))),
                Ok(read) => hasher.update(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Digest of a value's [`canonical_json`].
    pub fn of_json<T: Serialize>(value: &T) -> Self {
        Self::of(&canonical_json(value))
    }

    /// A digest that was written as text.
    ///
    /// # Errors
    /// What is wrong with text that is not 64 lower-case hex digits.
    pub fn from_hex(hex: &str) -> Result<Self, String> {
        hex.to_owned().try_into()
    }

    /// The digest that was computed elsewhere.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The first sixteen digits as a number: enough to order by. 0 if they are not digits.
    pub fn leading(&self) -> u64 {
        self.0.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits: enough for a directory name that people read.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value as JSON with object keys sorted and no white space: equal values give equal bytes.
///
/// # Panics
/// If the value cannot be written as JSON (a map with keys that are not strings): a bug of ours.
pub fn canonical_json<T: Serialize>(value: &T) -> Vec<u8> {
    let value = serde_json::to_value(value).expect("only JSON-shaped values are digested");
    sorted(value).to_string().into_bytes()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_sha256_is_not_read_as_one() {
        let digest = Digest::of(b"x");
        assert_eq!(serde_json::from_value::<Digest>(json!(digest.as_str())).unwrap(), digest);
        assert_eq!(serde_json::to_value(&digest).unwrap(), json!(digest.as_str()));
        for other in ["", "abc", "../../../../etc/passwd", &digest.as_str().to_uppercase(), &"ä".repeat(32)] {
            let why = serde_json::from_value::<Digest>(json!(other)).unwrap_err().to_string();
            assert!(why.contains("is not a sha256 in lower-case hex"), "{why}");
        }
    }

    #[test]
    fn the_digest_of_json_does_not_depend_on_key_order() {
        let one = json!({"b": [1, {"y": 1, "x": 2}], "a": null});
        let two = json!({"a": null, "b": [1, {"x": 2, "y": 1}]});
        assert_eq!(Digest::of_json(&one), Digest::of_json(&two));
        assert_ne!(Digest::of_json(&one), Digest::of_json(&json!({"a": null, "b": [{"x": 2, "y": 1}, 1]})));
    }

    #[test]
    fn a_reader_and_its_bytes_have_one_digest() {
        let bytes = vec![7; 200_000];
        assert_eq!(Digest::of_reader(bytes.as_slice()).unwrap(), Digest::of(&bytes));
    }

    #[test]
    fn the_digest_of_bytes_is_sha256() {
        assert_eq!(Digest::of(b"").as_str(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
