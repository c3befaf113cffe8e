//! A finding: what is wrong, where, and what to do. Every kind of finding is a rule with a fixed name and level that
//! scripts may rely on. All findings are counted; the first ones of a rule are kept with their place.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Findings of a rule that are kept with their place; the others are counted.
const KEPT: usize = 50;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// To know; no reason not to use the dataset.
    Note,
    /// Rows that a careful trainer leaves out.
    Warning,
    /// The dataset is not what it says it is.
    Error,
}

macro_rules! rules {
    ($($variant:ident $level:ident $what:literal $next:literal;)*) => {
        /// What can be found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Rule {
            $(#[doc = $what] $variant,)*
        }

        impl Rule {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// One sentence: what the rule finds.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// One sentence: what to do about it.
            pub fn next(self) -> &'static str {
                match self { $(Self::$variant => $next,)* }
            }
        }
    };
}

rules! {
    ManifestUnreadable Error "The manifest cannot be read, or is not as it was written."
        "Get the dataset again; if it comes so, do not use it.";
    FileChanged Error "A file has another size or digest than the manifest says."
        "Get the file again; if it comes so, it was changed after the export.";
    FileMissing Error "A file that the manifest lists is not there."
        "Get the file; a half downloaded dataset lacks some.";
    FileUnlisted Warning "A file is there that the manifest does not list."
        "Remove it, or export again so that it is listed.";
    StatementDiffers Error "The statement is missing or is not the one that follows from the manifest."
        "Get the dataset again; if it comes so, manifest or statement was changed.";
    SignatureWrong Error "The signature is missing, by another key, or does not fit the statement."
        "Ask the publisher for their public key, and get the dataset again.";
    TableUnreadable Error "A table cannot be read: cut, damaged or in another format."
        "Get the file again; rows before the damage were checked.";
    BadRow Error "A line or row is not a record."
        "Mend or remove it; the place says where it stands.";
    UnknownColumns Error "Rows of a table have no columns that are known here."
        "Name them with --column OURS=THEIRS, e.g. --column patch=diff.";
    EmptyDataset Error "There are no rows."
        "Check the path and the name of the config.";
    CountsDiffer Error "A table has another number of rows than the manifest says."
        "Get the dataset again; if it comes so, rows were added or removed.";
    RowWithoutReceipt Error "A row names a receipt that is not in the evidence."
        "Do not use the row; ask the publisher for the evidence.";
    RowContradictsReceipt Error "A row and its receipt differ: it was edited or swapped."
        "Do not use the row.";
    RowContradictsVerdict Error "A row and the verdict on its candidate differ, or the verdict is not verified."
        "Do not use the row.";
    AnswerDiffers Error "The answer in a row does not hold what its patch adds, or the files it names."
        "Do not use the row: answer and patch belong to different candidates.";
    VerdictContradictsReceipt Error "A verdict is not what its receipt says."
        "Do not use rows of this candidate; compute the verdicts again with `assay judge`.";
    EvidenceUnreadable Error "A table of the evidence cannot be read."
        "Get the evidence again; without it nothing can be checked.";
    EvidenceMissing Warning "There is no evidence that verdicts could be computed from again."
        "Ask the publisher to export with evidence; rows can be checked with --rerun only.";
    VerdictNotReproduced Error "Computed again from the evidence, the verdict is another one."
        "Do not use rows of this candidate: verdict, outcomes or candidate were edited, or judged by other rules.";
    RerunDiffers Error "Run again in a sandbox, the row's verdict is another one."
        "Look at both with `assay audit show`; leave the row out.";
    RerunNotPossible Warning "A row could not be run again."
        "The message says what was missing; name it and run again.";
    Duplicate Warning "A row says exactly what an earlier one says."
        "Keep the first.";
    NearDuplicate Warning "A row says almost what an earlier one says."
        "Keep one of them.";
    TwoLabels Warning "The same patch of an instance is labelled right in one row and wrong in another."
        "Leave the instance out, or run it again: its tests waver or its grader does.";
    Contamination Error "A row overlaps a benchmark."
        "Leave it out of training, or do not report that benchmark.";
    SolutionInIssue Warning "The problem statement or its hints hold most of the accepted change."
        "Leave the instance out: the answer can be copied.";
    LicenceUnknown Warning "The licence of the repository is not stated."
        "Find it at the base commit before training on the row.";
    EditsTests Warning "The patch changes tests or what configures their runner."
        "Take such edits back and verify again; they may be why it passes.";
    OnlyTests Warning "The patch changes nothing but tests and what configures their runner."
        "Leave the row out: it mends nothing.";
    EmptyPatch Warning "There is no patch."
        "Leave the row out, or count it as an answer that was not given.";
    UnreadablePatch Warning "The patch is not a unified diff that can be applied exactly."
        "Leave the row out; a lenient tool may have applied something else.";
    NoFailToPass Warning "No test is listed that fails before the change and passes after it."
        "Leave the instance out: nothing shows that it was solved.";
    CutTestName Warning "A listed test has a name that was cut or that is not a test's name."
        "List the tests again from structured results.";
    WeakEvidence Note "The row says nothing, or little, of how it was verified."
        "Prefer rows of level E2 and better.";
    UnstableTests Note "Tests of the instance wavered and are not expected."
        "Nothing; the remaining tests were stable.";
    LogDisagrees Error "A log says something else than the label that was published with it."
        "Trust neither; verify the patch with `assay verify`.";
    LogSuspicious Error "A log contradicts itself: it may be forged."
        "Verify the patch with `assay verify`; do not use its label.";
    LogUnreadable Warning "A log does not say whether the expected tests passed."
        "Do not use its label; name the runner with --runner if it is known.";
    ExpectationsUnreadable Warning "A row of --instances cannot be used, so logs of its instance are not graded by it."
        "Mend the row; `assay import` says what it must hold.";
    LogMissing Note "A prediction has no log."
        "Name the directory of the logs with --logs.";
}

