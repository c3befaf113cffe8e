//! JSON Schemas of the formats, made from the types.

use std::path::{Path, PathBuf};

use anyhow::Result;
use schemars::{Schema, schema_for};

use crate::admission_report::AdmissionReport;
use crate::audit::AuditReport;
use crate::consensus::curve::Scaling;
use crate::consensus::selection::Selection;
use crate::curriculum::report::Curriculum;
use crate::dataset::rows::{PreferenceRow, RlRow, SftRow};
use crate::dataset::seal::manifest::Manifest;
use crate::dataset::seal::signature::Envelope;
use crate::dataset::seal::statement::Statement;
use crate::intake::Quarantined;
use crate::journal::{BundleManifest, RunInfo, StoredBlob};
use crate::model::admission::Admission;
use crate::model::candidate::Candidate;
use crate::model::contest::Contest;
use crate::model::format;
use crate::model::generation::Generation;
use crate::model::instance::Instance;
use crate::model::matrix::Matrix;
use crate::model::receipt::Receipt;
use crate::model::trial::{Outcome, TestReport};
use crate::model::verdict::Verdict;
use crate::output::{Listing, write_file};
use crate::prompt::Prompt;
use crate::serve::{Answer, BatchAnswer, BatchQuestion, Problem, Question};

/// Every format and its JSON Schema (draft 2020-12), by name, e.g. `instance.v1`.
pub fn all() -> Vec<(&'static str, Schema)> {
    vec![
        (format::INSTANCE, schema_for!(Instance)),
        (format::GENERATION, schema_for!(Generation)),
        (format::CANDIDATE, schema_for!(Candidate)),
        (format::ADMISSION, schema_for!(Admission)),
        (format::CONTEST, schema_for!(Contest)),
        (format::ADMISSION_REPORT, schema_for!(AdmissionReport)),
        (format::PROMPT, schema_for!(Prompt)),
        (format::OUTCOME, schema_for!(Outcome)),
        (format::REPORT, schema_for!(TestReport)),
        (format::VERDICT, schema_for!(Verdict)),
        (format::RECEIPT, schema_for!(Receipt)),
        (format::RUN, schema_for!(RunInfo)),
        (format::QUARANTINE, schema_for!(Quarantined)),
        (format::MANIFEST, schema_for!(Manifest)),
        (format::STATEMENT, schema_for!(Statement)),
        (format::ENVELOPE, schema_for!(Envelope)),
        (format::AUDIT, schema_for!(AuditReport)),
        (format::BLOB, schema_for!(StoredBlob)),
        (format::BUNDLE, schema_for!(BundleManifest)),
        (format::SFT_ROW, schema_for!(SftRow)),
        (format::PREFERENCE_ROW, schema_for!(PreferenceRow)),
        (format::RL_ROW, schema_for!(RlRow)),
        (format::CURRICULUM, schema_for!(Curriculum)),
        (format::MATRIX, schema_for!(Matrix)),
        (format::SCALING, schema_for!(Scaling)),
        (format::SELECTION, schema_for!(Selection)),
        (format::OUTPUTS, schema_for!(Listing)),
        (format::REWARD, schema_for!(Answer)),
        (format::REWARD_QUESTION, schema_for!(Question)),
        (format::REWARD_BATCH, schema_for!(BatchAnswer)),
        (format::REWARD_BATCH_QUESTION, schema_for!(BatchQuestion)),
        (format::REWARD_ERROR, schema_for!(Problem)),
    ]
}

/// The schema of one format, by name with or without its version.
pub fn of(name: &str) -> Option<Schema> {
    let found = all().into_iter().find(|(known, _)| {
        *known == name || known.rsplit_once(".v").is_some_and(|(unversioned, _)| unversioned == name)
    });
    found.map(|(_, schema)| schema)
}

/// A schema as it stands in its file.
pub fn text(schema: &Schema) -> String {
    let mut text = format!("{:#}", schema.as_value());
    text.push('\n');
    text
}

/// Writes `<format>.json` for every format into a directory; gives the paths.
pub fn write_all(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (name, schema) in all() {
        let path = directory.join(format!("{name}.json"));
        write_file(&path, text(&schema).as_bytes())?;
        paths.push(path);
    }
    Ok(paths)
}
