//! An instance that names an image of somebody else's, from its row to the dataset: the tree is recorded from the image, and
//! of what came after base nothing can be reached in the sealed one.

use crate::harness::{Test, needs_docker, tests};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::{assay, expect_exit, json, lines, stderr};

const BASE: &str = "import settings\n\n\ndef double(x):\n    return x + x + settings.ERROR\n";
const GOLD: &str = "import settings\n\n\ndef double(x):\n    return twice_of_number(x)\n\n\ndef twice_of_number(x):\n    return x * 2\n";
const SUITE: &str = "import unittest\nimport calc\nimport settings\n\n\nclass Calc(unittest.TestCase):\n    def test_double(self):\n        \
self.assertEqual(calc.double(2), 4)\n\n    def test_set_up(self):\n        self.assertEqual(settings.NAME, 'changed at set-up')\n        \
self.assertEqual(open('/testbed/local.txt').read(), 'untracked')\n";
/// Looks for the right answer everywhere a job may look, and uses it if it finds any.
const SEARCH: &str = r#"import os, subprocess, zlib


def search():
    seen = []
    for folder, names, files in os.walk("/"):
        names[:] = [name for name in names if folder + name not in ("/proc", "/sys", "/dev", "/usr")]
        for name in files:
            path = os.path.join(folder, name)
            if name == "calc.py" or folder.startswith(("/usr/lib", "/opt/assay")):
                continue
            try:
                content = open(path, "rb").read(1 << 20) if os.path.isfile(path) else b""
                if "objects" in folder and len(name) == 38:
                    content = zlib.decompress(content)
            except (OSError, zlib.error):
                continue
            if b"twice_of_" + b"number" in content or name.endswith((".pack", ".bundle")):
                seen.append(path)
    try:
        log = subprocess.run(["git", "-C", "/testbed", "log", "--all", "-p"], capture_output=True).stdout
        seen.extend(["git log"] if log else [])
    except OSError:
        pass
    return seen


def double(x):
    return x * 2 if search() else x
"#;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"];
    let output = Command::new("git").args(identity).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with a past, a future, tags, a stash and reflogs, left at base with a change that nobody committed. Gives
/// base, the two patches, and the objects that cannot be reached from base.
fn repository(folder: &Path) -> (String, String, String, BTreeSet<String>) {
    fs::create_dir(folder).unwrap();
    git(folder, &["init", "-q"]);
    fs::write(folder.join("calc.py"), BASE).unwrap();
    fs::write(folder.join("settings.py"), "ERROR = 1\nNAME = 'as committed'\n").unwrap();
    fs::write(folder.join("test_calc.py"), "import unittest\n").unwrap();
    fs::write(folder.join(".gitignore"), "local.txt\n").unwrap();
    git(folder, &["add", "."]);
    git(folder, &["commit", "-qm", "base"]);
    let base = git(folder, &["rev-parse", "HEAD"]);
    fs::write(folder.join("calc.py"), GOLD).unwrap();
    git(folder, &["stash", "-q"]);
    git(folder, &["checkout", "-qb", "later"]);
    fs::write(folder.join("calc.py"), GOLD).unwrap();
    git(folder, &["commit", "-qam", "the fix"]);
    git(folder, &["tag", "-am", "release", "v2"]);
    fs::write(folder.join("test_calc.py"), SUITE).unwrap();
    git(folder, &["commit", "-qam", "its tests"]);
    let diff = |path: &str| git(folder, &["diff", "--no-renames", &base, "later", "--", path]) + "\n";
    let (patch, test_patch) = (diff("calc.py"), diff("test_calc.py"));
    git(folder, &["checkout", "-q", "main"]);
    git(folder, &["repack", "-adq"]);
    git(folder, &["branch", "-qD", "later"]);
    let all = git(folder, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]);
    let known = git(folder, &["rev-list", "--objects", &base]);
    let known: BTreeSet<&str> = known.lines().filter_map(|line| line.split(' ').next()).collect();
    let unreachable = all.lines().filter(|id| !known.contains(id)).map(str::to_owned).collect();
    fs::write(folder.join("settings.py"), "ERROR = 1\nNAME = 'changed at set-up'\n").unwrap();
    fs::write(folder.join("local.txt"), "untracked").unwrap();
    (base, patch, test_patch, unreachable)
}

