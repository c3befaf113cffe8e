//! `assay publish` against a Hub that keeps real git repositories and the official Xet server, with faults on purpose. The
//! official `hf` client sends the same directory there, with Xet and without, and leaves nothing for ours to add.

use crate::harness::{Need, Test, skip, tests};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use swe_assay::inside::console::Console;
use swe_assay::inside::dataset::seal::entries::Config;
use swe_assay::inside::dataset::seal::manifest::{Contents, Manifest};
use swe_assay::inside::dataset::select::matched::Matched;
use swe_assay::inside::hub::{Account, Hub as Client, Patience, RepoId, download};
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::receipt::Tool;

use crate::hub::{Hub, READER, TOKEN, Wrong};
use crate::support::{assay, expect_exit, json as output_json, stderr};

pub const REPO: &str = "me/rows";

/// A dataset directory with this many shards; `version` is in every shard.
pub fn dataset(place: &Path, shards: usize, version: &str) {
    let put = |path: &str, text: String| {
        let path = place.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for shard in 0..shards {
        let rows: String = (0..200).map(|row| format!("{version} shard {shard} row {row}\n")).collect();
        put(&format!("sft/train-{shard:05}-of-{shards:05}.parquet"), rows);
    }
    put("evidence/receipts.json", format!("{{\"version\":\"{version}\"}}\n"));
    put("README.md", format!("---\nlicense: mit\n---\n\n# Rows {version}\n"));
    let sft = Config { rows: 200 * shards as u64, row_format: "sft-row.v1".to_owned(), data_files: Vec::new() };
    let contents = Contents {
        tool: Tool::this(),
        inputs: BTreeMap::new(),
        settings: BTreeMap::new(),
        configs: [("sft".to_owned(), sft)].into(),
        evidence: BTreeMap::new(),
        left_out: BTreeMap::new(),
        matched: Matched::default(),
        left_out_tasks: BTreeMap::new(),
    };
    Manifest::of_directory(place, contents, &BTreeMap::new()).unwrap().write(place, None).unwrap();
}

pub struct World {
    pub hub: Hub,
    pub place: tempfile::TempDir,
}

impl World {
    /// A Hub and a dataset beside it.
    pub fn new(shards: usize) -> Self {
        let place = tempfile::tempdir().unwrap();
        dataset(&place.path().join("data"), shards, "one");
        Self { hub: Hub::start(), place }
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.place.path().join("data")
    }

    /// `assay publish data me/rows` with these further arguments, forced: rows that are made up pass no audit.
    pub fn publish(&self, arguments: &[&str]) -> Command {
        self.publish_to(REPO, arguments)
    }

    pub fn publish_to(&self, repository: &str, arguments: &[&str]) -> Command {
        self.unforced(repository, &[&["--force"], arguments].concat())
    }

    pub fn unforced(&self, repository: &str, arguments: &[&str]) -> Command {
        let mut command = assay();
        command.arg("publish").arg(self.data()).arg(repository).args(["--retry-wait", "0.02"]).args(arguments);
        command
            .env("HF_ENDPOINT", &self.hub.endpoint)
            .env("HF_TOKEN", TOKEN)
            .env("HF_HOME", self.place.path().join("hf"));
        for name in ["HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
            command.env_remove(name);
        }
        command
    }

    /// The repository's main branch is exactly the directory, large files as pointers to the right bytes.
    pub fn assert_whole(&self) {
        self.assert_whole_at("main");
    }

    fn assert_whole_at(&self, revision: &str) {
        let (mut there, messages) = self.hub.read(REPO, revision);
        assert!(there.remove(".gitattributes").is_some());
        let mut files = 0;
        for entry in
            walkdir::WalkDir::new(self.data()).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file())
        {
            let path = entry.path().strip_prefix(self.data()).unwrap().to_str().unwrap().to_owned();
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = there.remove(&path).unwrap_or_else(|| panic!("{path} is not there; {messages:?}"));
            match &found.sha256 {
                Some(sha256) => assert_eq!(sha256, Digest::of(&bytes).as_str(), "{path}"),
                None => {
                    assert!(!path.ends_with(".parquet"), "{path} is no pointer");
                    assert_eq!(self.hub.repository(REPO, |one| one.content(&found.oid)), bytes, "{path}");
                }
            }
            files += 1;
        }
        assert!(there.is_empty() && files > 3, "{files} files, and what is not ours: {there:?}");
    }

    /// Commits on main but for the Hub's first one.
    pub fn commits(&self) -> usize {
        self.hub.read(REPO, "main").1.len() - 1
    }
}

