use super::super::tests::{World, world};
use super::*;
use crate::model::admission::Trees;
use crate::model::candidate::{Payload, Prepared};
use crate::model::generation::Skill;
use crate::repo::prepare;
use crate::sandbox::FileChange;

const FIX: &str = "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n";

fn trees(world: &World) -> Trees {
    let base = world.tree(&[
        ("pkg/a.py", "x = 1\n"),
        ("pkg/data.txt", "y = 3\n"),
        ("shared/b.py", "z = 1\n"),
        ("linked/deep/c.py", "w = 1\n"),
        ("tests/test_a.py", "assert x == 2\n"),
        ("tests/expected.txt", "2\n"),
    ]);
    let out = FileChange::Link { path: "linked/out".into(), target: "/etc".into() };
    let base = world.repo.with(&base, &[out]).unwrap();
    Trees {
        gold: base.clone(),
        tested_base: base.clone(),
        tested_gold: base.clone(),
        layout: Layout::by_name("pytest"),
        base,
    }
}

fn link(path: &str, target: &str) -> String {
    let lines = target.split('\n').count();
    let body = target.replace('\n', "\n+");
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n+{body}\n\\ No newline \
         at end of file\n"
    )
}

fn put(world: &World, trees: &Trees, skill: Skill, diff: String) -> Result<Prepared, Malformed> {
    prepare(&world.repo, trees, skill, &Payload::UnifiedDiff { diff }).unwrap()
}

#[test]
fn a_new_link_that_stays_inside_the_tree_is_a_change_like_any_other() {
    let world = world();
    let trees = trees(&world);
    for (path, target, leads) in [
        ("pkg/alias.py", "a.py", "pkg/a.py"),
        ("current", "shared", "shared"),
        ("pkg/deep/b.py", "../../shared/b.py", "shared/b.py"),
        ("notes", "./pkg//data.txt", "pkg/data.txt"),
    ] {
        let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &link(path, target)).unwrap();
        let mut files = vec!["pkg/a.py".to_owned(), path.to_owned()];
        files.sort();
        assert_eq!(
            (&prepared.files, &prepared.normalised, &prepared.submitted_tree),
            (&files, &vec![], &None),
            "{path}"
        );
        assert_eq!(leads_to(path, target.as_bytes()).as_deref(), Ok(leads));
        // The exported diff makes the same tree, and a test may not do it.
        assert_eq!(put(&world, &trees, Skill::Repair, prepared.diff.clone()).unwrap().tree, prepared.tree);
        let refused = put(&world, &trees, Skill::Test, prepared.diff).unwrap_err();
        assert_eq!(refused.why, MalformedReason::OddMode);
    }
}

#[test]
fn a_link_that_leads_out_of_the_tree_or_to_another_link_is_refused() {
    let world = world();
    let trees = trees(&world);
    for (path, target, said) in [
        ("etc", "/etc", "absolute"),
        ("pkg/up", "../../x", "leaves the tree"),
        ("up", "..", "leaves the tree"),
        ("all", ".", "whole tree"),
        ("pkg/me", "me", "the link itself"),
        ("pkg/round", "../pkg", "stands in"),
        ("hook", ".git/hooks", "enters .git"),
        ("hook", ".GIT", "enters .git"),
        ("back", "linked/../pkg", "turns back"),
        ("passwd", "linked/out/passwd", "through the link linked/out"),
        ("away", "linked/out", "through the link linked/out"),
        ("folder", "linked", "holds the link linked/out"),
        ("odd", "a\\b", "backslash"),
        ("odd", "a\nb", "control character"),
        ("pkg/hidden.py", "data.txt", "name of code"),
        ("pkg/a.py/x", "../shared", ""),
    ] {
        let refused = put(&world, &trees, Skill::Repair, FIX.to_owned() + &link(path, target)).expect_err(path);
        assert!(refused.detail.contains(said), "{path} -> {target}: {}", refused.detail);
        if !said.is_empty() {
            assert_eq!(refused.why, MalformedReason::UnsafePath, "{path} -> {target}");
        }
    }
    let gone = "--- a/shared/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-z = 1\n";
    let refused = put(&world, &trees, Skill::Repair, gone.to_owned() + &link("shared", "pkg")).unwrap_err();
    assert!(refused.detail.contains("takes the place"), "{}", refused.detail);
    let through = link("current", "shared") + "--- /dev/null\n+++ b/current/new.py\n@@ -0,0 +1 @@\n+x\n";
    let refused = put(&world, &trees, Skill::Repair, through).unwrap_err();
    assert!(refused.detail.contains("goes through the link"), "{}", refused.detail);
}

#[test]
fn a_link_that_shows_protected_files_or_nothing_is_taken_back_and_the_rest_is_judged() {
    let world = world();
    let trees = trees(&world);
    let fixed = put(&world, &trees, Skill::Repair, FIX.to_owned()).unwrap();
    let experiment = "--- /dev/null\n+++ b/try/real/test_x.py\n@@ -0,0 +1 @@\n+x\n".to_owned();
    let module = |path: &str| format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n");
    for (extra, class) in [
        (link("tests/alias.txt", "expected.txt"), PathClass::Fixture),
        (link("pkg/expected.txt", "../tests/expected.txt"), PathClass::Fixture),
        (link("answers", "tests"), PathClass::Fixture),
        (link("conftest.py", "pkg/a.py"), PathClass::RunnerConfig),
        (link("json.py", "pkg/a.py"), PathClass::Startup),
        (link("json", "shared"), PathClass::Startup),
        (link("sitecustomize", "shared"), PathClass::Startup),
        (experiment + &link("try/link", "real"), PathClass::Test),
    ] {
        let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &extra).unwrap();
        assert_eq!((&prepared.tree, &prepared.diff), (&fixed.tree, &fixed.diff), "{extra}");
        assert!(prepared.stripped.iter().any(|stripped| stripped.class == class), "{extra}{:?}", prepared.stripped);
        assert!(prepared.submitted_tree.is_some() && prepared.normalised.is_empty(), "{extra}");
    }
    let kept =
        put(&world, &trees, Skill::Repair, FIX.to_owned() + &module("fake/json.py") + &link("json", "fake")).unwrap();
    assert_eq!(kept.files, ["fake/json.py", "pkg/a.py"], "a folder may not become a module of the library by a link");

    for target in ["nowhere", "../none/deep", "../../pkg/none.py"] {
        let dangling = link("try/left/link", target);
        let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &dangling).unwrap();
        assert_eq!((&prepared.tree, &prepared.submitted_tree), (&fixed.tree, &None), "{target}");
        assert_eq!(prepared.normalised, ["dangling_link"]);
    }
}
