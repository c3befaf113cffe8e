//! `assay publish` where something around it is not as people think: the directory, the repository, the environment, the
//! network.

use crate::harness::{Test, tests};
use std::path::Path;

use serde_json::{Value, json};

use crate::hub::{READER, TOKEN, Wrong};
use crate::publish::{REPO, World, dataset};
use crate::support::{assay, expect_exit, json as output_json, stderr};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// What the commands say of files that nobody knows, on either output.
fn unknown(output: &std::process::Output) -> bool {
    let said = format!("{}{}", stderr(output), String::from_utf8_lossy(&output.stdout));
    said.contains("is not in manifest.json") || said.contains("file-unlisted")
}

fn a_downloaded_or_cloned_dataset_is_published_without_what_the_tools_left_and_audit_agrees() {
    let world = World::new(2);
    for path in [
        ".gitattributes",
        ".cache/huggingface/.gitignore",
        ".cache/huggingface/download/README.md.metadata",
        ".cache/huggingface/download/sft/train-00000-of-00002.parquet.lock",
        ".git/HEAD",
        ".git/lfs/objects/aa/bb/x",
    ] {
        put(&world.data(), path, "of a tool");
    }
    let audit = |world: &World| {
        let mut command = assay();
        command.arg("audit").arg(world.data()).output().unwrap()
    };
    assert!(!unknown(&audit(&world)));
    let output = expect_exit(&mut world.publish(&["--json"]), 0);
    assert!(!unknown(&output), "{}", stderr(&output));
    let (there, _) = world.hub.read(REPO, "main");
    assert!(!there.keys().any(|path| path.starts_with(".git/") || path.starts_with(".cache/")), "{there:?}");
    // What the Hub has put there itself stays as it is.
    assert_ne!(world.hub.repository(REPO, |one| one.content(&there[".gitattributes"].oid)), b"of a tool");
    assert_eq!(output_json(&output)["added"].as_array().unwrap().len(), 6);

    // Others are refused by name, by both.
    for path in ["notes.txt", ".env", "cache/x", "sft/.gitattributes"] {
        put(&world.data(), path, "?");
        let said = stderr(&expect_exit(&mut world.unforced(REPO, &[]), 2));
        assert!(said.contains(&format!("{path} is not in manifest.json")), "{said}");
        assert!(unknown(&audit(&world)), "audit accepts {path}");
        std::fs::remove_file(world.data().join(path)).unwrap();
    }
}

fn a_revision_in_the_hubs_own_cache_is_published_and_other_links_are_not() {
    let world = World::new(1);
    let kept = world.place.path().join("hub/datasets--me--rows");
    let (blobs, snapshot) = (kept.join("blobs"), kept.join("snapshots/0123"));
    std::fs::create_dir_all(&blobs).unwrap();
    for entry in walkdir::WalkDir::new(world.data()).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file())
    {
        let path = entry.path().strip_prefix(world.data()).unwrap().to_owned();
        let blob = blobs.join(path.to_str().unwrap().replace('/', "-"));
        std::fs::copy(entry.path(), &blob).unwrap();
        std::fs::create_dir_all(snapshot.join(&path).parent().unwrap()).unwrap();
        let up = "../".repeat(path.components().count() + 1);
        let target = format!("{up}blobs/{}", blob.file_name().unwrap().to_str().unwrap());
        std::os::unix::fs::symlink(target, snapshot.join(&path)).unwrap();
    }
    let publish = |directory: &Path| {
        let mut command = world.publish(&["--json"]);
        let arguments: Vec<_> = command
            .get_args()
            .map(|argument| if argument == world.data() { directory.as_os_str() } else { argument }.to_owned())
            .collect();
        let mut other = assay();
        other.args(arguments).envs(command.env("HF_XET_LOG", "off").get_envs().filter_map(|(k, v)| Some((k, v?))));
        other
    };
    expect_exit(&mut publish(&snapshot), 0);
    world.assert_whole();
    // A link to anything else is no part of a dataset.
    let elsewhere = world.place.path().join("private");
    std::fs::write(&elsewhere, "secret").unwrap();
    std::fs::remove_file(snapshot.join("README.md")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, snapshot.join("README.md")).unwrap();
    let said = stderr(&expect_exit(&mut publish(&snapshot), 1));
    assert!(said.contains("README.md is not a regular file"), "{said}");
}

fn a_clone_without_its_large_files_says_how_to_fetch_them() {
    let world = World::new(1);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 99\n", "0".repeat(64));
    put(&world.data(), "sft/train-00000-of-00001.parquet", &pointer);
    let said = stderr(&expect_exit(&mut world.unforced(REPO, &[]), 2));
    assert!(said.contains("train-00000-of-00001.parquet") && said.contains("git lfs pull"), "{said}");
}

