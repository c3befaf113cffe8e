//! What a verdict is worth by the channel of the runner's report.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::journal::Failure;
use crate::model::cause::Cause;
use crate::model::channel::Channel;
use crate::model::test_id::TestId;
use crate::model::trial::{
    Exit, Limits, Outcome, OutputRef, Phase, Status, TestPlan, TestReport, TestResult, Variation,
};
use crate::runner::python::pytest::Pytest;
use crate::runner::{Bare, Command, Sentinels};

const OLD: &str = "tests/test_old.py";
const NEW: &str = "tests/test_new.py";
const CHANNELS: [Channel; 5] =
    [Channel::Reporter, Channel::Parent, Channel::Process, Channel::MarkedText, Channel::Text];

/// pytest with another channel, and perhaps for a language that nothing reads.
struct By {
    channel: Channel,
    language: &'static str,
}

impl Runner for By {
    fn name(&self) -> &'static str {
        Pytest.name()
    }
    fn version(&self) -> u32 {
        Pytest.version()
    }
    fn language(&self) -> &'static str {
        self.language
    }
    fn channel(&self) -> Channel {
        self.channel
    }
    fn command(&self, tool: &str, workdir: &str, plan: &TestPlan, nonce: &str) -> Command {
        Pytest.command(tool, workdir, plan, nonce)
    }
    fn parse(&self, channel: &[u8], truncated: bool, nonce: &str) -> TestReport {
        Pytest.parse(channel, truncated, nonce)
    }
    fn parse_id<'i>(&self, id: &'i str) -> TestId<'i> {
        Pytest.parse_id(id)
    }
    fn is_test_file(&self, path: &str) -> bool {
        Pytest.is_test_file(path)
    }
    fn defines_tests(&self, source: &str) -> bool {
        Pytest.defines_tests(source)
    }
    fn cause(&self, error: &str) -> Cause {
        Pytest.cause(error)
    }
    fn assertion_name(&self) -> &'static str {
        Pytest.assertion_name()
    }
    fn takes_along(&self, place: &str, id: &str) -> bool {
        Pytest.takes_along(place, id)
    }
    fn agrees(&self, status: i32, failures: bool) -> bool {
        Pytest.agrees(status, failures)
    }
    fn failed_to_start(&self, status: i32) -> bool {
        Pytest.failed_to_start(status)
    }
    fn sentinels(&self) -> Option<&'static dyn Sentinels> {
        Pytest.sentinels()
    }
    fn bare(&self) -> Option<&'static dyn Bare> {
        Pytest.bare()
    }
    fn script_command(&self, tool: &str, workdir: &str, path: &str, variation: Variation) -> Option<Command> {
        Pytest.script_command(tool, workdir, path, variation)
    }
}

type Ran = (Arc<Outcome>, Arc<TestReport>);

/// The honest world: a test fails on base, on mutants and with changed expectations, and passes everywhere else.
#[derive(Default)]
struct Honest(RefCell<BTreeMap<Digest, Ran>>);

impl Evidence for Honest {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.0.borrow().get(trial).map(|(outcome, _)| outcome.clone())
    }

    fn failure(&self, _: &Digest) -> Option<Failure> {
        None
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.0.borrow().get(&outcome.trial_id).map(|(_, report)| report.clone())
    }

    fn output(&self, _: &Outcome) -> Option<String> {
        None
    }
}

