//! The `container` way against a real Docker engine. Skipped, with a line, where none answers.

use crate::harness::{Need, Test, skip, tests};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::python::docker::{ImageRequest, docker_build};
use swe_assay::inside::images::python::environment::Environments;
use swe_assay::inside::images::python::project::ProjectMetadata;
use swe_assay::inside::images::python::recipe::Recipe;
use swe_assay::inside::images::python::resolution::Wishes;
use swe_assay::inside::images::seal_host::SealError;
use swe_assay::inside::model::trial::{Exit, Limits};
use swe_assay::inside::sandbox::docker::{Docker, OWNER_LABEL};
use swe_assay::inside::sandbox::{Backing, Executed, FileChange, Job, Sandbox, SandboxError, SealedImage};

const TREE: &str = "container-test-1";

/// An engine and an image of a tiny tree.
pub fn docker() -> &'static (Docker, SealedImage) {
    static DOCKER: OnceLock<Result<(Docker, SealedImage), String>> = OnceLock::new();
    let made = DOCKER.get_or_init(|| {
        let docker = Docker::connect().map_err(|error| error.to_string())?;
        match seal(&docker) {
            Ok(image) => Ok((docker, image)),
            Err(SealError::Sandbox(error @ SandboxError::ImageMissing { .. })) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    });
    made.as_ref().unwrap_or_else(|why| skip(Need::Docker, why.clone()))
}

fn seal(docker: &Docker) -> Result<SealedImage, SealError> {
    let cache = tempfile::tempdir().unwrap();
    let environments = Environments::open(Cache::open(cache.path())?, None)?;
    let recipe = Recipe::find("python-stdlib").unwrap();
    let project = ProjectMetadata { import_root: "src".to_owned(), ..ProjectMetadata::default() };
    let wishes = Wishes::new(&recipe, &[], &[]);
    let request = ImageRequest { wishes: &wishes, project: Some(&project), tree_id: TREE, workdir: "/testbed" };
    let checkout = |tree: &Path| {
        for (path, text) in [
            ("src/thing.py", "def answer():\n    return 42\n"),
            ("folder/one.txt", "1"),
            ("folder/two.txt", "2"),
            ("gone.txt", "x"),
        ] {
            let path = tree.join(path);
            std::fs::create_dir_all(path.parent().unwrap())?;
            std::fs::write(&path, text)?;
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
            std::fs::File::options().write(true).open(&path)?.set_modified(time)?;
        }
        Ok(())
    };
    let warm = |image: &SealedImage| {
        let mut job = python(image, "import thing, pathlib; pathlib.Path('stray').write_text('x')");
        job.env.remove("PYTHONDONTWRITEBYTECODE");
        docker.warm(image, &job)
    };
    let (build, _) = docker_build(docker, &environments, &request, &mut |_| {})?;
    docker.seal(environments.cache(), &build, TREE, checkout, warm, &mut |_| {})
}

pub fn job(argv: &[&str]) -> Job {
    Job {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: BTreeMap::from([
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
        ]),
        changes: Vec::new(),
        support: BTreeMap::new(),
        stdin: Vec::new(),
        limits: Limits { deadline_ms: 60_000, memory_bytes: 256 << 20, pids: 64, ..Limits::default() },
    }
}

pub fn shell(script: &str) -> Job {
    job(&["/bin/sh", "-c", script])
}

pub fn python(image: &SealedImage, script: &str) -> Job {
    job(&[&image.tool, "-c", script])
}

fn run(docker: &Docker, image: &SealedImage, job: &Job) -> Executed {
    docker.slot(image).unwrap().run(job).unwrap()
}

pub fn output(executed: &Executed) -> String {
    String::from_utf8([executed.output_head.as_slice(), &executed.output_tail].concat()).unwrap()
}

fn exit_codes_and_signals_are_facts() {
    let (docker, image) = docker();
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("kill -SEGV $$", Exit::Signal(11)),
        ("kill -KILL $$", Exit::Signal(9)),
    ] {
        assert_eq!(run(docker, image, &shell(script)).exit, exit, "{script}");
    }
    let absent = run(docker, image, &job(&["/no/such/program"]));
    assert_eq!(absent.exit, Exit::Code(127), "{}", output(&absent));
}

