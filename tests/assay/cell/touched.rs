//! What a job did to files that were there before it is told, and nothing else.

use super::*;
use crate::harness::{Test, tests};

fn touched(sandbox: &Cell, world: &World, script: &str, changes: &[FileChange]) -> Vec<String> {
    let mut job = sh(script);
    job.changes = changes.to_vec();
    let executed = sandbox.slot(&world.image()).unwrap().run(&job).unwrap();
    assert_eq!(executed.exit, Exit::Code(0), "{script}: {}", text(&executed));
    executed.touched
}

fn changes_to_files_that_were_there_are_told_in_both_kinds_of_layer() {
    let world = World::new();
    let laid =
        [FileChange::Write { path: "pkg/laid.py".to_owned(), content: b"x\n".as_slice().into(), executable: false }];
    for (what, script, expected) in [
        ("nothing", "cat pkg/value.py top.txt; echo new > new.txt; mkdir -p data/more; echo x > data/more/x", &[][..]),
        ("written", "echo evil > pkg/value.py", &["pkg/value.py"]),
        ("written and put back", "cp -p top.txt /tmp; echo evil > top.txt; cp -p /tmp/top.txt top.txt", &["top.txt"]),
        ("what was laid", "echo evil > pkg/laid.py", &["pkg/laid.py"]),
        ("removed", "rm data/old.txt", &["data/old.txt"]),
        ("its directory removed", "rm -r data; mkdir data", &["data/old.txt"]),
        ("a link in its place", "ln -sf /dev/null top.txt", &["top.txt"]),
        ("a directory in its place", "rm top.txt; mkdir top.txt", &["top.txt"]),
        ("closed", "echo evil > data/old.txt; chmod 0 data", &["data/old.txt"]),
        ("by who stays behind", "(setsid sh -c 'echo evil > top.txt; sleep 100' &) ; sleep 1", &["top.txt"]),
        ("hidden deep down", "d=data; for i in $(seq 300); do mkdir $d/d; cd $d/d; d=.; done", &[]),
    ] {
        for (kind, sandbox) in [("overlay", cell()), ("copy", cell().with_copies())] {
            let found = touched(&sandbox, &world, script, &laid);
            for path in ["pkg/value.py", "pkg/laid.py", "top.txt", "data/old.txt"] {
                let told =
                    found.iter().any(|told| told == path || (told.ends_with('/') && path.starts_with(told.as_str())));
                assert_eq!(told, expected.contains(&path), "{what}, {kind}: {path} in {found:?}");
            }
            assert!(!found.iter().any(|told| told.starts_with("new")), "{what}, {kind}: {found:?}");
        }
    }
}

pub const TESTS: &[Test] = tests![changes_to_files_that_were_there_are_told_in_both_kinds_of_layer,];
