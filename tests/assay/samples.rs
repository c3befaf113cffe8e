//! Sample records of every noun, for tests that need data and no sandbox.

use serde_json::json;
use swe_assay::admission::Admission;
use swe_assay::candidate::Candidate;
use swe_assay::contest::Contest;
use swe_assay::digest::Digest;
use swe_assay::format;
use swe_assay::generation::{Generation, Skill};
use swe_assay::instance::Instance;
use swe_assay::prompt::Prompt;
use swe_assay::receipt::{Receipt, Tool};
use swe_assay::trial::{Limits, Outcome, TestReport};
use swe_assay::verdict::{Reason, Verdict};

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
