use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::super::{Evidence, Judgement, LocalizationRules, Step, judge as judge_candidate};
use super::*;
use crate::journal::Failure;
use crate::judge::paper;
use crate::model::candidate::Oracle;
use crate::model::contest::{Contest, Joined, Mutant};
use crate::model::digest::Digest;
use crate::model::generation::{GenerationRef, Skill};
use crate::model::strength::{Doubt, Share, Tier};
use crate::model::suite::Suite;
use crate::model::trial::{Limits, Mode, Outcome, Phase, TestReport, Trial, Variation};
use crate::model::verdict::Evidence as Level;
use crate::runner::go::test::GoTest;
use crate::runner::python::pytest::Pytest;

const FILE: &str = "tests/test_new.py";
const NEW: &str = "tests/test_new.py::test_new";
const OTHER: &str = "tests/test_new.py::test_other";
const OLD: &str = "tests/test_old.py::test_old";

/// What a run of a plan shows: the report, or nothing because the sandbox failed.
type World<'w> = dyn Fn(&Trial) -> Option<TestReport> + 'w;

type Ran = (Arc<Outcome>, Arc<TestReport>);

/// Evidence that grows as the judge asks for it.
#[derive(Default)]
struct Known {
    outcomes: Mutex<BTreeMap<Digest, Ran>>,
    failures: Mutex<BTreeMap<Digest, Failure>>,
}

impl Evidence for Known {
    fn outcome(&self, trial: &Digest) -> Option<Arc<Outcome>> {
        self.outcomes.lock().unwrap().get(trial).map(|(outcome, _)| outcome.clone())
    }

    fn failure(&self, trial: &Digest) -> Option<Failure> {
        self.failures.lock().unwrap().get(trial).cloned()
    }

    fn report(&self, outcome: &Outcome) -> Option<Arc<TestReport>> {
        self.outcomes.lock().unwrap().get(&outcome.trial_id).map(|(_, report)| report.clone())
    }

    fn output(&self, outcome: &Outcome) -> Option<String> {
        // A script's output stands where its report would list a test.
        self.report(outcome)?.tests.keys().next().cloned()
    }
}

impl Known {
    fn learn(&self, trial: Trial, shown: Option<TestReport>) {
        let id = trial.id();
        let Some(report) = shown else {
            let failure = Failure { trial_id: id.clone(), attempts: vec!["no slot".to_owned()] };
            self.failures.lock().unwrap().insert(id, failure);
            return;
        };
        let outcome = paper::outcome(&trial, report.exit_status.map_or(Exit::TimedOut, Exit::Code));
        self.outcomes.lock().unwrap().insert(id, (Arc::new(outcome), Arc::new(report)));
    }
}

fn result(call: Status, error: Option<&str>, frames: &[&str]) -> TestResult {
    TestResult {
        phases: vec![(Phase::Setup, Status::Passed), (Phase::Call, call), (Phase::Teardown, Status::Passed)],
        error: error.map(str::to_owned),
        frames: frames.iter().map(|&frame| frame.to_owned()).collect(),
    }
}

fn report(tests: &[(&str, TestResult)]) -> TestReport {
    let fails = tests.iter().any(|(_, test)| failed(test));
    TestReport {
        finished: true,
        exit_status: Some(i32::from(fails)),
        tests: tests.iter().map(|(id, test)| ((*id).to_owned(), test.clone())).collect(),
        ..TestReport::default()
    }
}

fn pass() -> TestResult {
    result(Status::Passed, None, &[])
}

fn assertion() -> TestResult {
    result(Status::Failed, Some("AssertionError"), &[FILE])
}

/// The honest world: `NEW` fails where the code is wrong, everything else passes everywhere.
fn honest(trial: &Trial) -> TestReport {
    let wrong = trial.tree.starts_with("base") || trial.tree.starts_with("wrong") || trial.tree.starts_with("mutant");
    let new = if wrong { assertion() } else { pass() };
    let old = if trial.tree.starts_with("tested mutant") {
        result(Status::Failed, Some("AssertionError"), &["tests/test_old.py"])
    } else {
        pass()
    };
    let all = [(NEW, new), (OTHER, pass()), (OLD, old)];
    let runs = |id: &str| {
        let file = id.split("::").next().unwrap_or("").to_owned();
        let only = &trial.plan.only;
        trial.plan.files.contains(&file) && (only.is_empty() || only.iter().any(|one| one == id))
    };
    let mut shown = report(&all.into_iter().filter(|(id, _)| runs(id)).collect::<Vec<_>>());
    shown.ran = trial.plan.watch.clone();
    shown
}