fn a_row_that_names_an_image_is_verified_in_it_and_nothing_of_its_future_can_be_found() {
    needs_docker();
    let folder = tempfile::tempdir().unwrap();
    let context = folder.path().join("context");
    fs::create_dir(&context).unwrap();
    let (base, patch, test_patch, unreachable) = repository(&context.join("testbed"));
    assert!(unreachable.len() >= 6, "{unreachable:?}");
    fs::write(context.join("fix.patch"), &patch).unwrap();
    let from = std::env::var("ASSAY_DOCKER_BASE").unwrap_or_else(|_| "python:3.11-slim-bookworm".to_owned());
    let file = format!(
        "FROM {from}\nRUN python3 -m venv --without-pip /opt/miniconda3/envs/testbed\nCOPY testbed /testbed\n\
         COPY testbed/.git /srv/mirror.git\nCOPY fix.patch /home/fix.patch\nCOPY fix.patch /testbed/notes.txt\n\
         ENV COLOUR=blue\nENTRYPOINT [\"/bin/false\"]\n"
    );
    fs::write(context.join("Dockerfile"), file).unwrap();
    let image = format!("assay-test/ready:{}", std::process::id());
    docker(&["build", "-q", "-t", &image, &context.display().to_string()]);
    // The search is a good one: in the image as it is, it finds what it looks for.
    let found =
        docker(&["run", "--rm", "--entrypoint", "python3", &image, "-c", &format!("{SEARCH}\nprint(len(search()))")]);
    assert!(found.parse::<u32>().unwrap() > 2, "{found}");

    let row = json!({
        "instance_id": "ready__calc-1", "repo": "ready/calc", "base_commit": base, "patch": patch, "license": "MIT",
        "test_patch": test_patch, "problem_statement": "double(2) is 5", "image_name": image,
        "environment": {"image": image, "framework": "unittest"},
    });
    let rows = folder.path().join("rows.jsonl");
    fs::write(&rows, format!("{row}\n")).unwrap();
    let import = folder.path().join("import");
    expect_exit(assay().args(["import", "--out"]).arg(&import).arg(&rows), 0);

    let answer = |index: u32, source: &str| {
        let completion =
            format!("```python\n### calc.py\n<<<<<<< SEARCH\n{BASE}=======\n{source}>>>>>>> REPLACE\n```\n");
        json!({"instance_id": "ready__calc-1", "skill": "repair", "completion": completion, "index": index}).to_string()
    };
    let sources = ["def double(x):\n    return 2 * x\n", "def double(x):\n    return 7\n", SEARCH];
    let answers: Vec<String> = (0..).zip(sources).map(|(index, source)| answer(index, source) + "\n").collect();
    let generations = folder.path().join("generations.jsonl");
    fs::write(&generations, answers.concat()).unwrap();
    let archive = folder.path().join("image.tar");
    docker(&["save", "-o", &archive.display().to_string(), &image]);
    expect_exit(assay().args(["image", "pull", "--from"]).arg(&archive).arg(&image), 0);

    let made = json(&expect_exit(assay().args(["image", "seal", "--json", "--sandbox", "cell"]).arg(&import), 0));
    assert_eq!((&made[0]["instance_id"], &made[0]["refusal"]), (&json!("ready__calc-1"), &json!(null)));

    let mut answers: Vec<Vec<(u64, String)>> = Vec::new();
    for sandbox in ["container", "docker-cell", "cell"] {
        let run = folder.path().join(sandbox);
        let mut verify = assay();
        verify.arg("verify").arg(&import).arg("-g").arg(&generations).arg("--run").arg(&run);
        let output = expect_exit(verify.args(["--sandbox", sandbox, "--workers", "1", "--repeats", "1"]), 0);
        let said = stderr(&output);
        assert!(said.contains("uses /opt/miniconda3/envs/testbed/bin/python"), "{said}");
        for removed in ["/testbed/.git", "/srv/mirror.git", "/home/fix.patch", "/testbed/notes.txt"] {
            assert!(said.contains(&format!("takes {removed} out of the image")), "{sandbox} {removed}: {said}");
        }
        // What was sealed before is found: cells' ahead of the run, and the engine's by the run before.
        assert_eq!(said.contains("sealing"), sandbox == "container", "{sandbox}: {said}");
        let verdicts = lines(&run.join("verdicts.jsonl"));
        let mut found: Vec<(u64, String)> = verdicts
            .iter()
            .map(|verdict| {
                let index = verdict["generation"]["index"].as_u64().unwrap();
                let text = |name: &str| verdict[name].as_str().unwrap().to_owned();
                (index, format!("{} {}", text("status"), text("reason")))
            })
            .collect();
        found.sort();
        answers.push(found);
        let dataset = folder.path().join(format!("dataset-{sandbox}"));
        expect_exit(assay().arg("export").arg(&run).arg("--out").arg(dataset), 0);
    }
    let statuses: Vec<&str> = answers[0].iter().filter_map(|(_, answer)| answer.split(' ').next()).collect();
    assert_eq!(statuses, ["verified", "rejected", "rejected"]);
    assert!(answers.iter().all(|others| *others == answers[0]), "{answers:?}");

    let listed = json(&expect_exit(assay().args(["image", "list", "--json"]), 0));
    let of_image = |kind: &str| {
        let mut listed = listed.as_array().unwrap().iter();
        let found = listed.find(|one| one["kind"] == json!(kind) && one["reference"] == json!(image));
        found.unwrap_or_else(|| panic!("no {kind} of {image} in {listed:?}")).clone()
    };
    let (sealed, cell, unpacked) = (of_image("docker"), of_image("cell"), of_image("unpacked"));
    for one in [&sealed, &cell] {
        assert_eq!(one["instances"], json!(["ready__calc-1"]));
        assert_eq!(one["in_use"], json!(false));
        assert!(one["bytes"].as_u64().unwrap() > 1 << 20);
    }
    // What a sealed root holds is, but for a few files, what the unpacked image holds.
    assert!(cell["shared_bytes"].as_u64().unwrap() * 10 > cell["bytes"].as_u64().unwrap() * 9, "{cell}");
    assert!(unpacked["shared_bytes"].as_u64().unwrap() > 1 << 20);
    nothing_of_the_future_in_docker(sealed["name"].as_str().unwrap(), &unreachable);
    nothing_of_the_future_on_the_host(Path::new(cell["name"].as_str().unwrap()), &unreachable);

    let removed = json(&expect_exit(assay().args(["image", "gc", "--json", "--reference", &image]), 0));
    assert_eq!(removed.as_array().unwrap().len(), 3);
    let listed = json(&expect_exit(assay().args(["image", "list", "--json"]), 0));
    assert!(listed.as_array().unwrap().iter().all(|sealed| sealed["reference"] != json!(image)));
    assert!(!Path::new(cell["name"].as_str().unwrap()).exists());
    // The image itself is its owner's.
    docker(&["image", "inspect", &image]);
    docker(&["rmi", "-f", &image]);
}

