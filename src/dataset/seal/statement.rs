//! The statement: what a dataset is and what it was made from, in the shape of an in-toto Statement v1
//! (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>). It follows from the manifest alone, so
//! anyone can make it again and compare.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file_names::MANIFEST;
use super::manifest::Manifest;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::receipt::Tool;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What kind of predicate it is; a name, there is nothing to fetch.
const PREDICATE_TYPE: &str = "urn:swe-assay:dataset:v1";

/// `statement.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    /// Always `https://in-toto.io/Statement/v1`.
    #[serde(rename = "_type")]
    pub type_: String,
    /// The manifest, which in turn names every file.
    pub subject: Vec<Subject>,
    /// Always `urn:swe-assay:dataset:v1`.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    pub predicate: Predicate,
}

/// A file that the statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    pub name: String,
    pub digest: SubjectDigest,
}

/// Digests of a subject, by algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectDigest {
    pub sha256: Digest,
}

/// What is stated about the dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Predicate {
    /// Always `statement.v1`.
    pub format: String,
    /// The tool that made it.
    pub tool: Tool,
    /// Merkle root over the manifest's files ([`super::merkle::root`]).
    pub merkle_root: Digest,
    /// What went in: name -> digest.
    pub inputs: BTreeMap<String, Digest>,
    /// What was asked for.
    pub settings: BTreeMap<String, Value>,
    /// Config -> rows.
    pub rows: BTreeMap<String, u64>,
    /// Reason -> candidates that did not become rows.
    pub left_out: BTreeMap<String, u64>,
}

impl Statement {
    /// The one statement that belongs to a manifest. `bytes` are those of its file.
    pub fn of(manifest: &Manifest, bytes: &[u8]) -> Self {
        Self {
            type_: STATEMENT_TYPE.to_owned(),
            subject: vec![Subject { name: MANIFEST.to_owned(), digest: SubjectDigest { sha256: Digest::of(bytes) } }],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: Predicate {
                format: format::STATEMENT.to_owned(),
                tool: manifest.contents.tool.clone(),
                merkle_root: manifest.merkle_root.clone(),
                inputs: manifest.contents.inputs.clone(),
                settings: manifest.contents.settings.clone(),
                rows: manifest.contents.configs.iter().map(|(name, config)| (name.clone(), config.rows)).collect(),
                left_out: manifest.contents.left_out.clone(),
            },
        }
    }

    /// Its bytes as they stand in the file, and as they are signed.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("the statement cannot be written as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