impl Honest {
    fn run(&self, trial: Trial) {
        let fails = ["base", "mutant", "session"].iter().any(|wrong| trial.tree.starts_with(wrong));
        let call = if fails { Status::Failed } else { Status::Passed };
        let result = TestResult {
            phases: vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)],
            error: fails.then(|| "AssertionError".to_owned()),
            frames: if fails { trial.plan.files.clone() } else { Vec::new() },
        };
        let code = i32::from(fails);
        let report = TestReport {
            finished: true,
            exit_status: Some(code),
            tests: trial.plan.files.iter().map(|file| (format!("{file}::test"), result.clone())).collect(),
            ran: trial.plan.watch.clone(),
            ..TestReport::default()
        };
        let outcome = Outcome {
            format: crate::model::format::OUTCOME.to_owned(),
            trial_id: trial.id(),
            trial: trial.clone(),
            sandbox: "paper".to_owned(),
            exit: Exit::Code(code),
            report: Some(Digest::of(b"report")),
            output: OutputRef::default(),
            wall_ms: 1000,
            overhead_ms: 1,
            peak_memory_bytes: None,
            tampered: Vec::new(),
            retried: Vec::new(),
            reused: false,
            imported: None,
        };
        self.0.borrow_mut().insert(trial.id(), (Arc::new(outcome), Arc::new(report)));
    }
}

fn admission(more: Value) -> Admission {
    let old = format!("{OLD}::test");
    let mut admission = json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"), "image": Digest::of(b"image"),
        "trees": {"base": "base", "gold": "gold", "tested_base": "base, tested", "tested_gold": "gold, tested"},
        "fail_to_pass": [old], "pass_to_pass": [], "gold_files": ["core.py"], "framework": "pytest/1", "repeats": 3,
        "splits": [{"files": [OLD], "expected": [old]}],
        "limits": Limits { deadline_ms: 60_000, ..Limits::default() }, "trials": [],
    });
    admission.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(admission).unwrap()
}

fn candidate(more: Value) -> Candidate {
    let mut candidate = json!({
        "format": crate::model::format::CANDIDATE, "candidate_id": Digest::of(b"c"), "instance_id": "a",
        "generation": {"file": "g", "line": 1, "index": 0}, "screen": {},
    });
    candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(candidate).unwrap()
}

fn judged(channel: Channel, candidate: &Candidate, admission: &Admission, peers: &Peers) -> (Level, String) {
    judged_by(&By { channel, language: Pytest.language() }, candidate, admission, peers)
}

fn judged_by(runner: &By, candidate: &Candidate, admission: &Admission, peers: &Peers) -> (Level, String) {
    let (honest, rules) = (Honest::default(), LocalizationRules::default());
    loop {
        match judge(candidate, admission, runner, peers, &rules, &honest) {
            Step::Needs(trial) => honest.run(*trial),
            Step::Done(judgement) => {
                assert_eq!(
                    judgement.reason.status(),
                    VerdictStatus::Verified,
                    "{:?}: {}",
                    runner.channel,
                    judgement.detail
                );
                return (judgement.evidence, judgement.detail);
            }
        }
    }
}

fn levels(candidate: &Candidate, admission: &Admission, peers: &Peers) -> [Level; 5] {
    CHANNELS.map(|channel| judged(channel, candidate, admission, peers).0)
}

fn repair() -> Candidate {
    candidate(json!({
        "skill": "repair", "prepared": {"tree": "p", "diff": "d", "files": ["core.py"]},
        "trees": {"skill": "repair", "policy": "candidate", "canary": "session"},
    }))
}

#[test]
fn a_repair_is_worth_what_its_channel_allows_and_a_strong_canary_lets_it_allow_more() {
    use Level::{E0, E1, E2, E3};
    let canaries = |strength: &str| json!({"tree": "c", "files": [OLD], "tests": {format!("{OLD}::test"): strength}});
    let without_runner =
        json!({"files": [OLD], "tests": [format!("{OLD}::test")], "canaries": [format!("{OLD}::test")]});
    for (more, expected) in [
        (json!({}), [E1, E1, E1, E1, E0]),
        (json!({"canaries": canaries("weak")}), [E1, E1, E1, E1, E0]),
        (json!({"canaries": canaries("strong")}), [E2, E2, E2, E2, E1]),
        // A run without the runner lifts no bound of its channel.
        (json!({"canaries": canaries("strong"), "plain": without_runner}), [E3, E3, E3, E2, E1]),
        (json!({"canaries": canaries("weak"), "plain": without_runner}), [E1, E1, E1, E1, E0]),
    ] {
        assert_eq!(levels(&repair(), &admission(more.clone()), &Peers::default()), expected, "{more}");
    }
}