fn the_job_sees_its_input_its_environment_and_nothing_of_ours() {
    let (docker, image) = docker();
    let mut job = shell("cat; env | sort; id -u; pwd; grep CapEff /proc/self/status");
    job.stdin = b"fed\n".to_vec();
    let executed = run(docker, image, &job);
    let text = output(&executed);
    assert!(text.starts_with("fed\n"), "{text}");
    let names: Vec<&str> = text.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!(
        names.iter().filter(|name| !["PWD", "_"].contains(name)).collect::<Vec<_>>(),
        [&"PATH", &"PYTHONDONTWRITEBYTECODE"]
    );
    assert!(text.contains("\n1000\n/testbed\nCapEff:\t0000000000000000\n"), "{text}");
    // A job that does not read its input is not hurt by it.
    let mut deaf = shell("exit 3");
    deaf.stdin = vec![b'x'; 1 << 20];
    assert_eq!(run(docker, image, &deaf).exit, Exit::Code(3));
}

fn the_report_channel_is_apart_from_the_output() {
    let (docker, image) = docker();
    let executed = run(docker, image, &shell("echo out; echo err >&2; echo report >&3"));
    assert_eq!(executed.report, b"report\n");
    assert_eq!(output(&executed), "out\nerr\n");

    let mut long = shell("head -c 100000 /dev/zero >&3");
    long.limits.report_bytes = 1000;
    let executed = run(docker, image, &long);
    assert!(executed.report_truncated);
    assert_eq!(executed.report.len(), 1000);
}

fn a_job_past_its_deadline_is_killed_with_everything_it_started() {
    let (docker, image) = docker();
    let mut hangs = shell("setsid sleep 7654 & echo started; sleep 7654");
    hangs.limits.deadline_ms = 700;
    let executed = run(docker, image, &hangs);
    assert_eq!(executed.exit, Exit::TimedOut);
    assert_eq!(output(&executed), "started\n");
    assert!((700..5000).contains(&executed.wall_ms), "{}", executed.wall_ms);
    let left = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        command.starts_with(b"sleep\x007654").then_some(())
    });
    assert_eq!(left.count(), 0);
}

fn memory_and_processes_are_limited_and_there_is_no_network() {
    let (docker, image) = docker();
    let greedy = python(image, "x = bytearray(1 << 30); print(len(x))");
    assert_eq!(run(docker, image, &greedy).exit, Exit::OutOfMemory);

    let forks = python(
        image,
        "import os, time\nn = 0\ntry:\n  while n < 500:\n    if os.fork() == 0: time.sleep(60)\n    n += 1\nexcept OSError: pass\nprint(n)",
    );
    let count: u32 = output(&run(docker, image, &forks)).trim().parse().unwrap();
    assert!((10..64).contains(&count), "{count}");

    let network = python(image, "import socket; socket.create_connection(('192.0.2.1', 80), 2)");
    let executed = run(docker, image, &network);
    assert!(output(&executed).contains("Network is unreachable"), "{}", output(&executed));
}

fn a_flood_of_output_is_cut_and_counted() {
    let (docker, image) = docker();
    let executed = run(docker, image, &shell("echo first; head -c 100000000 /dev/zero; echo last"));
    assert_eq!(executed.exit, Exit::Code(0));
    assert_eq!(executed.output_total, 100_000_011);
    assert!(executed.output_head.starts_with(b"first\n") && executed.output_tail.ends_with(b"last\n"));
    assert_eq!(executed.output_head.len() + executed.output_tail.len(), 2 * (64 << 10));
}

fn changes_are_laid_over_the_base_and_do_not_stay() {
    let (docker, image) = docker();
    let look = "find . -name __pycache__ -prune -o ! -name . -printf '%p %y %l%s %m %T@\\n' | sed 's/[.]0*$//' | sort; ls /opt/assay/support";
    let mut changed = shell(look);
    let write = |path: &str, text: &str, executable| FileChange::Write {
        path: path.to_owned(),
        content: text.as_bytes().into(),
        executable,
    };
    changed.changes = vec![
        FileChange::Remove { path: "gone.txt".to_owned() },
        write("folder", "now a file", false),
        write("new/it's $HOME/run.sh", "#!/bin/sh\n", true),
        FileChange::Link { path: "link".to_owned(), target: "src/thing.py".to_owned() },
        write("src/thing.py", "def answer():\n    return 43\n", false),
    ];
    changed.support = [("reporter.py".to_owned(), Arc::from(&b"trusted"[..]))].into();
    let text = output(&run(docker, image, &changed));
    let files: Vec<&str> = text.lines().filter(|line| !line.contains(" d ")).collect();
    assert_eq!(
        files,
        [
            "./folder f 10 644 1000000001",
            "./link l src/thing.py12 777 1000000001",
            "./new/it's $HOME/run.sh f 10 755 1000000001",
            "./src/thing.py f 28 644 1000000001",
            "reporter.py"
        ]
    );
    // The younger source wins over warm bytecode of the same size.
    changed.argv = python(image, "import thing; print(thing.answer())").argv;
    assert_eq!(output(&run(docker, image, &changed)), "43\n");

    changed.argv = shell("touch /opt/assay/support/reporter.py /opt/assay/support/other").argv;
    assert_ne!(run(docker, image, &changed).exit, Exit::Code(0));

    let text = output(&run(docker, image, &shell(look)));
    let files: Vec<&str> = text.lines().filter(|line| line.contains(" f ")).collect();
    assert_eq!(
        files,
        [
            "./folder/one.txt f 1 644 1000000000",
            "./folder/two.txt f 1 644 1000000000",
            "./gone.txt f 1 644 1000000000",
            "./src/thing.py f 28 644 1000000000"
        ]
    );
}

