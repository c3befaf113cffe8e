//! The schemas in `schemas/` are those of the types, and real records are valid against them.

use crate::harness::{Test, tests};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::admission_report::AdmissionReport;
use swe_assay::inside::audit::{Agreement, AuditReport, Findings, Measures, Place, Rule};
use swe_assay::inside::dataset::rows::{Attempts, Reasoning, preference_row, rl_row, sft_row};
use swe_assay::inside::dataset::seal::manifest::{Contents, Manifest};
use swe_assay::inside::dataset::seal::signature::SecretKey;
use swe_assay::inside::dataset::seal::statement::Statement;
use swe_assay::inside::dataset::select::matched::Matched;
use swe_assay::inside::intake::Quarantined;
use swe_assay::inside::journal::{RunInfo, StoredBlob};
use swe_assay::inside::model::format;
use swe_assay::inside::model::generation::{Message, Skill};
use swe_assay::inside::model::receipt::Tool;
use swe_assay::inside::model::verdict::{Reason, Verdict};
use swe_assay::inside::schema;
use swe_assay::inside::serve::{Answer, BatchAnswer, Code, Item, NoVerdict, Problem, Timings, Unanswered};

use crate::samples;

const REFRESH: &str = "refresh them with `cargo run --release -- schema --write schemas`";

fn the_schemas_in_the_repository_are_those_of_the_types() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    if std::env::var_os("ASSAY_UPDATE").is_some() {
        schema::write_all(&directory).unwrap();
    }
    let mut known = Vec::new();
    for (name, schema) in schema::all() {
        let path = directory.join(format!("{name}.json"));
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(found == schema::text(&schema), "{} is out of date; {REFRESH}", path.display());
        known.push(format!("{name}.json"));
    }
    for entry in fs::read_dir(&directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || known.contains(&name), "schemas/{name} belongs to no format; {REFRESH}");
    }
}

fn records_of_every_format_are_valid_and_a_missing_field_is_not() {
    let samples = records();
    for (name, schema) in schema::all() {
        let validator = jsonschema::validator_for(schema.as_value()).unwrap();
        let (_, record) = samples.iter().find(|(sample, _)| *sample == name).unwrap_or_else(|| panic!("no {name}"));
        let errors: Vec<_> = validator.iter_errors(record).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        for required in schema.get("required").unwrap().as_array().unwrap() {
            let mut broken = record.clone();
            broken.as_object_mut().unwrap().remove(required.as_str().unwrap());
            assert!(!validator.is_valid(&broken), "{name} without {required}");
        }
    }
}

fn a_schema_is_found_with_and_without_its_version() {
    assert_eq!(schema::of("verdict"), schema::of("verdict.v1"));
    assert!(schema::of("verdict").is_some());
    assert_eq!(schema::of("verdict.v2"), None);
}

