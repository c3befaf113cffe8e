//! Sample records of every noun, for tests that need data and no sandbox.

use serde_json::json;
use swe_assay::inside::consensus::curve::Scaling;
use swe_assay::inside::consensus::selection::Selection;
use swe_assay::inside::curriculum::report::Curriculum;
use swe_assay::inside::model::admission::Admission;
use swe_assay::inside::model::candidate::Candidate;
use swe_assay::inside::model::contest::Contest;
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::{Generation, Skill};
use swe_assay::inside::model::instance::Instance;
use swe_assay::inside::model::matrix::Matrix;
use swe_assay::inside::model::receipt::{Receipt, Tool};
use swe_assay::inside::model::trial::{Limits, Outcome, TestReport};
use swe_assay::inside::model::verdict::{Reason, Verdict};
use swe_assay::inside::prompt::Prompt;

pub fn instance(id: &str, license: Option<&str>) -> Instance {
    serde_json::from_value(json!({
        "instance_id": id, "repo": format!("example/{id}"), "base_commit": "b".repeat(40), "license": license,
        "problem_statement": format!("the issue of {id}"), "patch": "gold", "test_patch": "tests",
        "FAIL_TO_PASS": ["listed"], "source": {"kind": "row", "file": "i.jsonl", "line": 1}, "difficulty": "easy",
        "environment": {"recipe": "python", "requirements": ["markupsafe==3.0.2"], "env": {"A": "1"}},
    }))
    .unwrap()
}

pub fn admission(id: &str, admitted: bool) -> Admission {
    serde_json::from_value(json!({
        "format": format::ADMISSION, "instance_id": id, "key": Digest::of(id.as_bytes()),
        "refusal": if admitted { json!(null) } else { json!("no_stable_fail_to_pass") },
        "image": Digest::of(b"image"), "framework": "pytest/1", "fail_to_pass": ["tests/test_a.py::test_issue"],
        "pass_to_pass": ["tests/test_a.py::test_other"], "unstable": {"tests/test_a.py::test_random": "failed once"},
        "splits": [{"files": ["tests/test_a.py"], "expected": ["tests/test_a.py::test_issue"]}], "gold_files": ["src/a.py"], "repeats": 3,
        "limits": Limits::default(), "trials": [Digest::of(b"trial")],
    }))
    .unwrap()
}

pub fn generation(id: &str, skill: Skill, line: u64) -> Generation {
    serde_json::from_value(json!({
        "format": format::GENERATION, "instance_id": id, "skill": skill, "completion": format!("answer {line}"),
        "reasoning_content": "first this, then that", "model": "a-model", "sampling": {"temperature": 0.6},
        "index": line,
    }))
    .unwrap()
}

pub fn candidate(generation: &Generation, line: u64, understood: bool) -> Candidate {
    let mut candidate = json!({
        "format": format::CANDIDATE, "candidate_id": generation.id(), "instance_id": generation.instance_id,
        "skill": generation.skill, "generation": {"file": "g.jsonl", "line": line, "index": line},
    });
    if understood {
        candidate["form"] = json!("search_replace");
        candidate["prepared"] = json!({
            "tree": "4".repeat(40), "files": ["src/a.py"],
            "diff": format!("diff --git a/src/a.py b/src/a.py\n--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x = 1\n+x = {line}\n"),
            "stripped": [{"path": "conftest.py", "class": "runner_config"}],
        });
    } else {
        candidate["malformed"] = json!({"why": "no_answer", "detail": "no block"});
    }
    serde_json::from_value(candidate).unwrap()
}

pub fn receipt(instance: &Instance, admission: &Admission, candidate: &Candidate, reason: Reason) -> Receipt {
    let prepared = candidate.prepared.as_ref();
    Receipt {
        format: format::RECEIPT.to_owned(),
        candidate_id: candidate.candidate_id.clone(),
        instance: instance.digest(),
        admission: Digest::of_json(admission),
        patch: Digest::of(prepared.map_or(&[][..], |prepared| prepared.diff.as_bytes())),
        tree: prepared.map_or_else(String::new, |prepared| prepared.tree.clone()),
        trials: vec![(Digest::of(b"trial"), Digest::of(b"outcome"))],
        status: reason.status(),
        reason,
        tool: Tool::this(),
    }
}

pub fn verdict(candidate: &Candidate, reason: Reason, receipt: &Receipt) -> Verdict {
    serde_json::from_value(json!({
        "format": format::VERDICT, "candidate_id": candidate.candidate_id, "instance_id": candidate.instance_id,
        "skill": candidate.skill, "generation": candidate.generation, "status": reason.status(), "reason": reason,
        "detail": "what was seen", "evidence": "E1", "trials": [Digest::of(b"trial")], "receipt": receipt.digest(),
    }))
    .unwrap()
}