fn admission() -> Admission {
    let trees = |[base, gold, tested_base, tested_gold]: [&str; 4]| json!({"base": base, "gold": gold, "tested_base": tested_base, "tested_gold": tested_gold});
    serde_json::from_value(json!({
        "format": crate::model::format::ADMISSION, "instance_id": "a", "key": Digest::of(b"key"),
        "image": Digest::of(b"image"), "trees": trees(["base", "gold", "tested base", "tested gold"]),
        "fail_to_pass": [OLD], "pass_to_pass": [], "gold_files": ["pkg/core.py"], "framework": "pytest/1",
        "splits": [{"files": ["tests/test_old.py"], "expected": [OLD]}], "repeats": 3, "limits": Limits::default(),
        "trials": [],
    }))
    .unwrap()
}

fn candidate(script: bool, oracle: Oracle) -> Candidate {
    let prepared = crate::model::candidate::Prepared {
        tree: "base + test".to_owned(),
        submitted_tree: None,
        diff: "diff".to_owned(),
        files: vec![FILE.to_owned()],
        missing: Vec::new(),
        stripped: Vec::new(),
        normalised: Vec::new(),
    };
    Candidate {
        format: crate::model::format::CANDIDATE.to_owned(),
        candidate_id: Digest::of(b"candidate"),
        instance_id: "a".to_owned(),
        skill: Skill::Test,
        generation: GenerationRef { file: "g.jsonl".to_owned(), line: 1, index: 0 },
        form: None,
        malformed: None,
        prepared: Some(prepared),
        trees: Some(TrialTrees::Test {
            on_base: "base + test".to_owned(),
            on_gold: "gold + test".to_owned(),
            files: vec![FILE.to_owned()],
            script,
            in_suite: "tested gold + test".to_owned(),
            edited: Vec::new(),
            overruled: Vec::new(),
            oracle,
        }),
        screen: None,
        unbuilt: Vec::new(),
        unread: None,
    }
}

fn peers() -> Peers {
    let joined = |over: &str, tree: &str| Joined {
        test: "base + test".to_owned(),
        over: over.to_owned(),
        tree: tree.to_owned(),
    };
    Peers {
        rejected: vec!["r".to_owned()],
        verified: vec!["v".to_owned()],
        contest: Some(Contest {
            format: crate::model::format::CONTEST.to_owned(),
            instance_id: "a".to_owned(),
            added: [("pkg/core.py".to_owned(), vec![3, 4])].into(),
            removed: BTreeMap::new(),
            mutants: vec![Mutant {
                path: "pkg/core.py".to_owned(),
                line: 3,
                what: "< to <=".to_owned(),
                tree: "m".to_owned(),
                tested: "tested mutant".to_owned(),
            }],
            joined: vec![joined("m", "mutant + test"), joined("r", "wrong + test"), joined("v", "right + test")],
        }),
        ..Peers::default()
    }
}

fn judged_as(candidate: &Candidate, peers: &Peers, world: &World) -> Judgement {
    judged_with(&admission(), candidate, peers, world)
}

fn judged_with(admission: &Admission, candidate: &Candidate, peers: &Peers, world: &World) -> Judgement {
    judged_by(&Pytest, admission, candidate, peers, world)
}

fn judged_by(
    runner: &dyn Runner,
    admission: &Admission,
    candidate: &Candidate,
    peers: &Peers,
    world: &World,
) -> Judgement {
    let (known, rules) = (Known::default(), LocalizationRules::default());
    loop {
        match judge_candidate(candidate, admission, runner, peers, &rules, &known) {
            Step::Done(judgement) => return judgement,
            Step::Needs(trial) => {
                let shown = world(&trial);
                known.learn(*trial, shown);
            }
        }
    }
}

fn judged(world: &World) -> Judgement {
    judged_as(&candidate(false, Oracle::default()), &peers(), world)
}