fn a_dataset_is_published_privately_once_tagged_and_replaced_as_a_whole() {
    let world = World::new(3);
    let plan = output_json(&expect_exit(&mut world.publish(&["--dry-run", "--json"]), 0));
    assert_eq!((&plan["dry_run"], &plan["created"], &plan["commit"]), (&json!(true), &json!(true), &Value::Null));
    assert!(!world.hub.has(REPO), "a dry run made the repository");

    let first = output_json(&expect_exit(&mut world.publish(&["--tag", "v1", "--json"]), 0));
    assert_eq!((&first["commits"], &first["private"], &first["created"]), (&json!(1), &json!(true), &json!(true)));
    assert_eq!(first["added"], plan["added"]);
    assert!(world.hub.repository(REPO, |one| one.private));
    world.assert_whole();
    assert_eq!(world.hub.repository(REPO, |one| one.tags())["v1"], first["commit"].as_str().unwrap());

    // Again: nothing to do, and nothing done.
    let again = output_json(&expect_exit(&mut world.publish(&["--tag", "v1", "--json"]), 0));
    assert_eq!((&again["commits"], &again["unchanged"], &again["commit"]), (&json!(0), &json!(7), &first["commit"]));
    assert_eq!(world.commits(), 1);

    // A new version with fewer shards: the old shards go, other people's files stay.
    world.hub.repository(REPO, |one| one.other_commit("notes.txt"));
    std::fs::remove_dir_all(world.data()).unwrap();
    dataset(&world.data(), 2, "two");
    let refused = expect_exit(&mut world.publish(&["--tag", "v1"]), 2);
    assert!(stderr(&refused).contains("choose another --tag"), "{}", stderr(&refused));
    let second = output_json(&expect_exit(&mut world.publish(&["--tag", "v2", "--json"]), 0));
    assert_eq!(second["deleted"].as_array().unwrap().len(), 3);
    assert_eq!(second["left_alone"], json!(["notes.txt"]));
    let (there, _) = world.hub.read(REPO, "main");
    assert_eq!(there.keys().filter(|path| path.ends_with(".parquet")).count(), 2);
    assert_eq!(world.hub.repository(REPO, |one| one.tags()).len(), 2);
}

fn many_files_go_in_bounded_commits_and_the_card_comes_last() {
    let world = World::new(130);
    let done = output_json(&expect_exit(&mut world.publish(&["--json"]), 0));
    assert_eq!(done["commits"], json!(2));
    world.assert_whole();
    assert!(world.hub.repository(REPO, |one| one.operations.iter().all(|count| *count <= 100)));
    let (before, _) = world.hub.read(REPO, &world.hub.repository(REPO, |one| one.parent_of("main")));
    assert!(!before.contains_key("README.md") && !before.contains_key("manifest.json"), "visible too early");
}

fn every_fault_of_server_and_network_is_waited_out_and_leaves_the_dataset_once() {
    let commit = "POST /api/datasets/me/rows/commit";
    let faults = [
        ("GET /api/whoami-v2", Wrong::Answer(503, vec![]), 1),
        ("POST /api/repos/create", Wrong::DoneThenAnswer(500), 1),
        ("POST /api/repos/create", Wrong::DoneThenCut, 1),
        ("GET /api/datasets/me/rows/tree", Wrong::Answer(502, vec![]), 1),
        ("GET /api/datasets/me/rows/tree", Wrong::DoneThenCut, 1),
        ("POST /api/datasets/me/rows/preupload", Wrong::Answer(500, vec![]), 1),
        ("/xet-write-token/", Wrong::Answer(504, vec![]), 1),
        (commit, Wrong::Answer(500, vec![]), 1),
        (commit, Wrong::DoneThenAnswer(500), 1),
        (commit, Wrong::DoneThenAnswer(429), 1),
        (commit, Wrong::DoneThenCut, 1),
        (commit, Wrong::Answer(409, vec![]), 1),
        (commit, Wrong::OtherCommit("theirs.txt"), 2),
    ];
    for (on, what, commits) in faults {
        let world = World::new(2);
        world.hub.fault(on, what);
        expect_exit(&mut world.publish(&[]), 0);
        assert_eq!(world.hub.faults_left(), 0, "{on}: nothing went wrong");
        if commits == 2 {
            world.hub.repository(REPO, |one| one.remove("theirs.txt"));
        }
        world.assert_whole();
        let mut made = world.hub.read(REPO, "main").1;
        made.retain(|message| message.starts_with("Publish the dataset"));
        assert_eq!(made.len(), 1, "{on}: {made:?}");
    }
}

