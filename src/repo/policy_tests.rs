use super::super::links::tests::{FIX, link, put};
use super::super::store::{Leaf, SUBMODULE_MODE};
use super::super::tests::{World, world};
use super::*;
use crate::language::classes;
use crate::model::candidate::{Malformed, Prepared};
use crate::model::generation::Skill;
use crate::model::layout::Layout;
use crate::sandbox::FileChange;

/// Gold brings a test of its own into a folder of source and into one that base has not.
fn trees(world: &World) -> Trees {
    let base = world.tree(&[
        ("pkg/a.py", "x = 1\n"),
        ("pkg/test_core.py", "assert x == 1\n"),
        ("shared/b.py", "z = 1\n"),
        ("extra/c.py", "w = 1\n"),
        ("tests/test_a.py", "assert x\n"),
        ("tests/data.txt", "1\n"),
    ]);
    let write = |path: &str, text: &str| FileChange::Write {
        path: path.into(),
        content: text.as_bytes().into(),
        executable: false,
    };
    let gold = world.repo.with(&base, &[write("pkg/a.py", "x = 2\n")]).unwrap();
    let tests = [
        write("pkg/test_core.py", "assert x == 2\n"),
        write("shared/test_hidden.py", "assert z == 1\n"),
        write("checks/test_more.py", "assert w == 1\n"),
    ];
    Trees {
        tested_base: world.repo.with(&base, &tests).unwrap(),
        tested_gold: world.repo.with(&gold, &tests).unwrap(),
        layout: Layout::by_name("pytest"),
        base,
        gold,
    }
}

fn added(path: &str, line: &str) -> String {
    format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{line}\n")
}

fn removed(path: &str, line: &str) -> String {
    format!("--- a/{path}\n+++ /dev/null\n@@ -1 +0,0 @@\n-{line}\n")
}

/// The repair that mends the instance, with something more.
fn with(world: &World, trees: &Trees, more: &str) -> Result<Prepared, Malformed> {
    let prepared = put(world, trees, Skill::Repair, FIX.to_owned() + more)?;
    hold(world, trees, &prepared, more);
    Ok(prepared)
}

/// What is exported is what is judged, and what is judged is what runs.
fn hold(world: &World, trees: &Trees, prepared: &Prepared, more: &str) {
    let again = put(world, trees, Skill::Repair, prepared.diff.clone()).unwrap();
    assert_eq!((&again.tree, &again.diff), (&prepared.tree, &prepared.diff), "{more}");
    assert_eq!((&again.stripped, &again.submitted_tree), (&vec![], &None), "{more}");
    let runs = trial_tree(&world.repo, trees, &prepared.tree).unwrap();
    for path in world.repo.changed_paths(&prepared.tree, &runs).unwrap() {
        assert!(classes::protected(trees.layout.class(&path)), "{path} is exported and does not run: {more}");
    }
}

fn stripped(prepared: &Prepared) -> Vec<(&str, PathClass)> {
    prepared.stripped.iter().map(|stripped| (stripped.path.as_str(), stripped.class)).collect()
}

#[test]
fn a_link_is_judged_by_what_it_shows_once_the_rest_was_taken_back() {
    let world = world();
    let trees = trees(&world);
    let fixed = with(&world, &trees, "").unwrap();
    let folder = removed("pkg/test_core.py", "assert x == 1") + &added("pkg/test_core.py/x.py", "x = 3");
    for (target, note) in [("pkg/test_core.py", None), ("pkg", None), ("pkg/test_core.py/x.py", Some("dangling_link"))]
    {
        let prepared = with(&world, &trees, &(folder.clone() + &link("alias.py", target))).unwrap();
        assert_eq!((&prepared.tree, &prepared.diff), (&fixed.tree, &fixed.diff), "{target}");
        let mut expected = vec![("pkg/test_core.py", PathClass::Test), ("pkg/test_core.py/x.py", PathClass::Test)];
        if note.is_none() {
            expected.insert(0, ("alias.py", PathClass::Test));
        }
        assert_eq!(stripped(&prepared), expected, "{target}");
        assert_eq!(prepared.normalised, note.into_iter().collect::<Vec<_>>(), "{target}");
    }
    // What such a link leads to comes back with the test that the answer removes.
    let gone = removed("tests/test_a.py", "assert x") + &removed("tests/data.txt", "1");
    for target in ["tests", "tests/test_a.py", "tests/data.txt"] {
        let prepared = with(&world, &trees, &(gone.clone() + &link("alias.py", target))).unwrap();
        assert_eq!(
            (&prepared.tree, &prepared.normalised),
            (&fixed.tree, &vec!["dangling_link".to_owned()]),
            "{target}"
        );
    }
    // A folder becomes a file, and its own files come back.
    let file = removed("tests/test_a.py", "assert x") + &removed("tests/data.txt", "1") + &added("tests", "2");
    let prepared = with(&world, &trees, &(file + &link("alias", "tests"))).unwrap();
    assert_eq!(prepared.tree, fixed.tree);
    assert!(stripped(&prepared).iter().any(|(path, _)| *path == "tests"), "{:?}", prepared.stripped);
}

