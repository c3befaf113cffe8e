//! What is taken back from a repair, and what is kept, with the real binary.

use crate::harness::{Need, Test, skip, tests};
use std::path::Path;

use serde_json::{Value, json};
use swe_assay::inside::intake::{Wanted, import_folders, write_import};
use swe_assay::inside::model::instance::Environment;

use crate::support::{assay, lines, stderr};

const FIX: &str = "```\n### lib/orchard/crates.py\n<<<<<<< SEARCH\n    return pieces // size\n=======\n    return -(-pieces // \
                   size)\n>>>>>>> REPLACE\n```\n";

/// The verdicts of answers about the world `orchard` with attrs installed; none where pip reaches no index, which is said.
fn verdicts(answers: &[String]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let (import, run) = (folder.path().join("import"), folder.path().join("run"));
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/worlds/orchard");
    let environment = Environment {
        recipe: Some("python-pytest".to_owned()),
        requirements: vec!["attrs".to_owned()],
        ..Environment::default()
    };
    let wanted = Wanted {
        problem_statement: "Count the last crate.".to_owned(),
        instance_id: Some("orchard".to_owned()),
        repo: Some("worlds/orchard".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        environment,
        ..Wanted::default()
    };
    let instance = import_folders(&world.join("base"), &world.join("fix"), wanted, &import).unwrap();
    write_import(&import, &[instance], &[]).unwrap();
    let generations = answers.iter().enumerate().map(|(index, answer)| {
        let row =
            json!({"instance_id": "orchard", "skill": "repair", "completion": answer, "model": "m", "index": index});
        format!("{row}\n")
    });
    let file = folder.path().join("generations.jsonl");
    std::fs::write(&file, generations.collect::<String>()).unwrap();
    let mut command = assay();
    command.arg("verify").arg(&import).args(["--sandbox", "cell", "--run"]).arg(&run).arg("--generations").arg(&file);
    let output = command.output().unwrap();
    if output.status.code() == Some(4) && stderr(&output).contains("pip reaches its index") {
        skip(Need::PackageIndex, stderr(&output));
    }
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", stderr(&output));
    let mut verdicts = lines(&run.join("verdicts.jsonl"));
    verdicts.sort_by_key(|verdict| verdict["generation"]["index"].as_u64());
    verdicts
}

fn new_file(path: &str, text: &str) -> String {
    format!("```\n### {path}\n<<<<<<< SEARCH\n=======\n{text}>>>>>>> REPLACE\n```\n")
}

fn a_repair_loses_what_it_may_not_decide_and_is_judged_by_the_rest() {
    let stripped = [
        ("lib/attr/__init__.py", "startup"),
        ("lib/attrs.py", "startup"),
        ("setup.py", "build_config"),
        ("checks/more.py", "test"),
        ("checks/more.json", "fixture"),
        ("tools/conftest.py", "runner_config"),
    ];
    let kept = ["lib/orchard/attr.py", "lib/orchard/crates_pb2.py", "tools/attrs.py"];
    let extra: String =
        stripped.iter().map(|(path, _)| *path).chain(kept).map(|path| new_file(path, "pass\n")).collect();
    let verdicts = verdicts(&[format!("{FIX}{extra}"), format!("{}{}", new_file("lib/attr.py", ""), FIX)]);
    for verdict in &verdicts {
        assert_eq!((&verdict["status"], &verdict["reason"]), (&json!("verified"), &json!("resolved")), "{verdict}");
    }
    let mut found: Vec<_> = verdicts[0]["stripped"].as_array().unwrap().iter().collect();
    found.sort_by_key(|entry| entry["path"].as_str());
    let mut wanted: Vec<_> = stripped.iter().map(|(path, class)| json!({"path": path, "class": class})).collect();
    wanted.sort_by_key(|entry| entry["path"].as_str().map(str::to_owned));
    assert_eq!(found, wanted.iter().collect::<Vec<_>>());
    assert_eq!(verdicts[1]["stripped"], json!([{"path": "lib/attr.py", "class": "startup"}]));
}

pub const TESTS: &[Test] = tests![a_repair_loses_what_it_may_not_decide_and_is_judged_by_the_rest,];
