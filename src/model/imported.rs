//! Where an outcome or an admission came from that was not made here: a bundle of `assay pack`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;

/// Longest name of a maker, in characters.
const LONGEST_NAME: usize = 200;

/// A bundle, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Imported {
    /// Who made the bundle, by their own word; nothing vouches for it. None: they gave no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// sha256 of the bundle's file.
    pub bundle: Digest,
    /// Version of assay that packed it.
    pub tool_version: String,
}

impl Imported {
    /// For people: in reports, tables and rows.
    pub fn told(&self) -> String {
        let by = self.by.as_deref().unwrap_or("somebody who gave no name");
        format!("made by {by} with assay {}, bundle {}", self.tool_version, self.bundle)
    }
}

/// What is wrong with the name of a maker; none if nothing is.
pub fn bad_name(name: &str) -> Option<String> {
    let plain = |letter: char| !letter.is_control() && !('\u{200b}'..='\u{206f}').contains(&letter);
    let fits = !name.trim().is_empty() && name.chars().count() <= LONGEST_NAME && name.chars().all(plain);
    (!fits).then(|| format!("a name has 1 to {LONGEST_NAME} characters, and none that controls the text around it"))
}
