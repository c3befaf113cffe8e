use super::super::built::{build_changes, source, unbuilt};
use super::super::links::tests::put;
use super::super::tests::{World, world, write};
use super::*;
use crate::language::classes;
use crate::model::generation::Skill;
use crate::model::layout::Layout;

const SO: &str = "pkg/fast.so";

/// The trees of an instance, and what builds of base and of gold make.
fn built(world: &World, base: &[(&str, &str)], gold: &[(&str, &str)], made: [&[(&str, &str)]; 2]) -> Trees {
    let (base, gold) = (world.tree(base), world.tree(gold));
    let trees = Trees {
        tested_base: base.clone(),
        tested_gold: gold.clone(),
        layout: Layout::by_name("pytest"),
        base: base.clone(),
        gold,
    };
    let trusted: Vec<_> = world
        .repo
        .changed_paths(&base, &trees.gold)
        .unwrap()
        .into_iter()
        .filter(|path| protects(&trees, path))
        .collect();
    let tested_base = world.repo.take_paths(&base, &trees.gold, &trusted).unwrap();
    let trees = Trees { tested_base, ..trees };
    let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let files = made.iter().flat_map(|made| made.iter()).map(|(path, _)| (*path).to_owned()).collect();
    let part = BuiltPart { files, copied: set(&["pkg"]), inputs: set(&[]), patterns: set(&["*.c", "setup.py"]) };
    let [base, gold] =
        made.map(|made| made.iter().map(|(path, text)| write(path, text.as_bytes())).collect::<Vec<_>>());
    let laid = with_built(&world.repo, &trees, part, (&base, &gold)).unwrap();
    // Whatever runs of an answer is measured on base and on gold.
    assert_eq!(trial_tree(&world.repo, &laid, &laid.base).unwrap(), laid.tested_base, "base runs as its answer does");
    assert_eq!(trial_tree(&world.repo, &laid, &laid.gold).unwrap(), laid.tested_gold, "gold runs as its answer does");
    laid
}

fn protects(trees: &Trees, path: &str) -> bool {
    classes::protected(trees.layout.class(path))
}

fn edit(path: &str, old: &str, new: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{old}+{new}")
}

/// What nothing was built of in an answer.
fn not_built(world: &World, trees: &Trees, diff: &str) -> Vec<String> {
    let prepared = put(world, trees, Skill::Repair, diff.to_owned()).unwrap();
    unbuilt(&world.repo, trees, &prepared).unwrap()
}

#[test]
fn base_runs_with_gold_s_built_part_where_gold_changes_packaging_alone_as_every_answer_does() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("pkg/fast.c", "c\n"), ("setup.py", "-O1\n")];
    let gold = [("pkg/a.py", "A\n"), ("pkg/fast.c", "c\n"), ("setup.py", "-O2\n")];
    let trees = built(&world, &base, &gold, [&[(SO, "built -O1")], &[(SO, "built -O2")]]);
    // Also where no trial tree is made of it: generated tests run on base, and verified repairs beside them.
    for tree in [&trees.base, &trees.tested_base, &trees.gold, &trees.tested_gold] {
        assert_eq!(world.text(tree, SO).as_deref(), Some("built -O2"));
    }
    let repair = edit("pkg/a.py", "a\n", "b\n");
    let prepared = put(&world, &trees, Skill::Repair, repair).unwrap();
    assert_eq!(world.text(&prepared.tree, SO).as_deref(), Some("built -O2"));
}

#[test]
fn base_runs_with_its_own_built_part_where_gold_changes_a_source() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("pkg/fast.c", "c\n"), ("setup.py", "-O1\n")];
    let gold = [("pkg/a.py", "a\n"), ("pkg/fast.c", "C\n"), ("setup.py", "-O2\n")];
    let trees = built(&world, &base, &gold, [&[(SO, "built c")], &[(SO, "built C")]]);
    assert_eq!(world.text(&trees.tested_base, SO).as_deref(), Some("built c"));
    let as_gold = edit("pkg/fast.c", "c\n", "C\n");
    let packaging = edit("setup.py", "-O1\n", "-O2\n");
    assert_eq!(not_built(&world, &trees, &as_gold), Vec::<String>::new());
    assert_eq!(not_built(&world, &trees, &(as_gold.clone() + &packaging)), Vec::<String>::new());
    assert_eq!(not_built(&world, &trees, &(as_gold + &edit("setup.py", "-O1\n", "-O3\n"))), ["setup.py"]);
    assert_eq!(not_built(&world, &trees, &edit("pkg/fast.c", "c\n", "d\n")), ["pkg/fast.c"]);
    // Of base's source with gold's packaging nothing was built either.
    assert_eq!(not_built(&world, &trees, &(edit("pkg/a.py", "a\n", "b\n") + &packaging)), ["setup.py"]);
}