/// The honest world with another result of one test in the runs that `when` picks.
fn except<'w>(
    id: &'w str,
    with: &'w TestResult,
    when: impl Fn(&Trial) -> bool + 'w,
) -> impl Fn(&Trial) -> Option<TestReport> + 'w {
    move |trial| {
        let mut shown = honest(trial);
        if when(trial)
            && let Some(test) = shown.tests.get_mut(id)
        {
            *test = with.clone();
            shown.exit_status = Some(i32::from(shown.tests.values().any(failed)));
        }
        Some(shown)
    }
}

#[test]
fn a_test_that_holds_everywhere_is_gold_and_its_record_says_against_what() {
    let judgement = judged(&|trial| Some(honest(trial)));
    assert_eq!((judgement.reason, judgement.evidence), (Reason::Reproduces, Level::E3), "{}", judgement.detail);
    let one = Share { count: 1, total: 1 };
    let strength = judgement.strength.unwrap();
    assert_eq!(strength.tier, Tier::Gold);
    assert_eq!(strength.changed_line_cov, Share { count: 2, total: 2 });
    assert_eq!((strength.mutants_killed, strength.mutants_unproved), (one, Share::default()));
    assert_eq!((strength.wrong_patches_rejected, strength.correct_alternatives_passed), (one, one));
}

#[test]
fn each_condition_that_does_not_hold_is_a_reason_of_its_own() {
    let on = |start: &'static str| move |trial: &Trial| trial.tree.starts_with(start);
    let skipped = TestResult { phases: vec![(Phase::Setup, Status::Skipped)], ..TestResult::default() };
    let in_set_up = TestResult {
        phases: vec![(Phase::Setup, Status::Failed), (Phase::Teardown, Status::Passed)],
        error: Some("KeyError".to_owned()),
        frames: Vec::new(),
    };
    let name_error = result(Status::Failed, Some("NameError"), &[FILE]);
    let import_error = result(Status::Failed, Some("ModuleNotFoundError"), &[FILE]);
    let network = result(Status::Failed, Some("NetworkUnreachable"), &[FILE]);
    let unnamed = result(Status::Failed, None, &[]);
    let (passes, fails) = (pass(), assertion());
    let table: [(&str, Box<World>, Reason); 14] = [
        ("passes on base", Box::new(except(NEW, &passes, on("base"))), Reason::DoesNotReproduce),
        ("fails in set-up", Box::new(except(NEW, &in_set_up, on("base"))), Reason::FailsForWrongReason),
        ("its own name error", Box::new(except(NEW, &name_error, on("base"))), Reason::FailsForWrongReason),
        ("its own import error", Box::new(except(NEW, &import_error, on("base"))), Reason::FailsForWrongReason),
        ("the network", Box::new(except(NEW, &network, on("base"))), Reason::FailsForWrongReason),
        ("nothing says why", Box::new(except(NEW, &unnamed, on("base"))), Reason::EvidenceUnreadable),
        ("fails on gold", Box::new(except(NEW, &fails, on("gold"))), Reason::FailsOnGold),
        ("skipped on gold", Box::new(except(NEW, &skipped, on("gold"))), Reason::FailsOnGold),
        ("another fails on gold", Box::new(except(OTHER, &fails, on("gold"))), Reason::FailsOnGold),
        (
            "other seed and zone",
            Box::new(except(NEW, &fails, |t| t.tree.starts_with("gold") && t.plan.variation != Variation::None)),
            Reason::UnsteadyTest,
        ),
        (
            "a repeat on base",
            Box::new(except(NEW, &passes, |t| {
                t.tree.starts_with("base") && t.plan.variation == Variation::ShuffledFiles
            })),
            Reason::UnsteadyTest,
        ),
        (
            "alone",
            Box::new(except(NEW, &fails, |t| t.tree.starts_with("gold") && !t.plan.only.is_empty())),
            Reason::UnsteadyTest,
        ),
        ("in the suite", Box::new(except(NEW, &fails, on("tested gold"))), Reason::UnsteadyTest),
        ("an old test", Box::new(except(OLD, &fails, on("tested gold + test"))), Reason::BreaksOtherTests),
    ];
    for (what, world, reason) in table {
        let judgement = judged(&*world);
        assert_eq!((judgement.reason, judgement.strength), (reason, None), "{what}: {}", judgement.detail);
    }
}