impl Rule {
    /// Its name in files and on the command line.
    pub fn id(self) -> String {
        crate::model::name::name(&self)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id())
    }
}

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// File, relative to the dataset.
    pub file: String,
    /// Line or row, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Instance or candidate that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl Place {
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    pub fn row(file: impl Into<String>, row: u64, about: Option<&str>) -> Self {
        Self { file: file.into(), row: Some(row), about: about.map(str::to_owned) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        self.row.map_or(Ok(()), |row| write!(f, ":{row}"))?;
        self.about.as_ref().map_or(Ok(()), |about| write!(f, " ({about})"))
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    pub place: Place,
    /// What was seen.
    pub message: String,
}

/// Findings, counted per rule; of many of one rule the first are kept.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    kept: BTreeMap<Rule, Vec<Finding>>,
    counts: BTreeMap<Rule, u64>,
}

impl Findings {
    pub fn add(&mut self, rule: Rule, place: Place, message: impl Into<String>) {
        *self.counts.entry(rule).or_default() += 1;
        let kept = self.kept.entry(rule).or_default();
        if kept.len() < KEPT {
            kept.push(Finding { rule, level: rule.level(), place, message: message.into() });
        }
    }

    /// Rule -> number of findings, in the order of the rules.
    pub fn counts(&self) -> &BTreeMap<Rule, u64> {
        &self.counts
    }

    pub fn count(&self, rule: Rule) -> u64 {
        self.counts.get(&rule).copied().unwrap_or_default()
    }

    /// Those that are kept, worst first.
    pub fn kept(&self) -> Vec<Finding> {
        let mut all: Vec<_> = self.kept.values().flatten().cloned().collect();
        all.sort_by(|one, other| (other.level, one.rule).cmp(&(one.level, other.rule)));
        all
    }

    /// The worst level; none: nothing was found.
    pub fn worst(&self) -> Option<Level> {
        self.counts.keys().map(|rule| rule.level()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_all_counted_and_the_first_are_kept() {
        let mut findings = Findings::default();
        for row in 1..=80 {
            findings.add(Rule::Duplicate, Place::row("a.jsonl", row, None), "as row 1");
        }
        findings.add(Rule::FileChanged, Place::file("a.jsonl"), "other digest");
        assert_eq!(findings.count(Rule::Duplicate), 80);
        assert_eq!(findings.kept().len(), KEPT + 1);
        assert_eq!(findings.kept()[0].rule, Rule::FileChanged, "the worst comes first");
        assert_eq!(findings.worst(), Some(Level::Error));
        assert_eq!(Rule::FileChanged.id(), "file-changed");
    }
}
