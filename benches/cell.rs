//! What a cell costs per job beside the job itself, on the host and in Docker, and how many no-op jobs two workers run
//! in a second. `cargo bench --bench cell`; `BASE=path` gives host cells another tree. The Docker part needs an engine
//! that has the base image (`ASSAY_DOCKER_BASE`). If there is none, it is left out, and a line says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use swe_assay::inside::images::seal_docker::BASE_VARIABLE;
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::trial::Limits;
use swe_assay::inside::sandbox::Lease;
use swe_assay::inside::sandbox::cell::Cell;
use swe_assay::inside::sandbox::docker::Docker;
use swe_assay::inside::sandbox::docker::cells::DockerCells;
use swe_assay::inside::sandbox::{Backing, FileChange, Job, Sandbox, SandboxError, SealedImage};

const BASE: &str = "python:3.11-slim-bookworm";
const WORKERS: usize = 2;

fn image(workdir: &str, backing: Backing) -> SealedImage {
    SealedImage {
        digest: Digest::of(b"benchmark"),
        workdir: workdir.to_owned(),
        tool: "/usr/bin/python3".to_owned(),
        backing,
        lease: Lease::default(),
    }
}

fn job(script: &str) -> Job {
    Job {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]),
        changes: vec![FileChange::Write {
            path: "src/new/module.py".to_owned(),
            content: b"x = 1\n".as_slice().into(),
            executable: false,
        }],
        support: BTreeMap::from([("reporter.py".to_owned(), vec![b'#'; 20_000].into())]),
        stdin: Vec::new(),
        limits: Limits::default(),
    }
}

fn cells(c: &mut Criterion) {
    let base = std::env::var_os("BASE").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let cell = Cell::new(env!("CARGO_BIN_EXE_assay").into(), Arc::new(AtomicBool::new(false)));
    let image = image("/testbed", Backing::Host { base_layer: base, mounts: Vec::new() });
    measure(c, &cell, &image);
    c.bench_function("cell/open and close a slot", |b| b.iter(|| cell.slot(&image).expect("a slot opens")));
}

fn cells_in_docker(c: &mut Criterion) {
    let cells = match Docker::connect().and_then(DockerCells::new) {
        Ok(cells) => cells,
        Err(error) => return println!("docker-cell: left out: {error}"),
    };
    let base = std::env::var(BASE_VARIABLE).unwrap_or_else(|_| BASE.to_owned());
    // The base image's empty directory stands for a work directory.
    let image = image("/srv", Backing::Docker { image_id: base });
    match cells.slot(&image).and_then(|mut slot| slot.run(&job("exit 0"))) {
        Ok(_) => {}
        Err(error @ SandboxError::ImageMissing { .. }) => return println!("docker-cell: left out: {error}"),
        Err(error) => panic!("{error}"),
    }
    measure(c, &cells, &image);
    let mut group = c.benchmark_group("docker-cell");
    group.sample_size(10);
    let first = || cells.slot(&image).and_then(|mut slot| slot.run(&job("exit 0"))).expect("a job runs");
    group.bench_function("first job of a slot, with its container, and the end of both", |b| b.iter(first));
    group.finish();
}

fn measure(c: &mut Criterion, sandbox: &dyn Sandbox, image: &SealedImage) {
    let mut slot = sandbox.slot(image).expect("a slot opens");
    for (name, script) in [("nothing", "exit 0"), ("python", "exec python3 -c pass")] {
        let job = job(script);
        c.bench_function(&format!("{}/{name}", sandbox.name()), |b| b.iter(|| slot.run(&job).expect("the job runs")));
    }
    drop(slot);
    throughput(sandbox, image);
}

/// No-op jobs a second over all workers, and what each cost beside the job: half of them at most, nine in ten at most.
fn throughput(sandbox: &dyn Sandbox, image: &SealedImage) {
    let (done, job) = (AtomicU64::new(0), job("exit 0"));
    let ready = std::sync::Barrier::new(WORKERS);
    let lasts = Duration::from_secs(5);
    let mut costs: Vec<u64> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut slot = sandbox.slot(image).expect("a slot opens");
                    slot.run(&job).expect("the job runs");
                    ready.wait();
                    let (begun, mut costs) = (Instant::now(), Vec::new());
                    while begun.elapsed() < lasts {
                        costs.push(slot.run(&job).expect("the job runs").overhead_ms);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    costs
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect()
    });
    costs.sort_unstable();
    println!(
        "{}: {:.0} no-op jobs a second with {WORKERS} workers; overhead {} ms at the median, {} ms at the ninth decile",
        sandbox.name(),
        done.into_inner() as f64 / lasts.as_secs_f64(),
        costs[costs.len() / 2],
        costs[costs.len() * 9 / 10],
    );
}

criterion_group!(benches, cells, cells_in_docker);
criterion_main!(benches);