pub fn outcome() -> Outcome {
    serde_json::from_value(json!({
        "format": format::OUTCOME, "trial_id": Digest::of(b"trial"), "sandbox": "cell",
        "trial": {
            "instance_id": "one", "tree": "4".repeat(40), "image": Digest::of(b"image"), "limits": Limits::default(),
            "plan": {"framework": "pytest/1", "files": ["tests/test_a.py"], "variation": "none"}, "repeat": 0,
        },
        "exit": {"kind": "code", "value": 1}, "report": Digest::of(b"report"),
        "output": {"blob": Digest::of(b"output"), "total_bytes": 12}, "wall_ms": 40, "overhead_ms": 7,
    }))
    .unwrap()
}

pub fn report() -> TestReport {
    serde_json::from_value(json!({
        "format": format::REPORT, "finished": true, "exit_status": 1,
        "tests": {"tests/test_a.py::test_issue": {
            "phases": [["setup", "passed"], ["call", "failed"], ["teardown", "passed"]], "error": "AssertionError",
            "frames": ["tests/test_a.py"],
        }},
    }))
    .unwrap()
}

pub fn prompt() -> Prompt {
    serde_json::from_value(json!({
        "format": format::PROMPT, "prompt_id": "repair.v1@0123456789abcdef", "instance_id": "one", "skill": "repair",
        "messages": [{"role": "user", "content": "question"}], "template": "repair.v1@0123456789ab", "tokens": 1,
        "counter": "estimate.v1", "tree": {"folded": {"levels": 2}}, "localization": "verdicts",
        "files": [{"path": "a.py", "origin": "localized", "tokens": 3}],
        "left_out": [{"path": "b.py", "origin": "retrieved", "why": "over_budget", "tokens": 900}],
    }))
    .unwrap()
}

pub fn contest() -> Contest {
    serde_json::from_value(json!({
        "format": format::CONTEST, "instance_id": "one", "added": {"src/a.py": [3, 4]}, "removed": {},
        "mutants": [{"path": "src/a.py", "line": 3, "what": "< to <=", "tree": "5".repeat(40), "tested": "6".repeat(40)}],
        "joined": [{"test": "4".repeat(40), "over": "5".repeat(40), "tree": "7".repeat(40)}],
    }))
    .unwrap()
}

pub fn matrix() -> Matrix {
    serde_json::from_value(json!({
        "format": format::MATRIX, "instance_id": "one",
        "joined": [{"test": "4".repeat(40), "over": "5".repeat(40), "tree": "7".repeat(40)}],
    }))
    .unwrap()
}

pub fn selection() -> Selection {
    serde_json::from_value(json!({
        "format": format::SELECTION, "instance_id": "one", "method": "enhanced", "num_samples": 40, "chosen": 0, "votes": 3,
        "eligible": 5, "used": ["patches", "regression_tests"], "why": ["3 of 5 eligible patches are equal"],
        "candidates": [{
            "number": 0, "candidate_id": Digest::of(b"candidate"), "generation": {"file": "g.jsonl", "line": 1, "index": 0},
            "key": Digest::of(b"key"), "eligible": true, "votes": 3, "score": 0.75, "regression_failures": 0,
        }],
    }))
    .unwrap()
}

pub fn scaling() -> Scaling {
    let point = json!({"patches": 1, "rate": 0.5, "low": 0.25, "high": 0.75, "instances": 4});
    serde_json::from_value(json!({
        "format": format::SCALING, "method": "self-play", "draws": 20, "seed": 0, "instances": 4,
        "selected": [point], "oracle": [point], "pass_at": [],
    }))
    .unwrap()
}

pub fn curriculum() -> Curriculum {
    serde_json::from_value(json!({
        "format": format::CURRICULUM, "rows": 2, "kept": 1, "dropped": 1, "reasons": {"mastered": 1, "unvisited": 1},
        "rules": {"stage": 2, "threshold": 0.9, "direction": "above", "min_visits": 1, "drop_unsolved": false},
        "rollouts": {"solved": 8, "failed": 0, "infrastructure": 1}, "without_row": ["two"],
        "tasks": [{
            "instance_id": "one", "skill": "repair", "solved": 8, "failed": 0, "infrastructure": 1, "accuracy": 1.0,
            "stays": false, "why": "mastered",
        }],
    }))
    .unwrap()
}