#[test]
fn no_change_stays_that_shows_a_trusted_test_or_that_one_takes_the_place_of() {
    let world = world();
    let trees = trees(&world);
    let fixed = with(&world, &trees, "").unwrap();
    for (more, path) in [
        // The hidden test under another path.
        (link("alias", "shared"), "alias"),
        // A folder of trusted tests stands where the link or the file is.
        (link("checks", "extra"), "checks"),
        (added("checks", "1"), "checks"),
        // A trusted test stands where the folder is.
        (added("shared/test_hidden.py/x.txt", "1"), "shared/test_hidden.py/x.txt"),
        (added("checks/test_more.py/deep/x.txt", "1"), "checks/test_more.py/deep/x.txt"),
    ] {
        let prepared = with(&world, &trees, &more).unwrap();
        assert_eq!((&prepared.tree, &prepared.diff), (&fixed.tree, &fixed.diff), "{more}");
        assert_eq!(stripped(&prepared), [(path, PathClass::Test)], "{more}");
    }
    for (path, target) in [("alias", "shared/test_hidden.py"), ("alias", "checks"), ("alias", "checks/test_more.py")] {
        let prepared = with(&world, &trees, &link(path, target)).unwrap();
        assert_eq!(
            (&prepared.tree, &prepared.normalised),
            (&fixed.tree, &vec!["dangling_link".to_owned()]),
            "{target}"
        );
    }
    // Beside them nothing is taken back.
    let honest = link("current", "extra") + &link("shared/other.py", "b.py") + &added("checks.py", "1");
    let prepared = with(&world, &trees, &honest).unwrap();
    assert_eq!(prepared.files, ["checks.py", "current", "pkg/a.py", "shared/other.py"]);
    assert_eq!((stripped(&prepared), &prepared.normalised), (vec![], &vec![]));
}

#[test]
fn what_an_agent_left_of_its_own_experiments_is_taken_back_and_the_rest_is_judged() {
    let world = world();
    let trees = trees(&world);
    let fixed = with(&world, &trees, "").unwrap();
    let own_test = added("scratch/test_try.py", "assert 1");
    for more in [
        link("scratch/latest", "../shared/gone"),
        link("scratch/repo", "/testbed"),
        link("scratch/python", "/usr/bin/python"),
        link("scratch/up", "../../somewhere"),
        own_test.clone(),
        own_test.clone() + &link("scratch/latest.py", "test_try.py"),
        own_test + &link("latest", "scratch"),
    ] {
        let prepared = with(&world, &trees, &more).unwrap();
        assert_eq!((&prepared.tree, &prepared.diff), (&fixed.tree, &fixed.diff), "{more}");
    }
}

#[test]
fn a_diff_prepared_again_is_the_same_whatever_characters_and_submodules_there_are() {
    let world = world();
    let mut trees = trees(&world);
    let odd = FileChange::Write {
        path: "odd.txt".into(),
        content: "one\nK\u{10f7fc}ste\ntwo\n".as_bytes().into(),
        executable: false,
    };
    trees.base = world.repo.with(&trees.base, &[odd]).unwrap();
    let lines = "--- a/odd.txt\n+++ b/odd.txt\n@@ -3 +3 @@\n-two\n+three\n";
    assert_eq!(with(&world, &trees, lines).unwrap().files, ["odd.txt", "pkg/a.py"]);

    let oid = git2::Oid::from_str(&trees.gold).unwrap();
    let submodule = BTreeMap::from([("vendor/sub".to_owned(), Some(Leaf { oid, mode: SUBMODULE_MODE }))]);
    trees.base = world.repo.write_tree(&trees.base, &submodule).unwrap();
    let refused = with(&world, &trees, &added("vendor", "1")).unwrap_err();
    assert!(refused.detail.contains("vendor and vendor/sub"), "{}", refused.detail);
}