fn the_wait_that_a_server_asks_for_is_kept() {
    for (on, path) in [
        ("POST /api/datasets/me/rows/commit", "POST /api/datasets/me/rows/commit"),
        ("GET /api/datasets/me/rows/tree", "GET /api/datasets/me/rows/tree"),
    ] {
        let world = World::new(1);
        world.hub.fault(on, Wrong::Answer(429, vec![("retry-after", "2")]));
        let said = stderr(&expect_exit(&mut world.publish(&[]), 0));
        assert!(said.contains("trying again in 2 s"), "{said}");
        let times = world.hub.requests(path);
        assert!(times[1].0 - times[0].0 >= Duration::from_secs(2), "asked again too early");
        world.assert_whole();
    }
    let world = World::new(1);
    world.hub.fault("GET /api/datasets/me/rows", Wrong::Answer(429, vec![("retry-after", "86400")]));
    let said = stderr(&expect_exit(&mut world.publish(&[]), 4));
    assert!(said.contains("run the same command again later"), "{said}");
}

fn a_killed_upload_goes_on_and_ends_as_one_whole_dataset() {
    let commit = "POST /api/datasets/me/rows/commit";
    for what in [Wrong::Slow(Duration::from_secs(600)), Wrong::DoneThenSlow(Duration::from_secs(600))] {
        let done = matches!(what, Wrong::DoneThenSlow(_));
        let world = World::new(120);
        // The second commit hangs: before it is made, or after.
        world.hub.fault(commit, Wrong::Slow(Duration::ZERO));
        world.hub.fault(commit, what);
        let mut child = world.publish(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        world.hub.wait_for(commit, 2);
        let start = std::time::Instant::now();
        while done && world.commits() < 2 {
            assert!(start.elapsed() < Duration::from_secs(30), "the second commit was not made");
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let again = output_json(&expect_exit(&mut world.publish(&["--json"]), 0));
        assert_eq!(again["commits"], json!(usize::from(!done)));
        assert!(again["unchanged"].as_u64().unwrap() >= 100, "{again}");
        world.assert_whole();
        assert_eq!(world.commits(), 2);
    }
}

fn an_interrupted_upload_says_so_and_goes_on() {
    let world = World::new(1);
    world.hub.fault("POST /api/datasets/me/rows/commit", Wrong::Slow(Duration::from_secs(600)));
    let child = world.publish(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    world.hub.wait_for("POST /api/datasets/me/rows/commit", 1);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("run the same command again"), "{}", stderr(&output));
    expect_exit(&mut world.publish(&[]), 0);
    world.assert_whole();
}

fn a_server_without_xet_is_refused_before_anything_is_committed() {
    let world = World::new(1);
    world.hub.state().basic_only = true;
    let said = stderr(&expect_exit(&mut world.publish(&[]), 4));
    assert!(said.contains("nothing was committed") && said.contains("hf upload"), "{said}");
    assert_eq!(world.commits(), 0);
    world.hub.state().basic_only = false;
    expect_exit(&mut world.publish(&[]), 0);
    world.assert_whole();
}

fn a_pull_request_holds_the_whole_dataset_and_an_interrupted_one_is_taken_up_again() {
    let world = World::new(2);
    world.hub.add(REPO, true, false);
    world.hub.fault("POST /api/datasets/me/rows/discussions", Wrong::DoneThenAnswer(500));
    world.hub.fault("POST /api/datasets/me/rows/commit/refs%2Fpr%2F1", Wrong::Answer(403, vec![]));
    let said = stderr(&expect_exit(&mut world.publish(&["--pr"]), 4));
    assert!(said.contains("write access"), "{said}");
    let done = output_json(&expect_exit(&mut world.publish(&["--pr", "--json"]), 0));
    assert_eq!(done["pull_request"], json!(1));
    assert!(done["url"].as_str().unwrap().ends_with("/datasets/me/rows/discussions/1"));
    world.assert_whole_at("refs/pr/1");
    assert_eq!(world.commits(), 0, "main was changed");
    world.hub.repository(REPO, |one| {
        assert_eq!(one.pull_requests.iter().map(|p| p.1.as_str()).collect::<Vec<_>>(), ["open"])
    });
    let again = output_json(&expect_exit(&mut world.publish(&["--pr", "--json"]), 0));
    assert_eq!((&again["pull_request"], &again["commits"]), (&json!(1), &json!(0)));
}

fn what_is_not_ours_or_not_private_is_not_written_to_without_being_told() {
    let world = World::new(1);
    world.hub.add(REPO, false, false);
    let said = stderr(&expect_exit(&mut world.publish(&[]), 2));
    assert!(said.contains("is public") && said.contains("--public"), "{said}");
    world.hub.repository(REPO, |one| one.other_commit("data/train.parquet"));
    let said = stderr(&expect_exit(&mut world.publish(&["--public"]), 2));
    assert!(said.contains("data/train.parquet") && said.contains("--overwrite"), "{said}");
    assert_eq!(world.commits(), 1);
    let done = output_json(&expect_exit(&mut world.publish(&["--public", "--overwrite", "--json"]), 0));
    assert_eq!((&done["private"], &done["left_alone"]), (&json!(false), &json!(["data/train.parquet"])));
}

fn a_token_that_is_missing_wrong_or_for_reading_is_named_and_never_shown() {
    let world = World::new(1);
    let said = stderr(&expect_exit(world.publish(&[]).env_remove("HF_TOKEN"), 4));
    assert!(said.contains("HF_TOKEN") && said.contains("hf auth login") && said.contains("hf/token"), "{said}");
    let said = stderr(&expect_exit(world.publish(&[]).env("HF_TOKEN", "hf_wrongsecret"), 4));
    assert!(said.contains("does not accept the token from HF_TOKEN") && !said.contains("wrongsecret"), "{said}");
    let said = stderr(&expect_exit(world.publish(&[]).env("HF_TOKEN", READER), 4));
    assert!(said.contains("may only read") && !said.contains(READER), "{said}");
    assert!(!world.hub.has(REPO));
    // The usual file serves as well.
    std::fs::create_dir_all(world.place.path().join("hf")).unwrap();
    std::fs::write(world.place.path().join("hf/token"), format!("{TOKEN}\n")).unwrap();
    expect_exit(world.publish(&[]).env_remove("HF_TOKEN"), 0);
    world.assert_whole();
}

fn names_that_are_taken_or_of_others_and_no_network_end_with_the_next_step() {
    let world = World::new(1);
    world.hub.add("me/hidden", true, true);
    let said = stderr(&expect_exit(&mut world.publish_to("me/hidden", &[]), 2));
    assert!(said.contains("is taken") && said.contains("choose another name"), "{said}");
    let said = stderr(&expect_exit(&mut world.publish_to("others/rows", &[]), 4));
    assert!(said.contains("may not do that") && said.contains("write access"), "{said}");
    let said = stderr(&expect_exit(&mut world.publish_to("rows", &[]), 1));
    assert!(said.contains("owner/name"), "{said}");
    let said = stderr(&expect_exit(world.publish(&[]).env("HF_ENDPOINT", "http://127.0.0.1:9"), 4));
    assert!(said.contains("check the network and HF_ENDPOINT"), "{said}");
}

fn a_directory_that_is_empty_damaged_or_no_dataset_is_refused() {
    let world = World::new(1);
    let manifest = world.data().join("manifest.json");
    let shard = world.data().join("sft/train-00000-of-00001.parquet");
    std::fs::write(world.data().join("secret.env"), "x").unwrap();
    std::fs::write(&shard, "other rows").unwrap();
    let said = stderr(&expect_exit(&mut world.unforced(REPO, &[]), 2));
    assert!(said.contains("secret.env is not in manifest.json") && said.contains("changed after the export"), "{said}");
    assert!(world.hub.requests("").is_empty(), "the server was asked");
    expect_exit(&mut world.publish(&[]), 0);
    assert!(!world.hub.read(REPO, "main").0.contains_key("secret.env"));
    std::fs::remove_file(&shard).unwrap();
    assert!(stderr(&expect_exit(&mut world.publish(&[]), 1)).contains("export again"));
    std::fs::remove_dir_all(world.data()).unwrap();
    dataset(&world.data(), 0, "none");
    assert!(stderr(&expect_exit(&mut world.unforced(REPO, &[]), 1)).contains("holds no rows"));
    std::fs::remove_file(&manifest).unwrap();
    assert!(stderr(&expect_exit(&mut world.unforced(REPO, &[]), 1)).contains("assay export"));
}

fn a_published_dataset_is_downloaded_whole_and_a_broken_download_goes_on() {
    let world = World::new(2);
    expect_exit(&mut world.publish(&[]), 0);
    let (console, repo) = (Console::default(), REPO.parse::<RepoId>().unwrap());
    let account = Account::new(&world.hub.endpoint, Some(TOKEN), "test").unwrap();
    let patience = Patience { first: Duration::from_millis(10), tries: 3, ..Patience::default() };
    let client = Client::new(account, repo, patience, &console).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = world.place.path().join("cache");
    world.hub.fault("/resolve/", Wrong::Answer(404, vec![]));
    assert!(runtime.block_on(download(&client, None, &place)).unwrap_err().to_string().contains("download"));
    world.hub.fault("/resolve/", Wrong::DoneThenCut);
    let got = runtime.block_on(download(&client, None, &place)).unwrap();
    for entry in walkdir::WalkDir::new(world.data()).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file())
    {
        let path = entry.path().strip_prefix(world.data()).unwrap().to_owned();
        assert_eq!(std::fs::read(got.directory.join(&path)).unwrap(), std::fs::read(entry.path()).unwrap(), "{path:?}");
    }
    assert!(!got.directory.join(".gitattributes").exists());
    assert_eq!(runtime.block_on(download(&client, Some("main"), &place)).unwrap(), got);
    let missing = runtime.block_on(download(&client, Some("v9"), &place)).unwrap_err().to_string();
    assert!(missing.contains("v9") && missing.contains("check the name and revision"), "{missing}");
}

fn a_dataset_of_the_hub_is_audited_by_its_name() {
    let world = World::new(1);
    expect_exit(&mut world.publish(&[]), 0);
    let mut audit = world.unforced(REPO, &[]);
    audit = {
        let mut command = assay();
        command.envs(audit.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    };
    audit.args(["audit", &format!("hub:{REPO}"), "--json"]).env("XDG_CACHE_HOME", world.place.path().join("cache"));
    let report = output_json(&expect_exit(&mut audit, 2));
    assert_eq!(report["dataset"], format!("hub:{REPO}"));
    assert!(report["counts"].get("counts-differ").is_some(), "its rows are made up: {report}");
    let mut absent = assay();
    absent.envs(audit.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = stderr(&expect_exit(absent.args(["audit", "hub:me/none"]), 1));
    assert!(said.contains("there is no dataset"), "{said}");
}

/// The official client sends the same directory to the same server, which shows that the server asks of ours what the Hub
/// does. It is `hf` on the path or `ASSAY_HF` (`pip install huggingface_hub`); without it the test does not run.
fn the_official_client_and_ours_leave_the_same_repository() {
    let hf = std::env::var("ASSAY_HF").unwrap_or_else(|_| "hf".to_owned());
    if !Command::new(&hf).arg("version").output().is_ok_and(|output| output.status.success()) {
        skip(Need::HubClient, "pip install huggingface_hub, or name its program with ASSAY_HF");
    }
    for without_xet in ["0", "1"] {
        let world = World::new(3);
        let mut command = Command::new(&hf);
        command.args(["upload", REPO]).arg(world.data()).args([".", "--repo-type", "dataset", "--private"]);
        command.env("HF_ENDPOINT", &world.hub.endpoint).env("HF_TOKEN", TOKEN).env("HF_HOME", world.place.path());
        expect_exit(command.env("HF_HUB_DISABLE_XET", without_xet).env("HF_HUB_DISABLE_TELEMETRY", "1"), 0);
        world.assert_whole();
        let official = world.commits();
        // What the official client has sent is nothing to do for ours.
        let ours = output_json(&expect_exit(&mut world.publish(&["--json"]), 0));
        assert_eq!((&ours["commits"], &ours["unchanged"]), (&json!(0), &json!(7)), "without Xet: {without_xet}");
        assert_eq!(world.commits(), official);
    }
}

pub const TESTS: &[Test] = tests![
    a_dataset_is_published_privately_once_tagged_and_replaced_as_a_whole,
    many_files_go_in_bounded_commits_and_the_card_comes_last,
    every_fault_of_server_and_network_is_waited_out_and_leaves_the_dataset_once,
    the_wait_that_a_server_asks_for_is_kept,
    a_killed_upload_goes_on_and_ends_as_one_whole_dataset,
    an_interrupted_upload_says_so_and_goes_on,
    a_server_without_xet_is_refused_before_anything_is_committed,
    a_pull_request_holds_the_whole_dataset_and_an_interrupted_one_is_taken_up_again,
    what_is_not_ours_or_not_private_is_not_written_to_without_being_told,
    a_token_that_is_missing_wrong_or_for_reading_is_named_and_never_shown,
    names_that_are_taken_or_of_others_and_no_network_end_with_the_next_step,
    a_directory_that_is_empty_damaged_or_no_dataset_is_refused,
    a_published_dataset_is_downloaded_whole_and_a_broken_download_goes_on,
    a_dataset_of_the_hub_is_audited_by_its_name,
    the_official_client_and_ours_leave_the_same_repository,
];