fn who_may_read_a_repository_that_is_there_is_never_other_than_what_was_asked_for() {
    let world = World::new(1);
    world.hub.add(REPO, true, false);
    for arguments in [&["--public"][..], &["--public", "--dry-run"], &["--public", "--pr"]] {
        let said = stderr(&expect_exit(&mut world.publish(arguments), 2));
        assert!(
            said.contains("is private") && said.contains("/settings") && said.contains("leave out --public"),
            "{said}"
        );
    }
    world.hub.add("me/open", false, false);
    for arguments in [&[][..], &["--dry-run"], &["--pr"]] {
        let said = stderr(&expect_exit(&mut world.publish_to("me/open", arguments), 2));
        assert!(said.contains("is public") && said.contains("add --public"), "{said}");
    }
    assert!(world.hub.requests("POST /api/datasets").is_empty(), "something was sent");
    // One that is made is as it was asked for, also when the same command runs again.
    for _ in 0..2 {
        let made = output_json(&expect_exit(&mut world.publish_to("me/new", &["--public", "--json"]), 0));
        assert_eq!(made["private"], json!(false));
    }
}

fn a_tag_that_git_or_readers_would_not_take_is_refused_before_anything_is_sent() {
    let world = World::new(1);
    let commit = "0123456789abcdef0123456789abcdef01234567";
    for tag in
        ["", " ", "v 1", "v..1", "v~1", "v^", "a:b", "v?", "v*", "v[0]", "-v1", ".v1", "v1.", "v1.lock", "main", commit]
    {
        let said = stderr(&expect_exit(&mut world.publish(&[&format!("--tag={tag}")]), 1));
        assert!(said.contains("is not a name for a tag") && said.contains("v1.2"), "{tag:?}: {said}");
    }
    assert!(world.hub.requests("").is_empty(), "the server was asked");
    world.hub.add(REPO, true, false);
    world.hub.repository(REPO, |one| one.branch_off("next"));
    let said = stderr(&expect_exit(&mut world.publish(&["--tag", "next"]), 2));
    assert!(said.contains("has a branch next") && said.contains("choose another --tag"), "{said}");
    assert_eq!(world.commits(), 0);
    expect_exit(&mut world.publish(&["--tag", "v1.2"]), 0);
    world.assert_whole();
}

fn an_environment_that_stays_offline_is_named_with_the_way_out() {
    let world = World::new(1);
    for value in ["1", "true", "YES", "On"] {
        for arguments in [&[][..], &["--dry-run"]] {
            let said = stderr(&expect_exit(world.publish(arguments).env("HF_HUB_OFFLINE", value), 4));
            assert!(said.contains("HF_HUB_OFFLINE") && said.contains("unset HF_HUB_OFFLINE"), "{said}");
        }
    }
    let mut audit = assay();
    audit.args(["audit", "hub:me/rows"]).env("HF_ENDPOINT", &world.hub.endpoint).env("HF_HUB_OFFLINE", "1");
    assert!(stderr(&expect_exit(&mut audit, 4)).contains("unset HF_HUB_OFFLINE"));
    assert!(world.hub.requests("").is_empty(), "the server was asked");
    expect_exit(world.publish(&[]).env("HF_HUB_OFFLINE", "0"), 0);
    world.assert_whole();
}

fn a_page_of_a_proxy_is_no_answer_on_any_call() {
    let calls = [
        ("/api/whoami-v2", &[][..]),
        ("/api/repos/create", &[]),
        ("GET /api/datasets/me/rows ", &[]),
        ("/api/datasets/me/rows/tree", &[]),
        ("/resolve/", &[]),
        ("/api/datasets/me/rows/refs", &["--tag", "v2"]),
        ("/info/lfs/objects/batch", &[]),
        ("/api/validate-yaml", &[]),
        ("/api/datasets/me/rows/preupload", &[]),
        ("/xet-write-token/", &[]),
        ("/api/datasets/me/rows/commit", &[]),
        ("/api/datasets/me/rows/tag", &["--tag", "v2"]),
        ("/api/datasets/me/rows/discussions", &["--pr"]),
        ("/discussions/1/status", &["--pr"]),
    ];
    for (on, arguments) in calls {
        let world = World::new(1);
        if on != "/api/repos/create" {
            // A second version, so that there is a manifest to read and something to send.
            expect_exit(&mut world.publish(&[]), 0);
            std::fs::remove_dir_all(world.data()).unwrap();
            dataset(&world.data(), 1, "two");
        }
        // The request for the repository itself has nothing after its name.
        world.hub.fault(on.trim_end(), Wrong::Page(Some("text/html; charset=utf-8")));
        let said = stderr(&expect_exit(&mut world.publish(arguments), 4));
        assert!(said.contains("text/html") && said.contains("Sign in to the office network"), "{on}: {said}");
        assert!(said.contains("proxy") && said.contains("HF_ENDPOINT"), "{on}: {said}");
        assert!(!said.contains("expected value") && !said.contains(TOKEN), "{on}: {said}");
    }
    // Also without a content type.
    let world = World::new(1);
    world.hub.fault("/api/", Wrong::Page(None));
    let said = stderr(&expect_exit(&mut world.publish(&[]), 4));
    assert!(said.contains("no content type") && said.contains("Sign in"), "{said}");
}