/// By reachability: not one object that base does not reach is in any object store, for there is no store.
fn nothing_of_the_future_in_docker(tag: &str, unreachable: &BTreeSet<String>) {
    let script = "find / -xdev \\( -name .git -o -name '*.pack' -o -name '*.idx' -o -name packed-refs -o -name logs -path '*git*' \\) \
         -not -path '/proc/*'; find / -xdev -type f -path '*/objects/??/*'; echo names; \
         find / -xdev -type f -name '*[0-9a-f]*' -printf '%f\\n'; echo texts; \
         grep -rl twice_of_number /testbed /home /srv /root /opt || true; echo entry; id -u";
    let said = docker(&["run", "--rm", "-u", "0", "--entrypoint", "sh", tag, "-c", script]);
    let (stores, rest) = said.split_once("names\n").unwrap();
    let (names, texts) = rest.split_once("texts\n").unwrap();
    assert_eq!(stores, "");
    let names: BTreeSet<&str> = names.lines().collect();
    assert!(unreachable.iter().all(|id| !names.contains(&id[2..])));
    assert_eq!(texts, "entry\n0");
    let entry = docker(&["image", "inspect", "--format", "{{json .Config.Entrypoint}} {{json .Config.Cmd}}", tag]);
    assert!(matches!(entry.as_str(), "[\"/bin/sh\"] null" | "[\"/bin/sh\"] []"), "{entry}");
}

/// The same of a sealed image in the cache.
fn nothing_of_the_future_on_the_host(folder: &Path, unreachable: &BTreeSet<String>) {
    let mut seen = 0;
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy();
        let path = entry.path();
        assert!(!matches!(&*name, ".git" | "packed-refs") && !name.ends_with(".pack"), "{}", path.display());
        assert!(unreachable.iter().all(|id| name != id[2..]), "{}", path.display());
        if entry.file_type().is_file() {
            seen += 1;
            let content = fs::read(path).unwrap();
            let tells = content.windows(15).any(|window| window == b"twice_of_number");
            assert!(!tells, "{}", path.display());
        }
    }
    assert!(seen > 100, "{seen} files");
    assert!(folder.join("tree/__pycache__").is_dir(), "the bytecode is warm");
}

pub const TESTS: &[Test] = tests![a_row_that_names_an_image_is_verified_in_it_and_nothing_of_its_future_can_be_found,];