fn a_warm_image_holds_valid_bytecode_and_nothing_else_of_the_warm_up() {
    let (docker, image) = docker();
    let warm = python(image, "import thing, sys; print(thing.answer(), thing.__cached__)");
    let mut verbose = warm.clone();
    verbose.argv.insert(1, "-v".to_owned());
    verbose.limits.keep_output_bytes = 1 << 20;
    let text = output(&run(docker, image, &verbose));
    assert!(text.contains("__pycache__/thing.cpython") && text.contains("matches /testbed/src/thing.py"), "{text}");
    assert!(text.contains("42 /testbed/src/__pycache__"), "{text}");
    assert_eq!(run(docker, image, &shell("test ! -e stray && test -w .")).exit, Exit::Code(0));
    // Sealing again finds the image without building it.
    let again = seal(docker).unwrap();
    let (Backing::Docker { image_id: one }, Backing::Docker { image_id: two }) = (&image.backing, &again.backing)
    else {
        panic!("not Docker images")
    };
    assert_eq!((one, &image.digest), (two, &again.digest));
}

fn an_image_that_is_not_there_is_named() {
    let (docker, image) = docker();
    let gone = SealedImage { backing: Backing::Docker { image_id: "sha256:0123".to_owned() }, ..image.clone() };
    let error = docker.slot(&gone).unwrap().run(&shell("true")).unwrap_err();
    assert!(matches!(&error, SandboxError::ImageMissing { image, .. } if image == "sha256:0123"), "{error}");
}

fn a_sweep_removes_what_dead_owners_left_and_spares_the_rest() {
    let (docker, image) = docker();
    let Backing::Docker { image_id } = &image.backing else { panic!("not a Docker image") };
    let cli = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output();
        let output = output.ok().filter(|output| output.status.success());
        let output = output.unwrap_or_else(|| skip(Need::Docker, "the docker command does not answer"));
        String::from_utf8(output.stdout).unwrap()
    };
    let dead = format!("{OWNER_LABEL}=4194305-1");
    let left = cli(&["create", "--label", &dead, "--label", "assay.lease=1", image_id, "true"]);
    let foreign = cli(&["create", "--label", "somebody=else", image_id, "true"]);
    assert!(!docker.sweep().unwrap().is_empty());
    let all = cli(&["ps", "-aq", "--no-trunc"]);
    assert!(!all.contains(left.trim()) && all.contains(foreign.trim()));
    cli(&["rm", foreign.trim()]);

    run(docker, image, &shell("exit 1"));
    // Other tests may have containers of their own just now; this one's must be gone soon after it ended.
    let format = format!("{{{{.Label \"{OWNER_LABEL}\"}}}} {{{{.Command}}}}");
    let mine = format!("{}-", std::process::id());
    let left = || {
        let all = cli(&["ps", "-a", "--no-trunc", "--format", &format]);
        all.lines().any(|line| line.starts_with(&mine) && !line.contains("/.assay-agent"))
    };
    let gone = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        !left()
    });
    assert!(gone, "a container outlives its job");
}

pub const TESTS: &[Test] = tests![
    exit_codes_and_signals_are_facts,
    the_job_sees_its_input_its_environment_and_nothing_of_ours,
    the_report_channel_is_apart_from_the_output,
    a_job_past_its_deadline_is_killed_with_everything_it_started,
    memory_and_processes_are_limited_and_there_is_no_network,
    a_flood_of_output_is_cut_and_counted,
    changes_are_laid_over_the_base_and_do_not_stay,
    a_warm_image_holds_valid_bytecode_and_nothing_else_of_the_warm_up,
    an_image_that_is_not_there_is_named,
    a_sweep_removes_what_dead_owners_left_and_spares_the_rest,
];
