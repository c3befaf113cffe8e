//! An admission: what running base and gold showed about an instance, and which tests its candidates must pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::channel::Channel;
use crate::model::digest::Digest;
use crate::model::format;
use crate::model::generation::Skill;
use crate::model::imported::Imported;
use crate::model::instance::Instance;
use crate::model::layout::Layout;
use crate::model::lost::Lost;
use crate::model::lost_tests::LostTests;
use crate::model::part_of_suite::PartOfSuite;
use crate::model::suite::Suite;
use crate::model::test_record::{Standing, TestRecord};
use crate::model::trial::{Limits, Note};
use crate::model::verdict::Evidence;

/// Whether a repair's last tests and its control session are one session of the runner, or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    One,
    Split,
}

/// Why an instance cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The gold patch or the test patch does not apply to base.
    PatchDoesNotApply,
    /// The test patch names no test file that the runner collects.
    NoTestFiles,
    /// No test is listed or derived that fails on base and passes on gold.
    EmptyFailToPass,
    /// Every listed fail-to-pass test passes on base.
    BasePasses,
    /// The tests that might fail on base and pass on gold do so only now and then.
    NoStableFailToPass,
    /// They do so only in some orders.
    OrderDependent,
    /// They need the network, which no sandbox has.
    NetworkDependent,
    /// The run on base ends early, and base never came to them, not even by themselves.
    BaseDoesNotEnd,
    /// The run on gold did not end, or no expected test passes there.
    GoldFails,
    /// Too many test files of the suite, or one that gold changes, say nothing here.
    LostTestFiles,
    /// A listed fail-to-pass test, or too many listed pass-to-pass tests, cannot be judged by here: for example, they need the
    /// network, or their results differ.
    LostListedTests,
    /// The environment holds another release of the project itself.
    AnswerInImage,
    /// The environment could not be made or the image is missing.
    NoEnvironment,
    /// The sandbox failed more often than the retry cap allows.
    SandboxFailed,
    /// The base commit is not in the repository.
    BaseNotFound,
}

impl fmt::Display for Refusal {
    /// Its name in files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::name::name(self))
    }
}

/// What is known about an instance after admission. One record of the journal, cached by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Admission {
    pub format: String,
    pub instance_id: String,
    /// Digest of instance, image and adapter: the admission holds for these only.
    pub key: Digest,
    /// None: admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// For people: what was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub image: Option<Digest>,
    /// None when the patches do not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trees: Option<Trees>,
    /// Derived: fail on base and pass on gold, each time.
    pub fail_to_pass: Vec<String>,
    /// Derived: pass on both, each time that they ran ([`Split::once`]).
    pub pass_to_pass: Vec<String>,
    /// Whether the instance lists pass-to-pass tests, so that only few of them may leave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lists_pass_to_pass: bool,
    /// Tests that do not plainly pass on base and gold, with what was seen of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tests: BTreeMap<String, TestRecord>,
    /// Tests that left the expectations because they wobbled, with what was seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unstable: BTreeMap<String, String>,
    /// Listed expectations that running did not confirm, with what was seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub disagreements: BTreeMap<String, String>,
    /// How the expected tests are run: those files that hold fail-to-pass tests first, then the rest. Empty when refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splits: Vec<Split>,
    /// Source files that gold changes: the first accepted location set.
    pub gold_files: Vec<String>,
    /// Parts of gold without which, all together, every expected test passes. None: nobody looked (`--minimal-gold`). Files
    /// that hold nothing else are not among `gold_files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unneeded: Option<Vec<GoldPart>>,
    /// Adapter name and version, as in [`crate::model::trial::TestPlan`].
    pub framework: String,
    /// Where the reports of its runs come from. It caps the evidence of candidates.
    #[serde(default, skip_serializing_if = "Channel::is_default")]
    pub channel: Channel,
    /// Repeats of base and of gold each, of the files that are repeated.
    pub repeats: u32,
    /// Limits for candidates; the deadline is derived from the slowest gold run.
    pub limits: Limits,
    /// Modules of the environment that gold itself takes from the tree: no alarm on a candidate.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub shadows: BTreeSet<String>,
    /// Which test files are not part of the suite, and which run apart; none where all run, and together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<Suite>,
    /// Test files of the suite that nothing can be judged by; none where every one loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// Listed tests that nothing can be judged by, and listed names that are no test here; none where there are neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_tests: Option<LostTests>,
    /// What the project declares for its tests and the environment does not have, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_installed: Vec<String>,
    /// How much of the suite ran, if not all of it; what is verified is then worth E1 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartOfSuite>,
    /// Trials the admission rests on.
    pub trials: Vec<Digest>,
    /// The bundle that outcomes of these trials came from; none: nothing was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// None: refused, or no fail-to-pass test has a canary that gold fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canaries: Option<Canaries>,
    /// None: no test has inputs to which gold and base answer differently, or too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// File of the sentinels (`framework::sentinel`); none where the runner does not run them on gold as it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinels: Option<String>,
    /// Admission saw that the second split and the control session hold on gold in one run, and so they run together for
    /// candidates. Only older records say so; see `one_session`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joint: bool,
    /// Git tree of gold under the files of the control session. The first candidate that comes there has gold run it together with
    /// the second split. If gold holds, the two are one run for candidates. None: they run apart, unless `joint` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_session: Option<String>,
    /// The runner-free re-run; none where it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Plain>,
}

