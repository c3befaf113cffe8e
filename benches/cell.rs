//! What a cell costs per job beside the job itself. `cargo bench --bench cell` (or with a tree: `BASE=path`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use criterion::{Criterion, criterion_group, criterion_main};
use swe_assay::digest::Digest;
use swe_assay::sandbox::cell::Cell;
use swe_assay::sandbox::{Backing, FileChange, Job, Sandbox, SealedImage};
use swe_assay::trial::Limits;

fn jobs(c: &mut Criterion) {
    let base = std::env::var_os("BASE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let image = SealedImage {
        digest: Digest::of(b"benchmark"),
        workdir: "/testbed".to_owned(),
        python: "/usr/bin/python3".to_owned(),
        backing: Backing::Host { base_layer: base, mounts: Vec::new() },
    };
    let cell = Cell::new(env!("CARGO_BIN_EXE_assay").into(), Arc::new(AtomicBool::new(false)));
    let job = |script: &str| Job {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        changes: vec![FileChange::Write {
            path: "src/new/module.py".to_owned(),
            content: b"x = 1\n".as_slice().into(),
            executable: false,
        }],
        support: BTreeMap::from([("reporter.py".to_owned(), vec![b'#'; 20_000].into())]),
        stdin: Vec::new(),
        limits: Limits::default(),
    };
    let mut slot = cell.slot(&image).expect("a slot opens");
    for (name, script) in [("nothing", "exit 0"), ("python", "/usr/bin/python3 -c pass")] {
        let job = job(script);
        c.bench_function(&format!("cell/{name}"), |b| b.iter(|| slot.run(&job).expect("the job runs")));
    }
    c.bench_function("cell/open and close a slot", |b| b.iter(|| cell.slot(&image).expect("a slot opens")));
}

criterion_group!(benches, jobs);
criterion_main!(benches);
