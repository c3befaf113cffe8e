//! Runs that change trusted files: seen by the sandbox after the run, in both ways.

use crate::harness::{Test, needs_docker, tests};
use swe_assay::inside::model::verdict::Reason;
use swe_assay::inside::sandbox::Engine;

use crate::small_world::{RIGHT, World, cell, containers};

const WRITES_TESTS: &str = "import pathlib\n\n_tests = pathlib.Path(__file__).parent / 'tests'\n";

fn judge(engine: Engine) -> Vec<(Reason, String)> {
    let expects = "(_tests / 'expected.txt').write_text('2')\n\n\n\
                   def double(x):\n    return 6 if x == 3 else x\n\n\ndef keep(x):\n    return x\n";
    let removes = "(_tests / 'other.txt').unlink(missing_ok=True)\n\n\n";
    let leaves_one = "import subprocess\nimport sys\n\nsubprocess.Popen([sys.executable, '-c', \
                      'import time; time.sleep(1); open(\"tests/other.txt\", \"w\").close()'])\n\n\n";
    let own = "(_tests / 'own.txt').write_text('mine')\n(_tests / 'new.txt').write_text('new')\n\n\n";
    let sources = [
        RIGHT.to_owned(),
        format!("{WRITES_TESTS}{expects}"),
        format!("{WRITES_TESTS}{removes}{RIGHT}"),
        format!("{WRITES_TESTS}{own}{RIGHT}"),
        format!("{leaves_one}{RIGHT}"),
    ];
    let sources: Vec<_> = sources.iter().map(String::as_str).collect();
    let verdicts = World::admitted(engine).verdicts("tampering", None, &sources);
    verdicts.into_iter().map(|verdict| (verdict.reason, verdict.detail)).collect()
}

fn assert_seen(found: &[(Reason, String)]) {
    let reasons: Vec<_> = found.iter().map(|(reason, _)| *reason).collect();
    let expected = [
        Reason::Resolved,
        Reason::TampersWithTests,
        Reason::TampersWithTests,
        // What gold's run changes too, and new files, are no tampering.
        Reason::Resolved,
        // A process that is left behind is gone before it can.
        Reason::Resolved,
    ];
    assert_eq!(reasons, expected, "{found:?}");
    assert!(found[1].1.contains("tests/expected.txt") && found[2].1.contains("tests/other.txt"), "{found:?}");
}

fn who_passes_by_changing_trusted_files_is_rejected_in_cells() {
    assert_seen(&judge(Engine::Cell(cell())));
}

fn who_passes_by_changing_trusted_files_is_rejected_in_cells_with_copies() {
    let cell = swe_assay::inside::sandbox::cell::Cell::clone(&cell()).with_copies();
    assert_seen(&judge(Engine::Cell(std::sync::Arc::new(cell))));
}

fn who_passes_by_changing_trusted_files_is_rejected_in_containers() {
    needs_docker();
    assert_seen(&judge(Engine::Container(containers())));
}

pub const TESTS: &[Test] = tests![
    who_passes_by_changing_trusted_files_is_rejected_in_cells,
    who_passes_by_changing_trusted_files_is_rejected_in_cells_with_copies,
    who_passes_by_changing_trusted_files_is_rejected_in_containers,
];