#[test]
fn an_old_test_that_fails_once_is_not_held_against_the_new_one() {
    let fails = assertion();
    let judgement = judged(&except(OLD, &fails, |trial| trial.tree.starts_with("tested gold") && trial.repeat == 0));
    assert_eq!(judgement.reason, Reason::Reproduces, "{}", judgement.detail);
}

#[test]
fn what_happens_once_rejects_nobody_and_what_happens_to_gold_too_judges_nobody() {
    let fails = assertion();
    let killed = |trial: &Trial| TestReport { finished: false, exit_status: None, ..honest(trial) };
    let first = |tree: &'static str| move |trial: &Trial| trial.tree == tree && trial.repeat < 100_000;
    let (base, gold, suite) = (first("base + test"), first("gold + test"), first("tested gold + test"));
    let once: [Box<World>; 5] = [
        Box::new(move |trial| Some(if base(trial) { killed(trial) } else { honest(trial) })),
        Box::new(move |trial| Some(if gold(trial) { killed(trial) } else { honest(trial) })),
        Box::new(move |trial| Some(if suite(trial) { killed(trial) } else { honest(trial) })),
        Box::new(except(NEW, &fails, gold)),
        Box::new(except(NEW, &fails, move |trial| gold(trial) && trial.repeat == 2)),
    ];
    for world in once {
        let judgement = judged(&*world);
        assert_eq!(judgement.reason, Reason::Unsteady, "{}", judgement.detail);
    }
    // Another end every time.
    let other = |trial: &Trial| match (trial.tree.as_str(), trial.repeat / 100_000) {
        ("base + test", 0) => Some(killed(trial)),
        ("base + test", 1) => Some(report(&[])),
        ("gold + test", 2) => Some(TestReport { finished: false, ..honest(trial) }),
        _ => Some(honest(trial)),
    };
    assert_eq!(judged(&other).reason, Reason::Unsteady);
    let machine: [Box<World>; 2] =
        [Box::new(|trial| Some(killed(trial))), Box::new(except(OLD, &fails, |trial| trial.tree == "tested gold"))];
    for world in machine {
        let broken = |trial: &Trial| match trial.tree.as_str() {
            "base + test" => Some(killed(trial)),
            _ => world(trial),
        };
        let judgement = judged(&broken);
        assert_eq!(judgement.reason, Reason::ControlFailed, "{}", judgement.detail);
    }
    // Twice the same, and gold well between.
    let judgement = judged(&|trial| Some(if trial.tree == "base + test" { killed(trial) } else { honest(trial) }));
    assert_eq!(judgement.reason, Reason::FailsForWrongReason, "{}", judgement.detail);
}

#[test]
fn a_test_that_passes_on_base_costs_one_run() {
    let passes = pass();
    let judgement = judged(&except(NEW, &passes, |trial| trial.tree.starts_with("base")));
    assert_eq!((judgement.reason, judgement.trials.len()), (Reason::DoesNotReproduce, 1));
}

#[test]
fn tests_that_are_not_the_same_on_base_and_gold_are_not_collected() {
    let more_on_gold = |trial: &Trial| {
        let mut shown = honest(trial);
        if trial.tree.starts_with("gold") {
            shown.tests.insert("tests/test_new.py::test_third".to_owned(), pass());
        }
        Some(shown)
    };
    let broken_file = |trial: &Trial| {
        let mut shown = honest(trial);
        if trial.tree.starts_with("base") {
            shown.collect_errors.insert("tests/test_b.py".to_owned(), "ImportError".to_owned());
        }
        Some(shown)
    };
    let nothing = |trial: &Trial| Some(if trial.tree.ends_with("+ test") { report(&[]) } else { honest(trial) });
    for world in [&more_on_gold as &World, &broken_file, &nothing] {
        let judgement = judged(world);
        assert_eq!(judgement.reason, Reason::NotCollected, "{}", judgement.detail);
    }
}