/// Fail-to-pass tests that pass on gold and fail on base without their runner too: a candidate must pass them there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plain {
    /// Their test files.
    pub files: Vec<String>,
    pub tests: Vec<String>,
    /// Those whose canary gold fails without the runner as well.
    pub canaries: Vec<String>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Fail-to-pass tests with changed expectations, proved on gold: each fails there, so each must fail on a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Canaries {
    /// Git tree of gold with the mutated test files; candidates take `files` from it.
    pub tree: String,
    /// Mutated test files.
    pub files: Vec<String>,
    /// Proven canaries by test id.
    pub tests: BTreeMap<String, CanaryStrength>,
}

/// Fail-to-pass tests with other inputs: the same answers are wanted from a candidate as from gold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldOut {
    /// Git tree of gold with the held-out files; candidates take `files` from it.
    pub tree: String,
    pub files: Vec<String>,
    pub checks: BTreeMap<String, Check>,
}

/// One held-out test: what gold and base answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The case of the instance's own tests that its inputs are near to.
    pub case: String,
    pub gold: Vec<Note>,
    /// None: base does not collect it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Answered>,
}

/// How a held-out test went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    pub notes: Vec<Note>,
    /// It ended in an exception.
    pub failed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a canary's failure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CanaryStrength {
    /// Expected constants were changed.
    Strong,
    /// The test ends in a failing statement; its own expectations are as they were.
    Weak,
}

/// A part of the gold change: a hunk, or a whole file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GoldPart {
    pub path: String,
    /// First line at base that it changes, from 1; with no lines, the line after which it inserts; 0: the whole file.
    pub start: u32,
    /// Lines at base that it changes.
    pub lines: u32,
}

/// Git trees of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trees {
    pub base: String,
    /// Base + gold patch.
    pub gold: String,
    /// Base with the trusted tests: the layer that trials start from.
    pub tested_base: String,
    /// Gold with the trusted tests.
    pub tested_gold: String,
    /// Which files are tests, and where modules are imported from.
    #[serde(default)]
    pub layout: Layout,
}

/// One run of the plan: test files, and the expected tests that they hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    pub files: Vec<String>,
    pub expected: Vec<String>,
    /// Base and gold ran these files once, with all others. Gold repeats them if a verdict would rest on a test of theirs that
    /// failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

