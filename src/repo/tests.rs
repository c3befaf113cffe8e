use crate::model::layout::Layout;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::apply::{Normalised, Origin, apply_diff};
use super::draft::Draft;
use super::*;
use crate::model::admission::Trees;
use crate::model::candidate::{Edit, MalformedReason, PathClass, Payload, Prepared, WholeFile};
use crate::model::generation::Skill;
use crate::sandbox::FileChange;

pub(super) struct World {
    dir: TempDir,
    pub(super) repo: Repository,
}

pub(super) fn world() -> World {
    let dir = TempDir::new().unwrap();
    let repo = Repository::create_bare(&dir.path().join("repo.git")).unwrap();
    World { dir, repo }
}

impl World {
    pub(super) fn tree(&self, files: &[(&str, &str)]) -> String {
        let files: Vec<_> = files.iter().map(|&(path, content)| write(path, content.as_bytes())).collect();
        self.repo.with(&self.repo.empty_tree().unwrap().to_string(), &files).unwrap()
    }

    pub(super) fn apply(&self, tree: &str, diff: &str) -> Result<(String, Vec<&'static str>), MalformedReason> {
        let mut notes = Normalised::new();
        let mut apply = || {
            let mut draft = Draft::on(&self.repo, tree)?;
            apply_diff(&mut draft, diff, Origin::Test, &mut notes)?;
            draft.finish()
        };
        let tree = layered(apply()).unwrap().map_err(|malformed| malformed.why)?;
        Ok((tree, notes.into_iter().collect()))
    }

