//! Benchmarks that a dataset must not overlap: by instance, base commit, accepted change, and text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::shape::{Facts, facts};
use crate::dataset::select::near::{Seen, Signature, diff_shingles, shingles};
use crate::exit_code::Stop;
use crate::intake::each_record;
use crate::model::digest::Digest;

/// Texts are taken for the same from this estimated share of common shingles on.
const NEAR: f64 = 0.85;
const FEW_SHINGLES: usize = 24;

/// What the named benchmark files hold.
#[derive(Debug, Default)]
pub struct Benchmarks {
    instances: BTreeSet<String>,
    /// Base commit -> instance.
    commits: BTreeMap<String, String>,
    /// Digest of the squeezed accepted change -> instance.
    changes: BTreeMap<Digest, String>,
    texts: Seen,
    /// Instance of every text.
    owners: Vec<String>,
    /// Rows of the files that name no instance or cannot be read: nothing was compared with them.
    unread: u64,
}

impl Benchmarks {
    /// Reads benchmark files: rows of the SWE-bench family.
    ///
    /// # Errors
    /// A file that cannot be read, or in which no row has an `instance_id`.
    pub fn read(files: &[impl AsRef<Path>]) -> Result<Self> {
        let mut benchmarks = Self::default();
        for file in files {
            let (file, before) = (file.as_ref(), benchmarks.instances.len());
            each_record(file, &mut |record| match record.row.map(facts) {
                Ok(row) if row.instance_id.is_some() => benchmarks.add(&row),
                Ok(_) | Err(_) => benchmarks.unread += 1,
            })
            .with_context(|| format!("reading benchmark {}", file.display()))?;
            if benchmarks.instances.len() == before {
                return Err(Stop::Usage(format!(
                    "{} has no row with an instance_id; name a file of SWE-bench-style rows",
                    file.display()
                ))
                .into());
            }
        }
        Ok(benchmarks)
    }

    /// Instances, and rows that are none.
    pub fn counts(&self) -> (u64, u64) {
        (self.instances.len() as u64, self.unread)
    }

    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    pub fn add(&mut self, facts: &Facts) {
        let Some(id) = &facts.instance_id else { return };
        self.instances.insert(id.to_ascii_lowercase());
        self.commits.extend(facts.base_commit.clone().filter(|commit| commit.len() >= 7).map(|c| (c, id.clone())));
        self.changes.extend(facts.patch.as_deref().and_then(change).map(|digest| (digest, id.clone())));
        let patch = facts.patch.as_deref().map(diff_shingles);
        let problem = facts.problem.as_deref().map(shingles);
        for text in [patch, problem].into_iter().flatten().filter(|text| text.len() >= FEW_SHINGLES) {
            self.texts.add(Signature::of(text));
            self.owners.push(id.clone());
        }
    }

    /// How a row overlaps; none: it does not.
    pub fn overlap(&self, facts: &Facts) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        if let Some(id) = facts.instance_id.as_ref().filter(|id| self.instances.contains(&id.to_ascii_lowercase())) {
            return Some(format!("it is benchmark instance {id}"));
        }
        if let Some(of) = facts.base_commit.as_ref().and_then(|commit| self.commits.get(commit)) {
            return Some(format!("it has the base commit of {of}"));
        }
        if let Some(of) = facts.patch.as_deref().and_then(change).and_then(|digest| self.changes.get(&digest)) {
            return Some(format!("its patch is the accepted change of {of}"));
        }
        let patch = facts.patch.as_deref().map(|patch| ("patch", diff_shingles(patch)));
        let problem = facts.problem.as_deref().or(facts.prompt.as_deref()).map(|text| ("issue", shingles(text)));
        let mut texts = [patch, problem].into_iter().flatten().filter(|(_, text)| text.len() >= FEW_SHINGLES);
        texts.find_map(|(what, text)| {
            let found = self.texts.find(&Signature::of(text), NEAR)?;
            Some(format!("its {what} is almost that of {}", self.owners[found]))
        })
    }
}

/// Names a change by the lines it adds and removes, white space aside; `None` if that is next to nothing.
fn change(patch: &str) -> Option<Digest> {
    let changed = patch
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("+++ ") && !line.starts_with("--- "));
    let squeezed: String = changed.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect();
    (squeezed.len() >= 20).then(|| Digest::of(squeezed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(row: Value) -> Facts {
        let Value::Object(row) = row else { panic!("a row is an object") };
        facts(row)
    }

    #[test]
    fn overlaps_are_found_by_every_sign_alone() {
        let patch = "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = slow(items)\n+x = fast(items)\n";
        let issue = (0..40).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ");
        let mut benchmarks = Benchmarks::default();
        benchmarks
            .add(&read(json!({"instance_id": "psf__requests-1", "repo": "psf/requests", "base_commit": "abcdef01",
            "patch": patch, "problem_statement": issue})));
        let other =
            json!({"instance_id": "x-1", "repo": "x/x", "base_commit": "0", "patch": "", "problem_statement": "p"});
        assert_eq!(benchmarks.overlap(&read(other.clone())), None);
        for (name, value, sign) in [
            ("instance_id", json!("PSF__requests-1"), "benchmark instance"),
            ("base_commit", json!("abcdef01"), "base commit"),
            ("patch", json!(patch.replace("a.py", "moved/b.py")), "accepted change"),
            ("problem_statement", json!(format!("{issue} once more")), "its issue is almost"),
        ] {
            let mut row = other.clone();
            row[name] = value;
            assert!(benchmarks.overlap(&read(row)).unwrap().contains(sign), "{name}");
        }
    }
}