/// A test that fails on base and on a mutant, and the contest with that mutant.
fn generated_test() -> (Candidate, Peers) {
    let test = candidate(json!({
        "skill": "test", "prepared": {"tree": "base + test", "diff": "d", "files": [NEW]},
        "trees": {
            "skill": "test", "on_base": "base + test", "on_gold": "gold + test", "files": [NEW], "script": false,
            "in_suite": "gold, tested + test", "oracle": crate::model::candidate::Oracle::default(),
        },
    }));
    let joined = json!([{"test": "base + test", "over": "m", "tree": "mutant + test"}]);
    let contest = json!({
        "format": crate::model::format::CONTEST, "instance_id": "a", "added": {"core.py": [3]}, "removed": {},
        "mutants": [{"path": "core.py", "line": 3, "what": "< to <=", "tree": "m", "tested": "mutant, tested"}], "joined": joined,
    });
    let peers = Peers { contest: Some(serde_json::from_value(contest).unwrap()), ..Peers::default() };
    (test, peers)
}

#[test]
fn a_generated_test_has_no_canary_so_its_channel_bounds_it_as_without_a_strong_one() {
    use Level::{E0, E1, E3};
    let (test, peers) = generated_test();
    // The instance's strong canary says nothing of the generated test.
    let canaries = json!({"canaries": {"tree": "c", "files": [OLD], "tests": {format!("{OLD}::test"): "strong"}}});
    assert_eq!(levels(&test, &admission(canaries), &peers), [E3, E3, E3, E1, E0]);
}

#[test]
fn an_answer_in_a_language_that_nothing_reads_is_worth_e1_whatever_ran_and_no_more_than_its_channel_allows() {
    use Level::{E0, E1};
    let of = format!("{OLD}::test");
    let all = json!({
        "canaries": {"tree": "c", "files": [OLD], "tests": {&of: "strong"}},
        "plain": {"files": [OLD], "tests": [&of], "canaries": [&of]},
    });
    let (test, peers) = generated_test();
    for channel in CHANNELS {
        let runner = By { channel, language: "a language of tomorrow" };
        let (level, detail) = judged_by(&runner, &repair(), &admission(all.clone()), &Peers::default());
        assert_eq!(level, E1, "{channel:?}: {detail}");
        assert!(channel == Channel::Text || detail.contains("nothing reads the language"), "{channel:?}: {detail}");
        let without_canary = if channel == Channel::Text { E0 } else { E1 };
        assert_eq!(judged_by(&runner, &repair(), &admission(json!({})), &Peers::default()).0, without_canary);
        assert_eq!(judged_by(&runner, &test, &admission(json!({})), &peers).0, without_canary);
    }
}

#[test]
fn nothing_of_a_localization_is_run_so_no_channel_bounds_it() {
    let located = candidate(json!({
        "skill": "localization", "prepared": {"tree": "p", "diff": "", "files": ["core.py"]},
    }));
    let peers = Peers { accepted: BTreeSet::from([vec!["core.py".to_owned()]]), ..Peers::default() };
    assert_eq!(levels(&located, &admission(json!({})), &peers), [Level::E1; 5]);
}

#[test]
fn a_verdict_says_by_which_channel_its_report_came_if_the_candidate_can_write_there() {
    let detail = |channel| judged(channel, &repair(), &admission(json!({})), &Peers::default()).1;
    for channel in CHANNELS {
        assert_eq!(detail(channel).contains("channel"), channel.is_said(), "{channel:?}");
    }
    let said = detail(Channel::MarkedText);
    assert!(said.ends_with("; E1 at most, for the report comes by the channel: marked_text"), "{said}");
    let said = detail(Channel::Text);
    assert!(said.ends_with("; E0 at most, for the report comes by the channel: text"), "{said}");
}