#[test]
fn how_a_test_fails_is_recorded_and_an_error_of_its_own_statements_stays_at_bronze() {
    let new_names = || Oracle { new_names: ["fresh".to_owned()].into(), ..Oracle::default() };
    let plain = Oracle::default;
    let table = [
        ("AssertionError", vec![FILE], plain(), Some((FailureClass::Assertion, Tier::Gold))),
        ("Failed", vec![FILE], plain(), Some((FailureClass::Assertion, Tier::Gold))),
        ("KeyError", vec![FILE, "pkg/core.py"], plain(), Some((FailureClass::ChangedCode, Tier::Gold))),
        ("KeyError", vec![FILE, "pkg/core.py", "pkg/low.py"], plain(), Some((FailureClass::ChangedCode, Tier::Gold))),
        ("ImportError", vec![FILE, "pkg/core.py"], plain(), Some((FailureClass::ChangedCode, Tier::Gold))),
        ("KeyError", vec![FILE, "pkg/caller.py"], plain(), Some((FailureClass::OtherCode, Tier::Gold))),
        ("TypeError", vec![FILE], plain(), Some((FailureClass::OwnStatement, Tier::Bronze))),
        ("ImportError", vec![FILE], plain(), None),
        ("ImportError", vec![FILE], new_names(), Some((FailureClass::ApiMissing, Tier::Gold))),
        ("AttributeError", vec![FILE], new_names(), Some((FailureClass::ApiMissing, Tier::Gold))),
        ("SyntaxError", vec![FILE], new_names(), None),
    ];
    for (error, frames, oracle, expected) in table {
        let shown = result(Status::Failed, Some(error), &frames);
        let world = except(NEW, &shown, |trial| trial.tree.starts_with("base"));
        let judgement = judged_as(&candidate(false, oracle), &peers(), &world);
        let found = judgement.strength.map(|strength| (strength.failure_class, strength.tier));
        assert_eq!(found, expected, "{error} {frames:?}: {:?}", judgement.reason);
    }
}

#[test]
fn a_tier_is_what_the_contest_shows_and_a_doubt_caps_it() {
    let (passes, fails) = (pass(), assertion());
    let on = |start: &'static str| move |trial: &Trial| trial.tree.starts_with(start);
    let unreached = |trial: &Trial| Some(TestReport { ran: BTreeMap::new(), ..honest(trial) });
    let cut_short = |trial: &Trial| {
        let mut shown = honest(trial);
        if trial.tree.starts_with("mutant") {
            shown.finished = false;
        }
        Some(shown)
    };
    let table: [(&str, Box<World>, Tier); 6] = [
        ("the wrong repair passes", Box::new(except(NEW, &passes, on("wrong"))), Tier::Silver),
        ("the mutant passes", Box::new(except(NEW, &passes, on("mutant"))), Tier::Bronze),
        ("nobody else fails on the mutant", Box::new(except(OLD, &passes, on("tested mutant"))), Tier::Bronze),
        ("a run on the mutant that ends early", Box::new(cut_short), Tier::Bronze),
        ("no changed line runs", Box::new(unreached), Tier::Bronze),
        ("a verified repair fails", Box::new(except(NEW, &fails, on("right"))), Tier::Bronze),
    ];
    for (what, world, tier) in table {
        let judgement = judged(&*world);
        assert_eq!(judgement.reason, Reason::Reproduces, "{what}: {}", judgement.detail);
        assert_eq!(judgement.strength.map(|strength| strength.tier), Some(tier), "{what}");
        assert_eq!(judgement.evidence, if tier == Tier::Bronze { Level::E1 } else { Level::E3 }, "{what}");
    }
    let doubtful = candidate(false, Oracle { doubts: [Doubt::UsesClock].into(), ..Oracle::default() });
    let judgement = judged_as(&doubtful, &peers(), &|trial| Some(honest(trial)));
    assert_eq!(judgement.strength.map(|strength| strength.tier), Some(Tier::Bronze));
}

#[test]
fn a_test_that_runs_apart_from_every_expected_one_is_doubted() {
    let apart = [vec!["tests/test_old.py".to_owned()], vec![FILE.to_owned()]].to_vec();
    let suite = Some(Suite { apart, ..Suite::default() });
    let alone = Admission { suite, ..admission() };
    let judgement = judged_with(&alone, &candidate(false, Oracle::default()), &peers(), &|trial| Some(honest(trial)));
    let strength = judgement.strength.unwrap();
    assert_eq!((strength.tier, &strength.doubts[..]), (Tier::Bronze, &[Doubt::RunsAlone][..]));
}

