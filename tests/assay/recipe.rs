//! The recipe against a local server that plays the model: prompt, sample, verify, prompt again with what was verified, export.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use swe_assay::dataset::parquet;
use swe_assay::instance::Environment;
use swe_assay::intake::{Wanted, import_folders, write_import};

use crate::model_server::{Asked, ModelServer, Say, completion};
use crate::support::{assay, expect_exit, json, lines};

/// Instance, its two versions, and what the model answers.
type Played = (&'static str, &'static str, &'static str, [(&'static str, &'static [u64]); 3]);

/// Answers are indexes of the demo's hand-written ones, by skill and in order.
const PLAYED: [Played; 2] = [
    ("assay__spans-v2", "v1", "v2", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[3, 0, 1, 4, 2])]),
    ("assay__spans-v3", "v2", "v3", [("localization", &[3, 0, 1]), ("test", &[0]), ("repair", &[4, 0, 2, 5, 3])]),
];

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sandboxes/offline-demo").join(path)
}

fn problem(id: &str) -> String {
    std::fs::read_to_string(demo(&format!("problems/{id}.md"))).unwrap()
}

/// The two instances of the offline demo, imported.
fn import(work: &Path) {
    let instances = PLAYED.map(|(id, base, fix, _)| {
        let wanted = Wanted {
            problem_statement: problem(id),
            instance_id: Some(id.to_owned()),
            repo: Some("assay/spans".to_owned()),
            license: Some("Apache-2.0".to_owned()),
            environment: Environment {
                recipe: Some("python-stdlib".to_owned()),
                framework: "unittest".to_owned(),
                ..Environment::default()
            },
            ..Wanted::default()
        };
        import_folders(&demo(base), &demo(fix), wanted, work).unwrap()
    });
    write_import(work, &instances, &[]).unwrap();
}

/// Answers with what is written in the demo: which instance and skill is asked about shows in the prompt, which sample in the seed.
fn model() -> ModelServer {
    let written: BTreeMap<(String, String, u64), String> = lines(&demo("generations.jsonl"))
        .into_iter()
        .filter_map(|row| {
            let text = |name: &str| row[name].as_str().map(str::to_owned);
            Some(((text("instance_id")?, text("skill")?, row["index"].as_u64()?), text("completion")?))
        })
        .collect();
    ModelServer::start(move |asked: &Asked| {
        let (id, .., answers) =
            PLAYED.iter().find(|(id, ..)| asked.text().contains(problem(id).trim())).expect("a known issue");
        let skill = match asked.text() {
            text if text.contains("Find the files") => "localization",
            text if text.contains("Write a test") => "test",
            _ => "repair",
        };
        let (_, indexes) = answers.iter().find(|(known, _)| *known == skill).unwrap();
        let index = indexes[asked.body["seed"].as_u64().unwrap() as usize % indexes.len()];
        Say::Json(completion(&[&written[&((*id).to_owned(), skill.to_owned(), index)]]))
    })
}

struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Arguments that begin with `@` are paths of this place.
    fn run(&self, command: &str, arguments: &[&str], code: i32) -> Value {
        let mut assay = assay();
        assay.arg(command).arg("--json");
        for argument in arguments {
            match argument.strip_prefix('@') {
                Some(name) => assay.arg(self.path(name)),
                None => assay.arg(argument),
            };
        }
        json(&expect_exit(&mut assay, code))
    }
}

#[test]
fn verified_places_lead_to_verified_repairs_and_rows_hold_the_prompts_that_the_model_saw() {
    let place = Place(tempfile::tempdir().unwrap());
    import(&place.path("work"));
    let server = model();
    let url = server.url();
    let sample = |prompts: &str, out: &str, n: &str, more: u64| {
        let arguments = [prompts, "--out", out, "--endpoint", &url, "--model", "played", "-n", n, "--seed", "0"];
        let summary = place.run("sample", &arguments, 0);
        assert_eq!(summary["sampled"], more, "{summary}");
    };

    // Where.
    place.run("prompt", &["@work", "--out", "@where.jsonl", "--skill", "localization"], 0);
    sample("@where.jsonl", "@places.jsonl", "3", 6);
    let verify = |arguments: &[&str]| place.run("verify", &[&["@work", "--run", "@run"], arguments].concat(), 0);
    let summary = verify(&["--generations", "@places.jsonl", "--prompts", "@where.jsonl"]);
    assert_eq!((&summary["verified"], &summary["rejected"]), (&json!(4), &json!(2)), "{summary}");

    // What: a test each, and five repairs, seeing the files of verified localizations.
    let chain = ["--localization", "verdicts", "--from", "@run", "--retrieve", "1"];
    place.run("prompt", &[&["@work", "--out", "@tests.jsonl", "--skill", "test"], &chain[..]].concat(), 0);
    place.run("prompt", &[&["@work", "--out", "@mend.jsonl", "--skill", "repair"], &chain[..]].concat(), 0);
    let prompts = lines(&place.path("mend.jsonl"));
    for prompt in &prompts {
        assert_eq!((&prompt["localization"], &prompt["files"][0]["origin"]), (&json!("verdicts"), &json!("localized")));
    }
    sample("@tests.jsonl", "@written.jsonl", "1", 2);
    sample("@mend.jsonl", "@patches.jsonl", "5", 10);
    let summary = verify(&[
        "--generations",
        "@places.jsonl",
        "@written.jsonl",
        "@patches.jsonl",
        "--prompts",
        "@where.jsonl",
        "@tests.jsonl",
        "@mend.jsonl",
    ]);
    assert_eq!((&summary["candidates"], &summary["quarantined"]), (&json!(18), &json!(0)), "{summary}");
    assert_eq!(
        (&summary["skills"]["repair"]["verified"], &summary["skills"]["repair"]["rejected"]),
        (&json!(6), &json!(4))
    );
    assert_eq!(summary["skills"]["test"]["verified"], 2, "{summary}");

    // The exported rows hold the prompts that the model saw.
    place.run("export", &["@run", "--out", "@dataset"], 0);
    let mut rows = Vec::new();
    parquet::each_row(&place.path("dataset/sft-repair/train-00000-of-00001.parquet"), &mut |row| {
        rows.push(Value::Object(row));
        Ok(())
    })
    .unwrap();
    assert!(!rows.is_empty());
    for row in &rows {
        let prompt = prompts.iter().find(|prompt| prompt["prompt_id"] == row["prompt_id"]).expect("a prompt of ours");
        assert_eq!(row["messages"][0]["content"], prompt["messages"][0]["content"]);
    }
}