fn records() -> Vec<(&'static str, Value)> {
    let (instance, admission) = (samples::instance("one", Some("MIT")), samples::admission("one", true));
    let generation = samples::generation("one", Skill::Repair, 1);
    let candidate = samples::candidate(&generation, 1, true);
    let receipt = samples::receipt(&instance, &admission, &candidate, Reason::Resolved);
    let verdict = samples::verdict(&candidate, Reason::Resolved, &receipt);
    let prompt = [Message { role: "user".to_owned(), content: "question".to_owned(), reasoning_content: None }];
    let sft = sft_row(&instance, &generation, &candidate, &verdict, &prompt, Reasoning::Inline);
    let preference = preference_row(&sft, sft.messages[1].clone(), &verdict);
    let rl = rl_row(&instance, &admission, Skill::Repair, Attempts { verified: 1, rejected: 2 }, &prompt, 0);
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("README.md"), "card").unwrap();
    let contents = Contents {
        tool: Tool::this(),
        inputs: [("instances".to_owned(), instance.digest())].into(),
        settings: [("max_per_instance".to_owned(), json!(4))].into(),
        configs: [("sft".to_owned(), Default::default())].into(),
        evidence: [("verdicts".to_owned(), Default::default())].into(),
        left_out: [("duplicate".to_owned(), 1)].into(),
        matched: Matched::default(),
        left_out_tasks: [("not_admitted".to_owned(), 1)].into(),
    };
    let manifest = Manifest::of_directory(directory.path(), contents, &[].into()).unwrap();
    let statement = Statement::of(&manifest, &manifest.to_bytes().unwrap());
    let envelope = SecretKey::generate().unwrap().sign(&statement.to_bytes().unwrap());
    let run = RunInfo {
        format: format::RUN.to_owned(),
        tool_version: "0.1.0".to_owned(),
        sandbox: "cell".to_owned(),
        repeats: 3,
        evidence: swe_assay::inside::model::verdict::Evidence::E2,
        inputs: [("instances.jsonl".to_owned(), instance.digest())].into(),
    };
    let mut admission_report = AdmissionReport::default();
    admission_report.add(&admission, Default::default());
    let mut found = Findings::default();
    found.add(Rule::Duplicate, Place::row("rows.jsonl", 3, Some("one")), "as rows.jsonl:1");
    let mut audit = AuditReport::new("dataset", &found, Measures::default(), [("files".to_owned(), 3)].into());
    audit.rerun = Some(Agreement { agreed: 9, of: 10, interval: (0.555, 0.997), seed: 7 });
    vec![
        (format::RUN, json!(run)),
        (format::QUARANTINE, json!(Quarantined::new("rows.jsonl", 3, "not JSON"))),
        (format::INSTANCE, json!(instance)),
        (format::GENERATION, json!(generation)),
        (format::CANDIDATE, json!(candidate)),
        (format::ADMISSION, json!(admission)),
        (format::CONTEST, json!(samples::contest())),
        (format::ADMISSION_REPORT, json!(admission_report)),
        (format::PROMPT, json!(samples::prompt())),
        (format::OUTCOME, json!(samples::outcome())),
        (format::REPORT, json!(samples::report())),
        (format::VERDICT, json!(verdict)),
        (format::RECEIPT, json!(receipt)),
        (format::MANIFEST, json!(manifest)),
        (format::STATEMENT, json!(statement)),
        (format::ENVELOPE, json!(envelope)),
        (format::AUDIT, json!(audit)),
        (format::BLOB, json!(StoredBlob::of(b"a report"))),
        (
            format::BUNDLE,
            json!({"format": format::BUNDLE, "tool": Tool::this(), "by": "Team A",
                "machine": {"os": "linux", "arch": "x86_64", "kernel": "6.1", "cores": 2},
                "instances": {"one": {"instance": instance.digest(), "image": instance.digest(), "key": instance.digest(), "trials": 9}}}),
        ),
        (format::SFT_ROW, json!(sft)),
        (format::PREFERENCE_ROW, json!(preference)),
        (format::RL_ROW, json!(rl)),
        (format::CURRICULUM, json!(samples::curriculum())),
        (format::MATRIX, json!(samples::matrix())),
        (format::SCALING, json!(samples::scaling())),
        (format::SELECTION, json!(samples::selection())),
        (
            format::OUTPUTS,
            json!({"format": format::OUTPUTS, "outputs": {"select --out": {"selection.jsonl": [instance.digest()]}}}),
        ),
        (format::REWARD, json!(reward(&verdict))),
        (format::REWARD_QUESTION, json!({"instance_id": "one", "skill": "repair", "completion": "answer"})),
        (format::REWARD_BATCH, json!(batch(&verdict))),
        (
            format::REWARD_BATCH_QUESTION,
            json!({"items": [{"instance_id": "one", "skill": "repair", "completion": "answer"}]}),
        ),
        (format::REWARD_ERROR, json!(problem())),
    ]
}

fn problem() -> Problem {
    Problem { format: format::REWARD_ERROR.to_owned(), error: Unanswered::new(Code::InvalidRequest, "why") }
}

fn batch(verdict: &Verdict) -> BatchAnswer {
    let unanswered = Item::Unanswered {
        status: NoVerdict::Unanswered,
        index: 1,
        instance_id: Some("one".to_owned()),
        error: problem().error,
    };
    let answers = vec![Item::Answer(Box::new(reward(verdict))), unanswered];
    BatchAnswer { format: format::REWARD_BATCH.to_owned(), answers }
}

fn reward(verdict: &Verdict) -> Answer {
    Answer {
        format: format::REWARD.to_owned(),
        instance_id: verdict.instance_id.clone(),
        skill: verdict.skill,
        status: verdict.status,
        reward: Some(1.0),
        reason: verdict.reason,
        detail: verdict.detail.clone(),
        evidence: verdict.evidence,
        tier: None,
        stripped: verdict.stripped.clone(),
        flags: verdict.flags.clone(),
        candidate_id: verdict.candidate_id.clone(),
        receipt: verdict.receipt.clone(),
        trials: verdict.trials.clone(),
        trials_run: 2,
        cached: false,
        retryable: false,
        notes: Vec::new(),
        timings: Timings { queued_ms: 1, judged_ms: 2 },
    }
}

pub const TESTS: &[Test] = tests![
    the_schemas_in_the_repository_are_those_of_the_types,
    records_of_every_format_are_valid_and_a_missing_field_is_not,
    a_schema_is_found_with_and_without_its_version,
];