#[test]
fn a_trial_that_did_not_run_leaves_the_test_unverified_and_never_rejects_it() {
    let all = ["base + test", "gold + test", "tested gold + test", "mutant + test", "wrong + test", "right + test"];
    for missing in all {
        let judgement = judged(&|trial| (trial.tree != missing).then(|| honest(trial)));
        assert_eq!((judgement.reason, judgement.strength), (Reason::SandboxFailed, None), "{missing}");
    }
    let mut unmade = peers();
    unmade.verified.push("never joined".to_owned());
    let judgement = judged_as(&candidate(false, Oracle::default()), &unmade, &|trial| Some(honest(trial)));
    assert_eq!(judgement.reason, Reason::NotRun, "{}", judgement.detail);
    let judgement = judged_as(&candidate(false, Oracle::default()), &Peers::default(), &|trial| Some(honest(trial)));
    assert_eq!(judgement.reason, Reason::NotRun, "{}", judgement.detail);
}

#[test]
fn a_fault_of_the_source_rejects_before_anything_runs() {
    let faulty = candidate(
        false,
        Oracle { faults: vec!["tests/test_new.py:1: reads git state".to_owned()], ..Oracle::default() },
    );
    let judgement = judged_as(&faulty, &peers(), &|trial| panic!("{trial:?} was asked for"));
    assert_eq!((judgement.reason, judgement.evidence), (Reason::UnsoundOracle, Level::E0));
}

#[test]
fn a_script_is_judged_by_what_it_prints_and_is_bronze_at_most() {
    let (reproduced, resolved) = ("Issue reproduced\n", "Issue resolved\n");
    let prints = |base: &'static str, gold: &'static str, other_zone: &'static str| {
        move |trial: &Trial| {
            if trial.plan.mode != Mode::Script {
                assert_eq!(trial.tree, "tested gold", "the control");
                return Some(honest(trial));
            }
            let said = match (trial.tree.starts_with("base"), trial.plan.variation) {
                (true, _) => base,
                (false, Variation::None) => gold,
                (false, _) => other_zone,
            };
            Some(report(&[(said, pass())]))
        }
    };
    let uses = || Oracle { uses_project: true, ..Oracle::default() };
    let table = [
        (uses(), prints(reproduced, resolved, resolved), Reason::Reproduces),
        (uses(), prints(resolved, resolved, resolved), Reason::DoesNotReproduce),
        (uses(), prints("Other issues\n", resolved, resolved), Reason::FailsForWrongReason),
        (uses(), prints(reproduced, reproduced, resolved), Reason::FailsOnGold),
        (uses(), prints(reproduced, "Issue resolved\nIssue reproduced\n", resolved), Reason::FailsOnGold),
        (uses(), prints(reproduced, resolved, reproduced), Reason::UnsteadyTest),
        (Oracle::default(), prints(reproduced, resolved, resolved), Reason::UnsoundOracle),
    ];
    for (oracle, world, reason) in table {
        let judgement = judged_as(&candidate(true, oracle), &Peers::default(), &world);
        assert_eq!(judgement.reason, reason, "{}", judgement.detail);
        let tier = judgement.strength.map(|strength| strength.tier);
        assert_eq!(tier, (reason == Reason::Reproduces).then_some(Tier::Bronze));
    }
}

#[test]
fn a_test_of_the_instance_that_fails_in_another_order_is_not_held_against_the_answer_beside_it() {
    let fails = assertion();
    let world = |id| {
        except(id, &fails, |trial| trial.tree == "gold + test" && trial.plan.variation == Variation::ShuffledFiles)
    };
    assert_eq!(judged(&world(OTHER)).reason, Reason::UnsteadyTest);
    let record = |id: &str| {
        let seen = json!({"standing": "fail_to_pass", "base": {"in_order": {"failed": 3}},
            "gold": {"in_order": {"passed": 3}, "shuffled": {"failed": 2}}});
        let mut admission = admission();
        admission.tests.insert(id.to_owned(), serde_json::from_value(seen).unwrap());
        admission
    };
    let judge = |id| judged_with(&record(id), &candidate(false, Oracle::default()), &peers(), &world(id));
    assert_eq!(judge(OTHER).reason, Reason::Reproduces, "{}", judge(OTHER).detail);
    // What the answer's own test does in another order is held against it.
    assert_eq!(judge(NEW).reason, Reason::UnsteadyTest);
}

#[path = "beside_tests.rs"]
mod beside;
