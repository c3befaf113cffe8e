//! A candidate: what a generation says, parsed and put on the base tree.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::generation::{GenerationRef, Skill};
use crate::model::screen::Screen;
use crate::model::strength::Doubt;
use crate::model::unread::Unread;

/// One SEARCH/REPLACE edit: `search` must occur in the file at `path`; an empty `search` creates the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edit {
    pub path: String,
    pub search: String,
    pub replace: String,
}

/// A whole file as an answer gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeFile {
    pub path: String,
    pub content: String,
}

/// An answer, understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Payload {
    /// Paths, most important first, each once.
    FileList {
        files: Vec<String>,
    },
    /// A unified diff, verbatim.
    UnifiedDiff {
        diff: String,
    },
    SearchReplace {
        edits: Vec<Edit>,
    },
    /// Whole test files.
    TestFiles {
        files: Vec<WholeFile>,
    },
    /// A reproduction script that prints the markers of the SWE-Swiss recipe.
    Script {
        content: String,
    },
}

/// Why an answer is not a usable candidate. It is data about the model, never an error of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Malformed {
    pub why: MalformedReason,
    /// What was seen, for people.
    pub detail: String,
}

/// The ways an answer fails before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MalformedReason {
    /// The completion is empty, or nothing follows the reasoning.
    Empty,
    /// The reasoning was opened and never closed: the answer was cut.
    UnfinishedReasoning,
    /// No block in any format of the skill.
    NoAnswer,
    /// A block in a known format with broken grammar.
    BadFormat,
    /// A path that is absolute, leaves the tree, enters `.git`, goes through a link or holds control characters.
    UnsafePath,
    /// A mode other than plain or executable file.
    OddMode,
    /// The diff or the edit does not apply exactly to base.
    DoesNotApply,
    /// It applies and changes nothing.
    NoChange,
    /// Larger than the limit for an answer.
    TooLarge,
}

/// Which part a path plays in a repository; decides who may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathClass {
    Source,
    Test,
    /// Data that tests read.
    Fixture,
    /// Configures the test runner.
    RunnerConfig,
    /// Packaging and build.
    BuildConfig,
    /// Read by the interpreter or shadowing what it imports at start-up.
    Startup,
    Bytecode,
    Vcs,
    Ci,
    Docs,
    /// Written by a program: parser tables, minified scripts, message classes.
    Generated,
    /// Pictures, archives, data of no text.
    Binary,
}

/// A change of the candidate that the policy took back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Stripped {
    pub path: String,
    pub class: PathClass,
}

/// A candidate put on the base tree: what runs, and what is exported if it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Prepared {
    /// Git tree that is judged: base + candidate after policy (repair), base + new tests (test), base (localization).
    pub tree: String,
    /// Git tree of the answer as submitted, where it differs from `tree`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_tree: Option<String>,
    /// Canonical unified diff base..tree. Empty for localization.
    pub diff: String,
    /// Files changed by `diff`, or the predicted files.
    pub files: Vec<String>,
    /// Predicted files that base does not have (localization).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// What the policy removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stripped: Vec<Stripped>,
    /// Recorded normalisations, e.g. `crlf`, `final_newline`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normalised: Vec<String>,
}

/// A generation, understood or not. One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    pub format: String,
    /// The generation's digest.
    pub candidate_id: Digest,
    pub instance_id: String,
    pub skill: Skill,
    pub generation: GenerationRef,
    /// `file_list`, `unified_diff`, `search_replace`, `test_files`, `script`; none when nothing was understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<Malformed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<Prepared>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<TrialTrees>,
    /// What reading the added source showed (repair).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<Screen>,
    /// Paths that it changes, and that the project is built from otherwise than its built part here was (repair).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbuilt: Vec<String>,
    /// Why reading the answer met a bug of ours. Nothing is known of it then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Git trees that a candidate's trials check out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "skill", rename_all = "snake_case")]
pub enum TrialTrees {
    Repair {
        /// Policy tree with the trusted tests laid over it.
        policy: String,
        /// The tree as submitted with the trusted tests laid over it, where the policy took something back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        submitted: Option<String>,
        /// The policy tree's trial tree with the files of the control session, where the admission has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        canary: Option<String>,
    },
    Test {
        on_base: String,
        on_gold: String,
        /// What the runner is given; the script's path for a script.
        files: Vec<String>,
        script: bool,
        /// Gold with the trusted tests and with the test's files, those left out that the trusted tests change too.
        #[serde(default)]
        in_suite: String,
        /// Those of `files` that hold a file which base has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        edited: Vec<String>,
        /// The answer's test files that `in_suite` holds as the trusted tests have them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overruled: Vec<String>,
        #[serde(default)]
        oracle: Oracle,
    },
}

/// What reading a test's source showed about how it decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Oracle {
    /// What certainly decides by something other than behaviour: path, line and what it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub doubts: BTreeSet<Doubt>,
    /// Names used that only gold defines.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub new_names: BTreeSet<String>,
    /// A module of the repository is imported or run.
    pub uses_project: bool,
    /// Places whose text does not tell what runs, so that finding nothing there means nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<Unread>,
}

impl Payload {
    /// Name of the answer format, as in `form`.
    pub fn form(&self) -> &'static str {
        match self {
            Self::FileList { .. } => "file_list",
            Self::UnifiedDiff { .. } => "unified_diff",
            Self::SearchReplace { .. } => "search_replace",
            Self::TestFiles { .. } => "test_files",
            Self::Script { .. } => "script",
        }
    }
}

impl Malformed {
    pub fn new(why: MalformedReason, detail: impl Into<String>) -> Self {
        Self { why, detail: detail.into() }
    }
}
