//! A blob as one line of JSON: how evidence and bundles keep it.

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::format;

/// A blob of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredBlob {
    /// Always `blob.v1`.
    pub format: String,
    /// Digest of the content.
    pub sha256: Digest,
    /// The content where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The content, base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl StoredBlob {
    pub fn of(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 = if text.is_some() { None } else { Some(STANDARD.encode(bytes)) };
        Self { format: format::BLOB.to_owned(), sha256: Digest::of(bytes), text, base64 }
    }

    /// The content, checked against its digest.
    ///
    /// # Errors
    /// Content that is missing, cannot be decoded or is not what the digest names.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let id = &self.sha256;
        let bytes = match (&self.text, &self.base64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(base64)) => STANDARD.decode(base64).with_context(|| format!("blob {id} is not base64"))?,
            _ => bail!("blob {id} must have one of text and base64"),
        };
        if Digest::of(&bytes) != *id {
            bail!("blob {id} does not hold what its digest names; it was changed after it was written");
        }
        Ok(bytes)
    }
}
