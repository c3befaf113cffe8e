//! A receipt: the digest over everything a verdict rests on, so that anyone can check it again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::format;
use crate::model::verdict::{Reason, VerdictStatus};

/// The program that made something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    pub name: String,
    pub version: String,
}

impl Tool {
    /// This build.
    pub fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// What a verdict rests on, by content. Equal evidence gives an equal receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Always `receipt.v1`.
    pub format: String,
    pub candidate_id: Digest,
    /// [`crate::model::instance::Instance::digest`].
    pub instance: Digest,
    /// Digest of the [`crate::model::admission::Admission`] record.
    pub admission: Digest,
    /// Digest of the bytes of the canonical diff; of no bytes where there is none.
    pub patch: Digest,
    /// Git tree that was judged; empty where nothing could be checked out.
    pub tree: String,
    /// Trial id and digest of its outcome, in the order the judge looked at them.
    pub trials: Vec<(Digest, Digest)>,
    pub status: VerdictStatus,
    pub reason: Reason,
    pub tool: Tool,
}

impl Receipt {
    /// Names the receipt. A verdict and a row carry this digest.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// The format of receipts written here.
    pub fn format_name() -> String {
        format::RECEIPT.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            format: Receipt::format_name(),
            candidate_id: Digest::of(b"candidate"),
            instance: Digest::of(b"instance"),
            admission: Digest::of(b"admission"),
            patch: Digest::of(b""),
            tree: "a".repeat(40),
            trials: vec![(Digest::of(b"trial"), Digest::of(b"outcome"))],
            status: VerdictStatus::Verified,
            reason: Reason::Resolved,
            tool: Tool::this(),
        }
    }

    #[test]
    fn a_receipt_changes_with_the_outcome_it_rests_on_and_survives_a_round_trip() {
        let one = receipt();
        let mut other = receipt();
        other.trials[0].1 = Digest::of(b"another outcome");
        assert_ne!(one.digest(), other.digest());
        let back: Receipt = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert_eq!(back.digest(), one.digest());
    }
}
