//! Tests of the instance that stand beside a generated one: what they may do, and what it may not do to them.

use super::*;

#[test]
fn what_gold_failed_so_at_admission_is_not_held_against_the_answer_beside_it() {
    let fails = assertion();
    let varied = |trial: &Trial, variation: Variation| trial.tree == "gold + test" && trial.plan.variation == variation;
    type When = Box<dyn Fn(&Trial) -> bool>;
    let when: [(&str, When, Reason); 5] = [
        ("order_dependent", Box::new(move |t: &Trial| varied(t, Variation::ShuffledFiles)), Reason::UnsteadyTest),
        (
            "seed_or_zone_dependent",
            Box::new(move |t: &Trial| varied(t, Variation::OtherSeedAndZone)),
            Reason::UnsteadyTest,
        ),
        ("flaky", Box::new(move |t: &Trial| varied(t, Variation::OtherSeedAndZone)), Reason::UnsteadyTest),
        ("network_dependent", Box::new(|t: &Trial| t.tree == "gold + test"), Reason::FailsOnGold),
        ("fails_on_gold", Box::new(|t: &Trial| t.tree == "gold + test"), Reason::FailsOnGold),
    ];
    for (standing, when, otherwise) in &when {
        let judge = |id: &str, recorded: &str| {
            let mut admission = admission();
            let record = serde_json::from_value(json!({"standing": standing})).unwrap();
            admission.tests.insert(recorded.to_owned(), record);
            judged_with(&admission, &candidate(false, Oracle::default()), &peers(), &except(id, &fails, when))
        };
        let judgement = judge(OTHER, OTHER);
        assert_eq!(judgement.reason, Reason::Reproduces, "{standing}: {}", judgement.detail);
        assert_eq!(judge(OTHER, "tests/test_new.py::test_third").reason, *otherwise, "{standing}");
        assert_eq!(judge(NEW, NEW).reason, *otherwise, "{standing}: the answer's own test");
    }
}

#[test]
fn an_edited_file_keeps_its_tests_but_for_what_gold_failed_at_admission() {
    let edits = || {
        let mut answer = candidate(false, Oracle::default());
        if let Some(TrialTrees::Test { edited, .. }) = &mut answer.trees {
            *edited = vec![FILE.to_owned()];
        }
        answer
    };
    // On gold as it was, only the other test stands in the file, and passes.
    let world = |there: bool, passes: bool| {
        move |trial: &Trial| {
            let mut shown = honest(trial);
            if trial.tree == "gold" {
                shown.tests.remove(NEW);
            } else if !there {
                shown.tests.remove(OTHER);
            } else if !passes && trial.tree == "gold + test" {
                shown = report(&[(NEW, pass()), (OTHER, assertion())]);
            }
            Some(shown)
        }
    };
    let judge = |standing: Option<&str>, there: bool, passes: bool| {
        let mut admission = admission();
        admission.tests.extend(
            standing.map(|standing| (OTHER.to_owned(), serde_json::from_value(json!({"standing": standing})).unwrap())),
        );
        judged_with(&admission, &edits(), &peers(), &world(there, passes)).reason
    };
    assert_eq!(judge(None, true, true), Reason::Reproduces);
    assert_eq!(judge(None, false, true), Reason::BreaksOtherTests, "it is gone");
    for standing in ["flaky", "order_dependent"] {
        assert_eq!(judge(Some(standing), true, false), Reason::Reproduces, "{standing}");
        assert_eq!(judge(Some(standing), false, true), Reason::BreaksOtherTests, "{standing}: it is gone");
    }
}

#[test]
fn a_test_of_an_overruled_file_is_gone_beside_the_others_also_if_the_runner_is_given_folders() {
    let [gone, left] = ["q::TestGone", "q::TestLeft"];
    let answer = |names: &[&str]| {
        let mut answer = candidate(false, Oracle::default());
        if let Some(prepared) = &mut answer.prepared {
            prepared.files = names.iter().map(|name| format!("q/{name}_test.go")).collect();
        }
        if let Some(TrialTrees::Test { files, overruled, .. }) = &mut answer.trees {
            (*files, *overruled) = (vec!["q".to_owned()], vec!["q/gone_test.go".to_owned()]);
        }
        answer
    };
    let world = |ids: &'static [&'static str], left_holds: bool| {
        move |trial: &Trial| {
            let mut shown = honest(trial);
            let in_suite = trial.tree == "tested gold + test";
            let wrong = ["base", "wrong", "mutant"].iter().any(|start| trial.tree.starts_with(start));
            for &id in ids.iter().filter(|_| trial.plan.files.iter().any(|file| file == "q")) {
                let picked = trial.plan.only.is_empty() || trial.plan.only.iter().any(|only| only == id);
                if !picked || (in_suite && id == gone) {
                    continue;
                }
                let fails = wrong || (in_suite && !left_holds);
                let status = if fails { Status::Failed } else { Status::Passed };
                let error = fails.then(|| "Fail".to_owned());
                let test = TestResult { phases: vec![(Phase::Whole, status)], error, frames: Vec::new() };
                shown.tests.insert(id.to_owned(), test);
            }
            shown.exit_status = Some(i32::from(shown.tests.values().any(failed)));
            Some(shown)
        }
    };
    let judge = |names: &[&str], ids, left_holds| {
        judged_by(&GoTest, &admission(), &answer(names), &peers(), &world(ids, left_holds))
    };
    for (names, ids, left_holds, reason) in [
        (&["gone"][..], &["q::TestGone"][..], true, Reason::Reproduces),
        (&["gone", "left"], &["q::TestGone", "q::TestLeft"], true, Reason::Reproduces),
        (&["gone", "left"], &["q::TestGone", "q::TestLeft"], false, Reason::UnsteadyTest),
    ] {
        let judgement = judge(names, ids, left_holds);
        assert_eq!(judgement.reason, reason, "{ids:?} {left}: {}", judgement.detail);
    }
}