fn a_plan_needs_no_token_and_says_what_a_stranger_could_not_read() {
    let world = World::new(2);
    let plan = |arguments: &[&str]| expect_exit(world.publish(arguments).env_remove("HF_TOKEN"), 0);
    // Not there, and private: a stranger cannot tell.
    for private in [false, true] {
        if private {
            expect_exit(&mut world.publish(&[]), 0);
        }
        let told = output_json(&plan(&["--dry-run", "--json"]));
        assert_eq!((told["added"].as_array().unwrap().len(), &told["unchanged"]), (6, &json!(0)));
        assert!(told["unread"].as_str().unwrap().contains("private or not there"), "{told}");
        assert_eq!(told["created"], json!(false), "nobody knows");
        let text = String::from_utf8(plan(&["--dry-run"]).stdout).unwrap();
        assert!(text.contains("would send 6 file(s)") && text.contains("every file counts as new"), "{text}");
        assert!(text.contains("(private or not there)"), "{text}");
    }
    // What anyone can read is compared.
    world.hub.repository(REPO, |one| one.private = false);
    let told = output_json(&plan(&["--dry-run", "--public", "--json"]));
    assert_eq!((&told["added"], &told["unchanged"], &told["unread"]), (&json!([]), &json!(6), &Value::Null));
    let output = expect_exit(world.publish(&["--dry-run"]).env_remove("HF_TOKEN"), 2);
    assert!(stderr(&output).contains("is public"), "{}", stderr(&output));
    // A token that may only read does for a plan; one that is wrong does not.
    let told =
        output_json(&expect_exit(world.publish(&["--dry-run", "--public", "--json"]).env("HF_TOKEN", READER), 0));
    assert_eq!(told["unchanged"], json!(6));
    let output = expect_exit(world.publish(&["--dry-run"]).env("HF_TOKEN", "hf_wrongsecret"), 4);
    assert!(stderr(&output).contains("does not accept the token"), "{}", stderr(&output));
    // To publish, one is needed as before.
    let output = expect_exit(world.publish(&["--public"]).env_remove("HF_TOKEN"), 4);
    assert!(stderr(&output).contains("no token for"), "{}", stderr(&output));
    assert_eq!(world.commits(), 1);
}

fn blanks_around_a_token_are_taken_off_and_inside_it_refused_without_showing_it() {
    let world = World::new(1);
    for token in ["hf_good token", "hf_good\ntoken", "hf_good\ttoken", "Bearer hf_goodtoken", "hf_g\u{f6}\u{f6}d"] {
        for arguments in [&[][..], &["--dry-run"]] {
            let said = stderr(&expect_exit(world.publish(arguments).env("HF_TOKEN", token), 4));
            assert!(said.contains("HF_TOKEN") && said.contains("paste it again") && !said.contains("hf_g"), "{said}");
        }
    }
    assert!(world.hub.requests("").is_empty(), "the server was asked");
    std::fs::create_dir_all(world.place.path().join("hf")).unwrap();
    std::fs::write(world.place.path().join("hf/token"), "hf_good\ntoken\n").unwrap();
    let said = stderr(&expect_exit(world.publish(&[]).env_remove("HF_TOKEN"), 4));
    assert!(said.contains("hf/token") && !said.contains("hf_good"), "{said}");
    for token in [format!("{TOKEN}\n"), format!("  {TOKEN}\r\n"), format!("\t{TOKEN} ")] {
        let output = expect_exit(world.publish(&[]).env("HF_TOKEN", &token), 0);
        assert!(!stderr(&output).contains(TOKEN));
    }
    world.assert_whole();
}

fn names_that_the_hub_would_not_take_are_refused_before_anything_is_sent() {
    let world = World::new(1);
    let long = format!("me/{}", "n".repeat(97));
    for name in [
        "rows",
        "",
        "me/",
        "/rows",
        "me/rows/more",
        "me/a b",
        "me/-rows",
        "me/rows.",
        "me/a..b",
        "me/a--b",
        "me/rows.git",
        "me/\u{e9}",
        &long,
    ] {
        let said = stderr(&expect_exit(&mut world.publish_to(name, &[]), 1));
        assert!(said.contains("owner/name"), "{name}: {said}");
    }
    assert!(world.hub.requests("").is_empty(), "the server was asked");
    expect_exit(&mut world.publish_to("me/Rows_2.v-1", &[]), 0);
}

pub const TESTS: &[Test] = tests![
    a_downloaded_or_cloned_dataset_is_published_without_what_the_tools_left_and_audit_agrees,
    a_revision_in_the_hubs_own_cache_is_published_and_other_links_are_not,
    a_clone_without_its_large_files_says_how_to_fetch_them,
    who_may_read_a_repository_that_is_there_is_never_other_than_what_was_asked_for,
    a_tag_that_git_or_readers_would_not_take_is_refused_before_anything_is_sent,
    an_environment_that_stays_offline_is_named_with_the_way_out,
    a_page_of_a_proxy_is_no_answer_on_any_call,
    a_plan_needs_no_token_and_says_what_a_stranger_could_not_read,
    blanks_around_a_token_are_taken_off_and_inside_it_refused_without_showing_it,
    names_that_the_hub_would_not_take_are_refused_before_anything_is_sent,
];