    pub(super) fn text(&self, tree: &str, path: &str) -> Option<String> {
        self.repo.read(tree, path).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

pub(super) fn write(path: &str, content: &[u8]) -> FileChange {
    FileChange::Write { path: path.into(), content: content.into(), executable: false }
}

/// `--- a/f`, `+++ b/f` and a body.
pub(super) fn on_f(body: &str) -> String {
    format!("--- a/f\n+++ b/f\n{body}")
}

#[test]
fn what_no_tree_can_hold_is_not_there() {
    let world = world();
    let tree = world.tree(&[("a/b.py", "x"), ("c.py", "y")]);
    assert_eq!(world.text(&tree, "a/b.py").as_deref(), Some("x"));
    let long = "d/".repeat(5000) + "e.py";
    for path in
        ["", ".", "..", "/", "../c.py", "a/../c.py", "./c.py", "/testbed/a/b.py", "//c.py", "a", "c.py/d", "\0", &long]
    {
        assert_eq!(world.repo.read(&tree, path).unwrap(), None, "{path:?}");
    }
}

#[test]
fn the_same_directory_is_the_same_commit_and_checks_out_as_it_was() {
    let world = world();
    let source = world.dir.path().join("source");
    fs::create_dir_all(source.join("a/.git")).unwrap();
    fs::create_dir_all(source.join("empty")).unwrap();
    fs::write(source.join("a/.git/config"), "secret").unwrap();
    fs::write(source.join("a/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(source.join("a/run"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(source.join("b.bin"), [0, 159, 146, 150]).unwrap();
    std::os::unix::fs::symlink("a/run", source.join("link")).unwrap();

    let commit = world.repo.import_directory(&source, "old\n").unwrap();
    assert_eq!(world.repo.import_directory(&source, "old\n").unwrap(), commit);
    let tree = world.repo.tree_of(&commit).unwrap();
    assert_eq!(world.repo.paths(&tree).unwrap(), ["a/run", "b.bin", "link"]);

    let out = world.dir.path().join("out");
    world.repo.checkout(&tree, &out, 1_000_000_000).unwrap();
    assert_eq!(fs::read(out.join("b.bin")).unwrap(), [0, 159, 146, 150]);
    assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("a/run"));
    assert_eq!(fs::metadata(out.join("a/run")).unwrap().mode() & 0o777, 0o755);
    for path in ["", "a", "a/run", "b.bin", "link"] {
        assert_eq!(fs::symlink_metadata(out.join(path)).unwrap().mtime(), 1_000_000_000, "{path:?}");
    }
    assert!(matches!(world.repo.checkout(&tree, &out, 0), Err(RepoError::NotEmpty { .. })));

    let other = Repository::create_bare(&world.dir.path().join("other.git")).unwrap();
    let fetched = other.fetch_tree_from(&world.repo, &commit).unwrap();
    assert_eq!(other.tree_of(&fetched).unwrap(), tree);
    assert_eq!(other.read(&tree, "b.bin").unwrap().unwrap(), [0, 159, 146, 150]);
    assert_eq!(other.fetch_tree_from(&world.repo, &commit).unwrap(), fetched);
}

#[test]
fn a_missing_commit_is_named_together_with_the_repository() {
    let world = world();
    for rev in ["0123456789012345678901234567890123456789", "no-such-branch", "0", ""] {
        let error = world.repo.tree_of(rev).unwrap_err();
        assert!(matches!(error, RepoError::CommitNotFound { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(rev) && text.contains("repo.git"), "{text}");
    }
    assert!(matches!(world.repo.paths("zz"), Err(RepoError::TreeNotFound { .. })));
}

#[test]
fn a_diff_applies_exactly_or_with_a_recorded_normalisation() {
    let world = world();
    for (content, body, after, notes) in [
        ("a\nb\nc\n", "@@ -2 +2 @@\n-b\n+x\n", "a\nx\nc\n", &[][..]),
        ("a\nb\nc\n", "@@ -3,0 +4 @@\n+d\n", "a\nb\nc\nd\n", &[]),
        ("a\nb\nc\n", "@@ -7,2 +7,2 @@\n a\n-b\n+x\n", "a\nx\nc\n", &["hunk_position"]),
        ("a\nb\na\nb\n", "@@ -3,2 +3,2 @@\n a\n-b\n+x\n", "a\nb\na\nx\n", &[]),
        ("a\nb", "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+x\n", "a\nx\n", &[]),
        ("a\nb", "@@ -2 +2 @@\n-b\n+x\n", "a\nx\n", &["final_newline"]),
        (
            "a\nb\n",
            "@@ -2 +2 @@\n-b\n\\ No newline at end of file\n+x\n\\ No newline at end of file\n",
            "a\nx\n",
            &["final_newline"],
        ),
        ("a\r\nb\r\n", "@@ -2 +2 @@\n-b\n+x\n", "a\r\nx\r\n", &["crlf"]),
        ("a\nb\n", "@@ -2 +2 @@\r\n-b\r\n+x\r\n", "a\nx\n", &["crlf"]),
        ("a\r\nb\r\n", "@@ -2 +2 @@\n-b\r\n+x\r\n", "a\r\nx\r\n", &[]),
        ("a\nb\nc\nd\n", "@@ -4 +4 @@\n-d\n+D\n@@ -1 +1 @@\n-a\n+A\n", "A\nb\nc\nD\n", &[]),
    ] {
        let base = world.tree(&[("f", content)]);
        let (tree, seen) = world.apply(&base, &on_f(body)).unwrap_or_else(|why| panic!("{why:?}: {content:?} {body}"));
        assert_eq!(world.text(&tree, "f").as_deref(), Some(after), "{content:?} {body}");
        assert_eq!(seen, notes, "{content:?} {body}");
    }
}

#[test]
fn what_a_tool_took_from_a_whole_diff_is_bridged_and_noted_and_the_file_must_agree() {
    let world = world();
    let base = world.tree(&[("f", "a\nb\n\n\nc\n")]);
    let trimmed = on_f("@@ -1,4 +1,4 @@\n a\n-b\n+x");
    let (tree, notes) = world.apply(&base, &trimmed).unwrap();
    assert_eq!((world.text(&tree, "f").unwrap().as_str(), notes), ("a\nx\n\n\nc\n", vec!["trailing_context"]));
    let other = on_f("@@ -1,5 +1,5 @@\n a\n-b\n+x");
    assert_eq!(world.apply(&base, &other), Err(MalformedReason::DoesNotApply), "the file has no third blank line");
    let stub = "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n";
    let (tree, notes) = world.apply(&base, &(on_f("@@ -2 +2 @@\n-b\n+x\n") + stub)).unwrap();
    assert_eq!(
        (world.repo.changed_paths(&base, &tree).unwrap(), notes),
        (vec!["f".to_owned()], vec!["binary_left_out"])
    );
}

#[test]
fn names_with_quotes_and_tabs_are_read_as_git_quotes_them() {
    let world = world();
    let files = [("say \"hi\".py", "a\n"), ("pkg/a\tb.py", "a\n"), ("größe\t.py", "a\n")];
    let base = world.tree(&files);
    let changed: Vec<_> = files.iter().map(|(path, _)| write(path, b"b\n")).collect();
    let changed = world.repo.with(&base, &changed).unwrap();
    let diff = world.repo.diff(&base, &changed).unwrap();
    assert!(diff.contains(r#""b/pkg/a\tb.py""#) && diff.contains(r#""b/gr\303\266\303\237e\t.py""#), "{diff}");
    assert_eq!(world.apply(&base, &diff).unwrap(), (changed, vec![]));
    let renamed = "diff --git a/f \"b/q\\\"\\t.py\"\nsimilarity index 100%\nrename from f\nrename to \"q\\\"\\t.py\"\n";
    let (tree, _) = world.apply(&world.tree(&[("f", "a\n")]), renamed).unwrap();
    assert_eq!(tree, world.tree(&[("q\"\t.py", "a\n")]));
    for name in [r"a\nb.py", r"a\rb.py", r"a\033b.py", r"..\t/../../x", r"a\\b.py"] {
        let diff = format!("--- /dev/null\n+++ \"b/{name}\"\n@@ -0,0 +1 @@\n+x\n");
        assert_eq!(world.apply(&base, &diff), Err(MalformedReason::UnsafePath), "{name}");
    }
    let latin = "--- /dev/null\n+++ \"b/\\344.py\"\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!(world.apply(&base, latin), Err(MalformedReason::BadFormat), "a name that is not UTF-8");
}

#[test]
fn bytes_that_came_as_half_pairs_are_bytes_of_a_file_that_is_not_utf_8() {
    let world = world();
    let base =
        world.repo.with(&world.tree(&[("g", "a\n")]), &[write("f", b"# coding: latin-1\nx = 'Stra\xdfe'\n")]).unwrap();
    let kept = |byte: u32| char::from_u32(0x10_f700 + byte).unwrap();
    let body = |old: char, new: char| format!("@@ -2 +2 @@\n-x = 'Stra{old}e'\n+x = 'Ma{new}e'\n");
    let (tree, notes) = world.apply(&base, &on_f(&body(kept(0xdf), kept(0xdf)))).unwrap();
    assert_eq!(world.repo.read(&tree, "f").unwrap().unwrap(), b"# coding: latin-1\nx = 'Ma\xdfe'\n");
    assert_eq!(notes, ["surrogate_escapes"]);
    for wrong in [body(kept(0xe4), kept(0xdf)), body('\u{fffd}', '\u{fffd}'), body('ß', 'ß')] {
        assert_eq!(world.apply(&base, &on_f(&wrong)), Err(MalformedReason::DoesNotApply), "{wrong}");
    }
    let utf8 = format!("--- a/g\n+++ b/g\n@@ -1 +1 @@\n-a\n+{}\n", kept(0xaf));
    assert_eq!(world.apply(&base, &utf8), Err(MalformedReason::DoesNotApply), "half of a character that was cut");
    let new = format!("--- /dev/null\n+++ b/h\n@@ -0,0 +1 @@\n+{}\n", kept(0xaf));
    assert_eq!(world.apply(&base, &new), Err(MalformedReason::DoesNotApply));
}

#[test]
fn a_diff_that_does_not_fit_is_refused() {
    let world = world();
    let base = world.tree(&[("f", "a\nb\na\nb\n"), ("d/g", "g\n")]);
    for diff in [
        on_f("@@ -1 +1 @@\n-z\n+x\n"),
        on_f("@@ -2,2 +2,2 @@\n a\n-b\n+x\n"),
        on_f("@@ -9,0 +9 @@\n+x\n"),
        on_f("@@ -1,2 +1 @@\n a\n-b\n@@ -2 +2 @@\n-b\n+x\n"),
        on_f("@@ -1 +1 @@\n-a\n+x\n\\ No newline at end of file\n"),
        "--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+x\n".to_owned(),
        "--- a/d\n+++ b/d\n@@ -1 +1 @@\n-a\n+x\n".to_owned(),
        "--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+x\n".to_owned(),
        "--- /dev/null\n+++ b/d\n@@ -0,0 +1 @@\n+x\n".to_owned(),
        "--- /dev/null\n+++ b/f/h\n@@ -0,0 +1 @@\n+x\n".to_owned(),
        "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n".to_owned(),
        "diff --git a/f b/f\ndeleted file mode 100644\n".to_owned(),
        "diff --git a/f b/d/g\nsimilarity index 100%\nrename from f\nrename to d/g\n".to_owned(),
    ] {
        assert_eq!(world.apply(&base, &diff), Err(MalformedReason::DoesNotApply), "{diff}");
    }
}

#[test]
fn a_small_answer_that_writes_gigabytes_is_too_large() {
    let world = world();
    let base = world.tree(&[("f", &"a line of text\n".repeat(100_000))]);
    let copies: String = (0..900).map(|n| format!("diff --git a/f b/g{n}\ncopy from f\ncopy to g{n}\n")).collect();
    assert_eq!(world.apply(&base, &copies), Err(MalformedReason::TooLarge));
    let files: String = (0..2000).map(|n| format!("--- /dev/null\n+++ b/g{n}\n@@ -0,0 +1 @@\n+x\n")).collect();
    assert_eq!(world.apply(&base, &files), Err(MalformedReason::TooLarge));
}

#[test]
fn a_repository_goes_to_another_thread() {
    let world = world();
    let base = world.tree(&[("f", "a\n")]);
    let other = world.repo.reopen().unwrap();
    let read = std::thread::spawn(move || other.read(&base, "f")).join().unwrap();
    assert_eq!(read.unwrap().unwrap(), b"a\n");
}

#[test]
fn renames_copies_modes_and_deletions_apply() {
    let world = world();
    let base = world.tree(&[("f", "a\nb\n"), ("d/g", "g\n")]);
    let rename = "diff --git a/f b/h\nrename from f\nrename to h\n--- a/f\n+++ b/h\n@@ -1,2 +1,2 @@\n a\n-b\n+x\n";
    let (tree, _) = world.apply(&base, rename).unwrap();
    assert_eq!(tree, world.tree(&[("h", "a\nx\n"), ("d/g", "g\n")]));
    let copy = "diff --git a/f b/h\ncopy from f\ncopy to h\n";
    let (tree, _) = world.apply(&base, copy).unwrap();
    assert_eq!(tree, world.tree(&[("f", "a\nb\n"), ("h", "a\nb\n"), ("d/g", "g\n")]));
    let delete = "diff --git a/d/g b/d/g\ndeleted file mode 100644\n--- a/d/g\n+++ /dev/null\n@@ -1 +0,0 @@\n-g\n";
    let (tree, _) = world.apply(&base, delete).unwrap();
    assert_eq!(tree, world.tree(&[("f", "a\nb\n")]));
    let mode = "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n";
    let (tree, _) = world.apply(&base, mode).unwrap();
    assert_eq!(world.repo.changed_paths(&base, &tree).unwrap(), ["f"]);
    assert_eq!(world.apply(&base, &world.repo.diff(&base, &tree).unwrap()).unwrap().0, tree);
}

#[test]
fn no_answer_writes_outside_the_tree_or_through_a_link() {
    let world = world();
    let link = FileChange::Link { path: "out".into(), target: "/etc".into() };
    let base = world.repo.with(&world.tree(&[("f", "a\n")]), &[link]).unwrap();
    let trees = Trees {
        base: base.clone(),
        gold: base.clone(),
        tested_base: base.clone(),
        tested_gold: base.clone(),
        layout: Layout::by_name("pytest"),
    };
    for path in
        ["../x", "/etc/x", "a/../../x", ".git/hooks/x", "a/.GIT/x", "a//x", "out/passwd", "a\\..\\x", "./x", "GIT~1/x"]
    {
        let quoted = path.replace('\\', "\\\\");
        let payloads = [
            Payload::UnifiedDiff { diff: format!("--- /dev/null\n+++ \"b/{quoted}\"\n@@ -0,0 +1 @@\n+x\n") },
            Payload::SearchReplace {
                edits: vec![Edit { path: path.into(), search: String::new(), replace: "x\n".into() }],
            },
        ];
        for payload in payloads {
            let refused = prepare(&world.repo, &trees, Skill::Repair, &payload).unwrap().unwrap_err();
            assert_eq!(refused.why, MalformedReason::UnsafePath, "{path} {refused:?}");
        }
        let files = Payload::TestFiles { files: vec![WholeFile { path: path.into(), content: "x".into() }] };
        let refused = prepare(&world.repo, &trees, Skill::Test, &files).unwrap().unwrap_err();
        assert_eq!(refused.why, MalformedReason::UnsafePath, "{path}");
    }
    for diff in [
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n",
        "--- a/out\n+++ b/out\n@@ -1 +1 @@\n-/etc\n\\ No newline at end of file\n+/root\n\\ No newline at end of file\n",
        "diff --git a/out b/new\nrename from out\nrename to new\n",
        "diff --git a/f b/f\nold mode 100644\nnew mode 120000\n",
        "diff --git a/s b/s\nnew file mode 160000\nindex 0000000..1111111\n--- /dev/null\n+++ b/s\n@@ -0,0 +1 @@\n+Subproject commit 1\n",
    ] {
        assert_eq!(world.apply(&base, diff), Err(MalformedReason::OddMode), "{diff}");
    }
}

fn prepared(world: &World, trees: &Trees, skill: Skill, payload: Payload) -> Prepared {
    prepare(&world.repo, trees, skill, &payload).unwrap().unwrap()
}

fn sources() -> Sources<'static> {
    Sources { framework: "pytest", ..Sources::default() }
}

/// Base, gold and trusted tests of a small instance.
fn instance(world: &World) -> Trees {
    let base = world.tree(&[
        ("pkg/a.py", "x = 1\n"),
        ("conftest.py", "# base\n"),
        ("tests/test_a.py", "assert x == 1\n"),
        ("tests/data.txt", "1\n"),
    ]);
    let gold = world.repo.with(&base, &[write("pkg/a.py", b"x = 2\n")]).unwrap();
    let tests = [write("tests/test_a.py", b"assert x == 2\n"), write("tests/test_new.py", b"assert x\n")];
    let tested_gold = world.repo.with(&gold, &tests).unwrap();
    let dir = world.dir.path().join("base");
    world.repo.checkout(&base, &dir, 0).unwrap();
    let commit = world.repo.import_directory(&dir, "base\n").unwrap();
    let (patch, test_patch) = (world.repo.diff(&base, &gold).unwrap(), world.repo.diff(&gold, &tested_gold).unwrap());
    let trees = instance_trees(
        &world.repo,
        Sources { base_commit: &commit, patch: &patch, test_patch: &test_patch, ..sources() },
    )
    .unwrap()
    .unwrap();
    assert_eq!((&trees.base, &trees.gold, &trees.tested_gold), (&base, &gold, &tested_gold));
    assert_eq!(trees.tested_base, world.repo.with(&base, &tests).unwrap());
    trees
}

#[test]
fn a_repair_keeps_its_source_changes_and_loses_those_it_may_not_make() {
    let world = world();
    let trees = instance(&world);
    let edits = |list: &[(&str, &str, &str)]| Payload::SearchReplace {
        edits: list.iter().map(|&(p, s, r)| Edit { path: p.into(), search: s.into(), replace: r.into() }).collect(),
    };
    let honest = prepared(&world, &trees, Skill::Repair, edits(&[("pkg/a.py", "x = 1\n", "x = 2\n")]));
    assert_eq!(honest.tree, trees.gold);
    assert_eq!(honest.submitted_tree, None);
    assert_eq!(honest.files, ["pkg/a.py"]);

    let greedy = prepared(
        &world,
        &trees,
        Skill::Repair,
        edits(&[
            ("pkg/a.py", "x = 1\n", "x = 2\n"),
            ("conftest.py", "# base\n", "# forged\n"),
            ("tests/test_a.py", "assert x == 1\n", ""),
            ("tests/test_new.py/evil.py", "", "1\n"),
            ("sitecustomize.py", "", "1\n"),
        ]),
    );
    assert_eq!(greedy.tree, trees.gold);
    assert_eq!(greedy.diff, honest.diff);
    let stripped: Vec<_> = greedy.stripped.iter().map(|s| (s.path.as_str(), s.class)).collect();
    assert_eq!(
        stripped,
        [
            ("conftest.py", PathClass::RunnerConfig),
            ("sitecustomize.py", PathClass::Startup),
            ("tests/test_a.py", PathClass::Test),
            ("tests/test_new.py/evil.py", PathClass::Test),
        ]
    );
    assert_eq!(trial_tree(&world.repo, &trees, &greedy.tree).unwrap(), trees.tested_gold);
    let submitted = greedy.submitted_tree.unwrap();
    assert_eq!(trial_tree(&world.repo, &trees, &submitted).unwrap(), trees.tested_gold);
    let as_submitted = submitted_trial_tree(&world.repo, &trees, &submitted).unwrap();
    assert_eq!(
        world.repo.changed_paths(&trees.tested_gold, &as_submitted).unwrap(),
        ["conftest.py", "sitecustomize.py"]
    );

    let only_tests = prepared(&world, &trees, Skill::Repair, edits(&[("tests/data.txt", "1\n", "2\n")]));
    assert_eq!((only_tests.tree.as_str(), only_tests.diff.as_str()), (trees.base.as_str(), ""));
}

#[test]
fn tests_scripts_and_file_lists_are_put_on_base() {
    let world = world();
    let trees = instance(&world);
    let files = vec![WholeFile { path: "tests/test_b.py".into(), content: "b\n".into() }];
    let test = prepared(&world, &trees, Skill::Test, Payload::TestFiles { files });
    assert_eq!(test.files, ["tests/test_b.py"]);
    assert_eq!(world.text(&test.tree, "tests/test_b.py").as_deref(), Some("b\n"));
    let many = (0..1001).map(|n| WholeFile { path: format!("tests/test_{n}.py"), content: "b\n".into() }).collect();
    let many = prepare(&world.repo, &trees, Skill::Test, &Payload::TestFiles { files: many }).unwrap();
    assert_eq!(many.unwrap_err().why, MalformedReason::TooLarge);
    let script = prepared(&world, &trees, Skill::Test, Payload::Script { content: "s\n".into() });
    assert_eq!(script.files, ["reproduce_bug.py"]);
    let list = Payload::FileList { files: vec!["pkg/a.py".into(), "pkg".into(), "none.py".into()] };
    let list = prepared(&world, &trees, Skill::Localization, list);
    assert_eq!((list.tree, list.missing), (trees.base.clone(), vec!["pkg".to_owned(), "none.py".to_owned()]));
    let wrong = prepare(&world.repo, &trees, Skill::Repair, &Payload::Script { content: "s".into() }).unwrap();
    assert_eq!(wrong.unwrap_err().why, MalformedReason::BadFormat);
}

#[test]
fn an_instance_whose_patch_does_not_apply_is_refused_by_field() {
    let world = world();
    let trees = instance(&world);
    let diff = "--- a/tests/none.py\n+++ b/tests/none.py\n@@ -1 +1 @@\n-a\n+b\n";
    let refused = instance_trees(&world.repo, Sources { base_commit: &trees.base, test_patch: diff, ..sources() })
        .unwrap()
        .unwrap_err();
    assert_eq!(refused.why, MalformedReason::DoesNotApply);
    assert!(refused.detail.starts_with("test_patch: "), "{}", refused.detail);
    assert!(
        instance_trees(&world.repo, Sources { base_commit: "nowhere", ..sources() })
            .unwrap_err()
            .to_string()
            .contains("nowhere")
    );
}

/// Contents that are awkward for diffs: no final newline, CR LF, NUL, bytes that are not UTF-8, repetition.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "a\n",
        "b\n",
        "\n",
        "c\r\n",
        "--- a/x\n",
        "+++ b/x\n",
        "@@ -1 +1 @@\n",
        "\\ x\n",
        "d",
        "é\n",
    ]);
    let text = prop::collection::vec(line, 0..25).prop_map(|lines| lines.concat().into_bytes());
    prop_oneof![8 => text, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

/// Trees as files by path; a path that is below another one is left out.
fn files() -> impl Strategy<Value = BTreeMap<String, (Vec<u8>, bool)>> {
    let path =
        prop::sample::select(vec!["a", "b c", "d/e", "d", "d/f/g", "h/\"q\"", "é", "z.bin", "d/f", "tests/t.py"]);
    prop::collection::btree_map(path.prop_map(str::to_owned), (contents(), any::<bool>()), 0..7).prop_map(
        |mut files| {
            let paths: Vec<_> = files.keys().cloned().collect();
            files.retain(|path, _| !paths.iter().any(|other| path.starts_with(&format!("{other}/"))));
            files
        },
    )
}

fn tree_of(world: &World, files: &BTreeMap<String, (Vec<u8>, bool)>, links: bool) -> String {
    let changes: Vec<_> = files
        .iter()
        .map(|(path, (content, executable))| match std::str::from_utf8(content) {
            Ok(text) if links && *executable && !text.is_empty() && !text.contains('\0') => {
                FileChange::Link { path: path.clone(), target: text.to_owned() }
            }
            _ => FileChange::Write { path: path.clone(), content: content.as_slice().into(), executable: *executable },
        })
        .collect();
    world.repo.with(&world.repo.empty_tree().unwrap().to_string(), &changes).unwrap()
}

/// Every file and link below a directory.
fn snapshot(dir: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
        if entry.path_is_symlink() {
            found.insert(name, (fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(), 0));
        } else if entry.file_type().is_file() {
            found.insert(name, (fs::read(entry.path()).unwrap(), entry.metadata().unwrap().mode() & 0o777));
        }
    }
    found
}

/// What a sandbox does with changes.
fn lay(dir: &Path, changes: &[FileChange]) {
    for change in changes {
        match change {
            FileChange::Remove { path } => {
                let path = dir.join(path);
                if path.is_dir() && !path.is_symlink() {
                    fs::remove_dir_all(path).unwrap();
                } else {
                    fs::remove_file(path).unwrap();
                }
            }
            FileChange::Link { path, target } => {
                fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
                let _ = fs::remove_file(dir.join(path));
                std::os::unix::fs::symlink(target, dir.join(path)).unwrap();
            }
            FileChange::Write { path, content, executable } => {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
                let bits = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_canonical_diff_of_two_trees_applies_back_exactly(old in files(), new in files()) {
        let world = world();
        let (old, new) = (tree_of(&world, &old, false), tree_of(&world, &new, false));
        let diff = world.repo.diff(&old, &new).unwrap();
        if old == new {
            prop_assert_eq!(diff, "");
        } else {
            let (applied, notes) = world.apply(&old, &diff).map_err(|why| TestCaseError::fail(format!("{why:?}\n{diff}")))?;
            prop_assert_eq!(notes, Vec::<&str>::new());
            prop_assert_eq!(&applied, &new);
            prop_assert_eq!(world.repo.diff(&old, &applied).unwrap(), diff);
        }
    }

    #[test]
    fn changes_laid_over_a_checkout_give_the_other_checkout(old in files(), new in files()) {
        let world = world();
        let (old, new) = (tree_of(&world, &old, true), tree_of(&world, &new, true));
        let (left, right) = (world.dir.path().join("left"), world.dir.path().join("right"));
        world.repo.checkout(&old, &left, 0).unwrap();
        world.repo.checkout(&new, &right, 0).unwrap();
        let changes = world.repo.changes(&old, &new).unwrap();
        lay(&left, &changes);
        prop_assert_eq!(snapshot(&left), snapshot(&right));
        prop_assert_eq!(world.repo.with(&old, &changes).unwrap(), new);
    }

    #[test]
    fn taking_every_changed_path_from_a_tree_gives_that_tree(old in files(), new in files()) {
        let world = world();
        let (old, new) = (tree_of(&world, &old, true), tree_of(&world, &new, true));
        let paths = world.repo.changed_paths(&old, &new).unwrap();
        prop_assert_eq!(world.repo.take_paths(&old, &new, &paths).unwrap(), new);
    }
}
