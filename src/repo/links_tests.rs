use super::super::tests::{World, world};
use super::*;
use crate::model::admission::Trees;
use crate::model::candidate::{Payload, Prepared};
use crate::model::generation::Skill;
use crate::repo::prepare;
use crate::sandbox::FileChange;

pub(in crate::repo) const FIX: &str = "--- a/pkg/a.py\n+++ b/pkg/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n";

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

pub(in crate::repo) fn link(path: &str, target: &str) -> String {
    let lines = target.split('\n').count();
    let body = target.replace('\n', "\n+");
    format!(
        "diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{lines} @@\n+{body}\n\\ No newline \
         at end of file\n"
    )
}

pub(in crate::repo) fn put(world: &World, trees: &Trees, skill: Skill, diff: String) -> Result<Prepared, Malformed> {
    prepare(&world.repo, trees, skill, &Payload::UnifiedDiff { diff }).unwrap()
}

#[test]
fn a_new_link_that_stays_inside_the_tree_is_a_change_like_any_other() {
    let world = world();
    let trees = trees(&world);
    let long = "./".repeat(2046) + "pkg";
    for (path, target) in [
        ("pkg/alias.py", "a.py"),
        ("current", "shared"),
        ("current", "shared/"),
        ("pkg/deep/b.py", "../../shared/b.py"),
        ("notes", "./pkg//data.txt"),
        ("as_long_as_may_be", &long),
    ] {
        let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &link(path, target)).unwrap();
        let mut files = vec!["pkg/a.py".to_owned(), path.to_owned()];
        files.sort();
        assert_eq!(
            (&prepared.files, &prepared.normalised, &prepared.submitted_tree),
            (&files, &vec![], &None),
            "{path}"
        );
        // The exported diff makes the same tree, and a test may not do it.
        assert_eq!(put(&world, &trees, Skill::Repair, prepared.diff.clone()).unwrap().tree, prepared.tree);
        let refused = put(&world, &trees, Skill::Test, prepared.diff).unwrap_err();
        assert_eq!(refused.why, MalformedReason::OddMode);
    }
}

#[test]
fn a_link_that_leads_astray_is_left_out_and_the_rest_is_judged() {
    let world = world();
    let trees = trees(&world);
    let fixed = put(&world, &trees, Skill::Repair, FIX.to_owned()).unwrap();
    for (path, target, note) in [
        ("etc", "/etc", "link_left_out"),
        ("repo", "/testbed", "link_left_out"),
        ("python", "/usr/bin/python", "link_left_out"),
        ("pkg/json.py", "/testbed/.git/x.py", "link_left_out"),
        ("pkg/up", "../../x", "link_left_out"),
        ("up", "..", "link_left_out"),
        ("all", ".", "link_left_out"),
        ("pkg/me", "me", "link_left_out"),
        ("pkg/round", "../pkg", "link_left_out"),
        ("back", "linked/../pkg", "link_left_out"),
        ("passwd", "linked/out/passwd", "link_left_out"),
        ("away", "linked/out", "link_left_out"),
        ("folder", "linked", "link_left_out"),
        ("try/left/link", "nowhere", "dangling_link"),
        ("try/left/link", "../none/deep", "dangling_link"),
        ("try/left/link", "../../pkg/none.py", "dangling_link"),
        // Only a folder could be there.
        ("slashed", "pkg/a.py/", "dangling_link"),
        ("slashed", "pkg/a.py/.", "dangling_link"),
    ] {
        let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &link(path, target)).expect(path);
        assert_eq!((&prepared.tree, &prepared.diff), (&fixed.tree, &fixed.diff), "{path} -> {target}");
        assert_eq!((&prepared.submitted_tree, &prepared.stripped), (&None, &vec![]), "{path} -> {target}");
        assert_eq!(prepared.normalised, [note], "{path} -> {target}");
    }
    let chain = link("first", "second") + &link("second", "/etc");
    let prepared = put(&world, &trees, Skill::Repair, FIX.to_owned() + &chain).unwrap();
    assert_eq!((&prepared.tree, &prepared.submitted_tree), (&fixed.tree, &None));
    let only = put(&world, &trees, Skill::Repair, link("repo", "/testbed")).unwrap();
    assert_eq!((&only.tree, only.diff.as_str()), (&trees.base, ""));
}

#[test]
fn a_link_that_cannot_be_read_as_what_it_says_or_hides_something_is_refused() {
    let world = world();
    let trees = trees(&world);
    let long = "./".repeat(2047) + "pk";
    for (path, target, said) in [
        ("hook", ".git/hooks", "enters .git"),
        ("hook", ".GIT", "enters .git"),
        ("odd", "a\\b", "backslash"),
        ("odd", "a\nb", "control character"),
        ("too_long", &long, "longer than 4095 bytes"),
        ("pkg/hidden.py", "data.txt", "name of code"),
        ("pkg/a.py/x", "../shared", ""),
    ] {
        let refused = put(&world, &trees, Skill::Repair, FIX.to_owned() + &link(path, target)).expect_err(path);
        assert!(refused.detail.contains(said), "{path} -> {target}: {}", refused.detail);
        if !said.is_empty() {
            assert_eq!(refused.why, MalformedReason::UnsafePath, "{path} -> {target}");
        }
    }
    let escaped = leads("odd", "K\u{10f7fc}ste".as_bytes());
    assert!(matches!(escaped, Err(Stop::Malformed(why)) if why.detail.contains("half a surrogate pair")));
    let gone = "--- a/shared/b.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-z = 1\n";
    let refused = put(&world, &trees, Skill::Repair, gone.to_owned() + &link("shared", "pkg")).unwrap_err();
    assert!(refused.detail.contains("takes the place"), "{}", refused.detail);
    for target in ["shared", "/etc"] {
        let through = link("current", target) + "--- /dev/null\n+++ b/current/new.py\n@@ -0,0 +1 @@\n+x\n";
        let refused = put(&world, &trees, Skill::Repair, through).unwrap_err();
        assert!(refused.detail.contains("goes through the link"), "{}", refused.detail);
    }
}

#[test]
fn a_link_that_shows_protected_files_is_taken_back_and_the_rest_is_judged() {
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
}