#[test]
fn base_has_what_every_answer_has_where_gold_holds_a_file_that_base_generates() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("setup.py", "s\n")];
    let gold = [("pkg/a.py", "A\n"), ("setup.py", "s\n"), ("pkg/table.py", "right\n")];
    let trees = built(&world, &base, &gold, [&[("pkg/table.py", "wrong\n")], &[]]);
    assert_eq!(world.text(&trees.tested_base, "pkg/table.py").as_deref(), Some("right\n"));
}

#[test]
fn a_source_that_gold_generates_from_now_on_is_the_answer_s_to_change_and_nothing_was_built_of_it() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("pkg/table.py", "t\n"), ("setup.py", "s\n")];
    let gold = [("pkg/a.py", "A\n"), ("setup.py", "S\n")];
    let trees = built(&world, &base, &gold, [&[], &[("pkg/table.py", "made\n")]]);
    let text = |tree: &str| world.text(tree, "pkg/table.py");
    assert_eq!(text(&trees.tested_base).as_deref(), Some("t\n"));
    assert_eq!(text(&trees.tested_gold).as_deref(), Some("made\n"));
    assert_eq!(text(&source(&world.repo, &trees).unwrap()).as_deref(), Some("t\n"), "answers are written for it");
    let change = edit("pkg/table.py", "t\n", "u\n");
    let prepared = put(&world, &trees, Skill::Repair, change.clone()).unwrap();
    assert_eq!((prepared.files.as_slice(), prepared.stripped.len()), (&["pkg/table.py".to_owned()] as &[_], 0));
    assert_eq!(not_built(&world, &trees, &change), ["pkg/table.py"]);
    assert_eq!(not_built(&world, &trees, &edit("pkg/a.py", "a\n", "A\n")), Vec::<String>::new());
}

#[test]
fn an_extension_that_only_gold_has_is_in_no_run_of_an_answer_without_its_source() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("setup.py", "s\n")];
    let gold = [("pkg/a.py", "A\n"), ("setup.py", "S\n"), ("pkg/fast.c", "c\n")];
    let trees = built(&world, &base, &gold, [&[], &[(SO, "built")]]);
    assert_eq!((world.text(&trees.tested_base, SO), world.text(&trees.tested_gold, SO).is_some()), (None, true));
    let added = "--- /dev/null\n+++ b/pkg/fast.c\n@@ -0,0 +1 @@\n+c\n";
    assert_eq!(not_built(&world, &trees, added), Vec::<String>::new());
    assert_eq!(not_built(&world, &trees, &added.replace("+c\n", "+d\n")), ["pkg/fast.c"]);
}

#[test]
fn a_source_that_only_a_compiler_reads_is_unbuilt_also_where_nothing_was_built() {
    let world = world();
    let base = [("pkg/a.py", "a\n"), ("pkg/_fast.pyx", "x\n"), ("tests/help.c", "h\n"), ("pyproject.toml", "[a]\n")];
    let gold = [("pkg/a.py", "A\n"), ("pkg/_fast.pyx", "X\n"), ("tests/help.c", "h\n"), ("pyproject.toml", "[a]\n")];
    let (base, gold) = (world.tree(&base), world.tree(&gold));
    let trees =
        Trees { tested_base: base.clone(), tested_gold: gold.clone(), layout: Layout::by_name("pytest"), base, gold };
    let mends = edit("pkg/a.py", "a\n", "A\n");
    for (more, expected) in [
        (String::new(), vec![]),
        (edit("pkg/_fast.pyx", "x\n", "X\n"), vec![]),
        (edit("pkg/_fast.pyx", "x\n", "broken\n"), vec!["pkg/_fast.pyx"]),
        (edit("tests/help.c", "h\n", "i\n"), vec![]),
        (edit("pyproject.toml", "[a]\n", "[build-system]\n"), vec![]),
    ] {
        assert_eq!(not_built(&world, &trees, &(mends.clone() + &more)), expected, "{more}");
    }
}

#[test]
fn gold_is_built_where_only_its_packaging_tells_that_it_is_built_otherwise() {
    let world = world();
    let base = world.tree(&[("setup.py", "s\n"), ("pyproject.toml", "[project]\n"), ("requirements.txt", "a\n")]);
    let layout = Layout::by_name("pytest");
    for (change, expected) in [
        (("setup.py", "S\n"), vec!["setup.py"]),
        (("pyproject.toml", "[build-system]\nrequires = ['x']\n"), vec!["pyproject.toml"]),
        (("pyproject.toml", "[project]\nversion = '2'\n"), vec![]),
        (("requirements.txt", "b\n"), vec![]),
        (("pkg/fast.c", "c\n"), vec!["pkg/fast.c"]),
        (("pkg/a.py", "a\n"), vec![]),
        (("examples/plugin/setup.py", "s\n"), vec![]),
        (("setup.cfg", "[options]\npackages = find:\n"), vec!["setup.cfg"]),
    ] {
        let gold = world.repo.with(&base, &[write(change.0, change.1.as_bytes())]).unwrap();
        assert_eq!(build_changes(&world.repo, &layout, &base, &gold).unwrap(), expected, "{change:?}");
    }
}