impl Admission {
    /// An admission before anything was run. `framework`: name and version of the runner, or its name alone if there is no such runner.
    pub fn new(instance: &Instance, key: Digest, framework: String, repeats: u32, limits: Limits) -> Self {
        Self {
            format: format::ADMISSION.to_owned(),
            instance_id: instance.instance_id.clone(),
            key,
            refusal: None,
            detail: String::new(),
            image: None,
            trees: None,
            fail_to_pass: Vec::new(),
            pass_to_pass: Vec::new(),
            lists_pass_to_pass: !instance.pass_to_pass.is_empty(),
            tests: BTreeMap::new(),
            unstable: BTreeMap::new(),
            disagreements: BTreeMap::new(),
            splits: Vec::new(),
            gold_files: Vec::new(),
            unneeded: None,
            framework,
            channel: Channel::default(),
            repeats,
            limits,
            shadows: BTreeSet::new(),
            suite: None,
            lost: None,
            lost_tests: None,
            not_installed: Vec::new(),
            part: None,
            trials: Vec::new(),
            imported: None,
            canaries: None,
            held_out: None,
            sentinels: None,
            joint: false,
            one_session: None,
            plain: None,
        }
    }

    pub fn admitted(&self) -> bool {
        self.refusal.is_none()
    }

    /// Names what the admission says. Who made it is left out: an imported admission is the one that its maker has.
    pub fn digest(&self) -> Digest {
        Digest::of_json(&Self { imported: None, ..self.clone() })
    }

    /// The admission refused, because the sandbox failed when something was to be proved for it.
    pub fn sandbox_failed(self, detail: String) -> Self {
        Self { refusal: Some(Refusal::SandboxFailed), detail, splits: Vec::new(), ..self }
    }

    /// Whether candidates that pass everything run a control session.
    pub fn has_controls(&self) -> bool {
        self.canaries.as_ref().is_some_and(|canaries| !canaries.tests.is_empty())
            || self.held_out.is_some()
            || self.sentinels.is_some()
    }

    /// Held-out tests that candidates run.
    pub fn held_out_count(&self) -> usize {
        self.held_out.as_ref().map_or(0, |held_out| held_out.checks.len())
    }

    /// The most that a verified answer is worth if its report comes by this channel; `None` if there is no bound. `read` says
    /// whether anything reads the language. A strong canary of the admission failed on gold, and a repair is verified only if
    /// every canary failed on it too. A generated test has no canary. Nothing of a localization is run.
    pub fn bound(&self, channel: Channel, read: bool, skill: Skill) -> Option<Evidence> {
        let [strong, ..] = self.canary_counts();
        match skill {
            Skill::Localization => None,
            Skill::Test => channel.most(false, read),
            Skill::Repair => channel.most(strong > 0, read),
        }
    }

    /// Pass-to-pass tests that base and gold ran once; the others were repeated.
    pub fn seen_once(&self) -> impl Iterator<Item = &String> {
        self.splits.iter().filter(|split| split.once).flat_map(|split| &split.expected)
    }

    /// The splits that hold fail-to-pass tests. There is one, unless test files run apart.
    pub fn splits_of_change(&self) -> impl Iterator<Item = &Split> {
        self.splits.iter().filter(|split| split.expected.iter().any(|id| self.fail_to_pass.contains(id)))
    }

    /// Tests that left because gold fails in them for want of a network. A repair that passed everything else runs them: it must
    /// fail as gold does.
    pub fn witnesses(&self) -> Vec<String> {
        let tests = self.tests.iter().filter(|(_, record)| record.standing == Standing::NetworkDependent);
        tests.map(|(id, _)| id.clone()).collect()
    }

    /// Fail-to-pass tests that gold passes in the order of their files, and fails in another order.
    pub fn ordered(&self) -> Vec<String> {
        self.tests.iter().filter(|(_, record)| record.ordered()).map(|(id, _)| id.clone()).collect()
    }

    /// Fail-to-pass tests by their canary: strong, weak, none.
    pub fn canary_counts(&self) -> [usize; 3] {
        let proven = |strength| {
            let tests = self.canaries.iter().flat_map(|canaries| canaries.tests.values());
            tests.filter(|found| **found == strength).count()
        };
        let [strong, weak] = [CanaryStrength::Strong, CanaryStrength::Weak].map(proven);
        [strong, weak, self.fail_to_pass.len().saturating_sub(strong + weak)]
    }
}
