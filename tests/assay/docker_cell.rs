//! Cells inside a container, against a real Docker engine. Skipped where none answers. What holds for cells on the host and
//! for containers holds here.

use crate::harness::{Test, tests};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use swe_assay::inside::model::trial::Exit;
use swe_assay::inside::sandbox::docker::OWNER_LABEL;
use swe_assay::inside::sandbox::docker::cells::DockerCells;
use swe_assay::inside::sandbox::{Backing, FileChange, Job, Sandbox, SandboxError, SealedImage, Slot};

use crate::container::{docker, output, python, shell};

/// Cells and an image.
fn cells() -> (DockerCells, SealedImage) {
    let (docker, image) = docker();
    (DockerCells::new(docker.clone()).unwrap(), image.clone())
}

fn slot() -> Box<dyn Slot> {
    let (cells, image) = cells();
    cells.slot(&image).unwrap()
}

/// What the `docker` command prints.
fn cli(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Removes an image. The engine may still be at removing the last container that used it.
fn remove_image(image: &str) {
    for _ in 0..50 {
        if Command::new("docker").args(["rmi", image]).output().unwrap().status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!("{image} is still in use");
}

/// Ids of running containers that belong to a process.
fn containers_of(pid: u32) -> Vec<String> {
    let format = format!("{{{{.ID}}}} {{{{.Label \"{OWNER_LABEL}\"}}}}");
    cli(&["ps", "-a", "--no-trunc", "--format", &format])
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, owner)| owner.starts_with(&format!("{pid}-")))
        .map(|(id, _)| id.to_owned())
        .collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a process of the host runs with these words.
fn runs(words: &[&str]) -> bool {
    let line = words.join("\0") + "\0";
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|found| String::from_utf8_lossy(&found).contains(&line))
    })
}

fn exits_input_output_and_reports_are_facts() {
    let mut slot = slot();
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 7", Exit::Code(7)),
        ("kill -SEGV $$", Exit::Signal(11)),
        ("kill -KILL $$", Exit::Signal(9)),
        ("kill -KILL -1; exit 5", Exit::Code(5)),
    ] {
        assert_eq!(slot.run(&shell(script)).unwrap().exit, exit, "{script}");
    }
    let mut job = shell("cat; env | sort; pwd; echo report >&3; echo err >&2");
    job.stdin = vec![b'x'; 300_000];
    job.limits.keep_output_bytes = 1 << 20;
    let executed = slot.run(&job).unwrap();
    assert_eq!(executed.report, b"report\n");
    assert_eq!(
        output(&executed).trim_start_matches('x'),
        "PATH=/usr/bin:/bin\nPWD=/testbed\nPYTHONDONTWRITEBYTECODE=1\n/testbed\nerr\n"
    );
}

fn the_job_sees_the_image_and_nothing_of_ours_and_may_not_leave() {
    let mut slot = slot();
    let script = "id -u; id -un; hostname; grep Cap /proc/self/status | sort -u -k2; ls -A /.assay* 2>&1 | head -1
        ls /proc | grep -c '^[0-9]'; cat /etc/resolv.conf; grep -c localhost /etc/hosts";
    let text = output(&slot.run(&shell(script)).unwrap());
    assert_eq!(
        text,
        "1000\nassay\nassay\nCapInh:\t0000000000000000\nls: cannot access '/.assay*': No such file or directory\n4\n2\n",
        "pid 1, sh, ls, grep"
    );
    for (script, refusal) in [
        ("echo x > /proc/sys/kernel/core_pattern", "Read-only|denied|nonexistent"),
        ("echo x > /usr/bin/evil", "Read-only"),
        ("echo x > /etc/passwd", "Read-only"),
        ("touch /evil", "Read-only"),
        ("mkdir /opt/assay/support/x", "Read-only"),
        ("mount -t tmpfs x /tmp", "denied|permitted|superuser"),
        ("unshare -U true", "not permitted"),
        ("unshare -m true", "not permitted"),
        ("/usr/sbin/chroot /tmp", "not permitted"),
        ("mknod /tmp/disk b 254 0", "not permitted"),
        ("ls /sys/fs/cgroup", "No such file"),
        ("cd /; ls ../../../.assay-agent", "No such file"),
        ("echo 1 > /proc/1/oom_score_adj", "denied|permitted"),
    ] {
        let executed = slot.run(&shell(script)).unwrap();
        let text = output(&executed);
        assert!(refusal.split('|').any(|word| text.contains(word)), "{script}: {:?} {text}", executed.exit);
    }
}

fn changes_are_laid_over_the_base_and_nothing_lasts() {
    let mut slot = slot();
    let write = |path: &str, text: &str| FileChange::Write {
        path: path.to_owned(),
        content: text.as_bytes().into(),
        executable: false,
    };
    let look = "find . -type f ! -path '*/__pycache__/*' -printf '%p %s %m %u %T@\\n' | sed 's/[.]0*$//' | sort";
    let mut changed = shell(&format!("{look}; ls /opt/assay/support"));
    changed.changes = vec![
        FileChange::Remove { path: "gone.txt".to_owned() },
        write("folder", "now a file"),
        write("src/thing.py", "def answer():\n    return 43\n"),
    ];
    changed.support = [("reporter.py".to_owned(), Arc::from(&b"trusted"[..]))].into();
    assert_eq!(
        output(&slot.run(&changed).unwrap()),
        "./folder 10 644 assay 1000000001\n./src/thing.py 28 644 assay 1000000001\nreporter.py\n"
    );
    let (_, image) = cells();
    changed.argv = python(&image, "import thing; print(thing.answer())").argv;
    assert_eq!(output(&slot.run(&changed).unwrap()), "43\n", "the younger source wins over warm bytecode");

    let wreck = "rm -rf /testbed/* 2>/dev/null; touch /tmp/a /var/tmp/b /dev/shm/c /testbed/d; mkdir folder; ls";
    assert_eq!(output(&slot.run(&shell(wreck)).unwrap()), "d\nfolder\n");
    let after = output(&slot.run(&shell(&format!("ls -A /tmp /var/tmp /dev/shm; {look}"))).unwrap());
    assert_eq!(
        after,
        "/dev/shm:\n\n/tmp:\n\n/var/tmp:\n./folder/one.txt 1 644 assay 1000000000\n./folder/two.txt 1 644 assay 1000000000\n\
         ./gone.txt 1 644 assay 1000000000\n./src/thing.py 28 644 assay 1000000000\n"
    );
    let warm = python(&image, "import thing; print(thing.answer(), thing.__cached__)");
    assert!(output(&slot.run(&warm).unwrap()).starts_with("42 /testbed/src/__pycache__"));
}

fn what_a_job_did_to_files_that_were_there_is_known_even_if_it_put_them_back() {
    let mut slot = slot();
    let script = "rm gone.txt; cp folder/one.txt new.txt; sleep 0.05; echo 9 > laid.txt; printf 7 > laid.txt";
    let mut job = shell(script);
    job.changes = vec![FileChange::Write { path: "laid.txt".to_owned(), content: b"7"[..].into(), executable: false }];
    let touched = slot.run(&job).unwrap().touched;
    assert_eq!(touched, ["gone.txt", "gone.txt/", "laid.txt", "laid.txt/"]);
    assert_eq!(slot.run(&shell("cat gone.txt")).unwrap().touched, Vec::<String>::new());
}

fn time_memory_processes_disk_and_output_are_bounded() {
    let mut slot = slot();
    let (_, image) = cells();
    let mut hangs = shell("setsid sleep 8765 & echo started; sleep 8765");
    hangs.limits.deadline_ms = 700;
    let executed = slot.run(&hangs).unwrap();
    assert_eq!((executed.exit, output(&executed)), (Exit::TimedOut, "started\n".to_owned()));
    assert!((600..5000).contains(&executed.wall_ms), "{}", executed.wall_ms);
    wait_until("what the job started is gone", || !runs(&["sleep", "8765"]));

    let daemon = slot.run(&shell("setsid sleep 8766 & echo done")).unwrap();
    assert_eq!((daemon.exit, output(&daemon)), (Exit::Code(0), "done\n".to_owned()));
    assert!(!runs(&["sleep", "8766"]), "the daemon lives on");

    let fill =
        |place: &str| shell(&format!("for i in 1 2 3 4; do dd if=/dev/zero of={place}/f$i bs=1M count=16; done"));
    for place in ["/testbed", "/tmp", "/dev/shm"] {
        let mut job = fill(place);
        job.limits.disk_bytes = 32 << 20;
        assert!(output(&slot.run(&job).unwrap()).contains("No space left"), "{place}");
    }

    let mut flood = shell("echo first; head -c 100000000 /dev/zero; echo last; head -c 5000000 /dev/zero >&3");
    flood.limits.report_bytes = 1 << 20;
    let executed = slot.run(&flood).unwrap();
    assert_eq!((executed.exit, executed.output_total), (Exit::Code(0), 100_000_011));
    assert!(executed.output_head.starts_with(b"first\n") && executed.output_tail.ends_with(b"last\n"));
    assert_eq!((executed.report.len(), executed.report_truncated), (1 << 20, true));

    let bomb = python(
        &image,
        "import os, time\nn = 0\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(60)\n    n += 1\nexcept OSError as e: print(n, e.strerror)",
    );
    assert_eq!(output(&slot.run(&bomb).unwrap()), "63 Resource temporarily unavailable\n");

    let greedy = python(&image, "x = bytearray(1 << 30); print(len(x))");
    let many = python(
        &image,
        "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    x = b'1' * (60 << 20); time.sleep(30)\nos.wait()",
    );
    for job in [&greedy, &many] {
        assert_eq!(slot.run(job).unwrap().exit, Exit::OutOfMemory);
        let executed = slot.run(&shell("echo still here")).unwrap();
        assert_eq!((executed.exit, output(&executed)), (Exit::Code(0), "still here\n".to_owned()));
        assert!(executed.peak_memory_bytes.is_none_or(|peak| peak < 200 << 20), "{:?}", executed.peak_memory_bytes);
    }
}

fn there_is_no_network_but_loopback_works() {
    let mut slot = slot();
    let (_, image) = cells();
    let script = r#"
import socket
s = socket.create_server(("127.0.0.1", 8123)); c = socket.create_connection(("localhost", 8123)); print("lo up")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=3); print("connected")
except OSError as e: print(e.strerror)
c.close(); s.accept()[0].close()
"#;
    for _ in 0..2 {
        assert_eq!(output(&slot.run(&python(&image, script)).unwrap()), "lo up\nNetwork is unreachable\n");
    }
}

fn a_program_or_an_image_that_is_missing_is_the_machines_fault() {
    let (cells, image) = cells();
    let mut job = shell("true");
    job.argv = vec!["/no/such/program".to_owned()];
    let error = cells.slot(&image).unwrap().run(&job).unwrap_err();
    assert!(error.to_string().contains("/no/such/program: No such file"), "{error}");
    let gone = SealedImage { backing: Backing::Docker { image_id: "sha256:0123".to_owned() }, ..image };
    let error = cells.slot(&gone).unwrap().run(&shell("true")).unwrap_err();
    assert!(matches!(&error, SandboxError::ImageMissing { image, .. } if image == "sha256:0123"), "{error}");
}

/// The probe's image holds one static program and no file of any system.
fn an_image_with_nothing_in_it_will_do() {
    let (docker, _) = docker();
    DockerCells::open(docker.clone(), None, false).unwrap();
}

fn a_tree_of_roots_is_the_jobs_own_inside() {
    let (cells, image) = cells();
    let Backing::Docker { image_id } = &image.backing else { panic!("not a Docker image") };
    let container = cli(&["create", "--user", "0", "--entrypoint", "/bin/chown", image_id, "-R", "0:0", "/testbed"]);
    cli(&["start", "-a", container.trim()]);
    let owned = cli(&["commit", container.trim()]);
    cli(&["rm", container.trim()]);
    let rooted = SealedImage { backing: Backing::Docker { image_id: owned.trim().to_owned() }, ..image };
    let mut slot = cells.slot(&rooted).unwrap();
    let script = "stat -c '%U %Y' gone.txt; echo x >> src/thing.py && rm gone.txt && touch new && ls";
    assert_eq!(output(&slot.run(&shell(script)).unwrap()), "assay 1000000000\nfolder\nnew\nsrc\n");
    assert_eq!(output(&slot.run(&shell("ls")).unwrap()), "folder\ngone.txt\nsrc\n");
    drop(slot);
    remove_image(owned.trim());
}

fn one_container_serves_many_jobs_and_other_limits_get_another_one() {
    let (docker, image) = docker();
    if std::env::var_os("ASSAY_TEST_DRIVER").is_none() {
        return in_a_process_of_its_own("one_container_serves_many_jobs_and_other_limits_get_another_one");
    }
    let mut slot = DockerCells::new(docker.clone()).unwrap().slot(image).unwrap();
    let mine = || containers_of(std::process::id());
    slot.run(&shell("true")).unwrap();
    let first = mine();
    assert_eq!(first.len(), 1);
    for _ in 0..5 {
        slot.run(&shell("true")).unwrap();
    }
    assert_eq!(mine(), first);
    let mut larger = shell("true");
    larger.limits.memory_bytes *= 2;
    slot.run(&larger).unwrap();
    assert!(mine().len() == 1 && mine() != first);
    drop(slot);
    assert_eq!(mine(), Vec::<String>::new());
}

/// Runs a test of this file again in a process that no other test shares, for what belongs to a process.
fn in_a_process_of_its_own(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("docker_cell::{test}"), "--nocapture"])
        .env("ASSAY_TEST_DRIVER", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn a_container_that_is_killed_in_the_middle_fails_the_job_and_the_next_one_runs() {
    let (docker, image) = docker();
    if std::env::var_os("ASSAY_TEST_DRIVER").is_none() {
        return in_a_process_of_its_own("a_container_that_is_killed_in_the_middle_fails_the_job_and_the_next_one_runs");
    }
    let mut slot = DockerCells::new(docker.clone()).unwrap().slot(image).unwrap();
    slot.run(&shell("true")).unwrap();
    let kill = std::thread::spawn(|| {
        wait_until("the job runs", || runs(&["sleep", "8767"]));
        cli(&["kill", &containers_of(std::process::id())[0]]);
    });
    let error = slot.run(&shell("sleep 8767")).unwrap_err();
    kill.join().unwrap();
    assert!(matches!(error, SandboxError::Failed { .. }), "{error}");
    assert_eq!(output(&slot.run(&shell("echo again")).unwrap()), "again\n");
    assert!(!runs(&["sleep", "8767"]));
}

fn cancelling_ends_a_running_job_at_once() {
    let (docker, image) = docker();
    let cancel = Arc::new(AtomicBool::new(false));
    let cells = DockerCells::new(docker.clone().with_cancel(cancel.clone())).unwrap();
    let mut slot = cells.slot(image).unwrap();
    slot.run(&shell("true")).unwrap();
    let raise = std::thread::spawn(move || {
        wait_until("the job runs", || runs(&["sleep", "8768"]));
        cancel.store(true, Ordering::SeqCst);
    });
    let error = slot.run(&shell("sleep 8768")).unwrap_err();
    raise.join().unwrap();
    assert!(matches!(error, SandboxError::Interrupted), "{error}");
    drop(slot);
    wait_until("the job is gone", || !runs(&["sleep", "8768"]));
}

fn a_killed_driver_leaves_no_container() {
    let (docker, image) = docker();
    if std::env::var_os("ASSAY_TEST_DRIVER").is_some() {
        let mut slot = DockerCells::new(docker.clone()).unwrap().slot(image).unwrap();
        println!("driver ready");
        let job: Job = shell("setsid sleep 8769 & sleep 8769");
        slot.run(&job).unwrap();
        return;
    }
    let mut driver = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "docker_cell::a_killed_driver_leaves_no_container", "--nocapture"])
        .env("ASSAY_TEST_DRIVER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("driver ready")));
    wait_until("the job runs", || runs(&["sleep", "8769"]));
    assert_eq!(containers_of(driver.id()).len(), 1);
    driver.kill().unwrap();
    driver.wait().unwrap();
    let begun = Instant::now();
    wait_until("the container is gone", || containers_of(driver.id()).is_empty());
    println!("gone after {:?}", begun.elapsed());
    assert!(!runs(&["sleep", "8769"]));
}

pub const TESTS: &[Test] = tests![
    exits_input_output_and_reports_are_facts,
    the_job_sees_the_image_and_nothing_of_ours_and_may_not_leave,
    changes_are_laid_over_the_base_and_nothing_lasts,
    what_a_job_did_to_files_that_were_there_is_known_even_if_it_put_them_back,
    time_memory_processes_disk_and_output_are_bounded,
    there_is_no_network_but_loopback_works,
    a_program_or_an_image_that_is_missing_is_the_machines_fault,
    an_image_with_nothing_in_it_will_do,
    a_tree_of_roots_is_the_jobs_own_inside,
    one_container_serves_many_jobs_and_other_limits_get_another_one,
    a_container_that_is_killed_in_the_middle_fails_the_job_and_the_next_one_runs,
    cancelling_ends_a_running_job_at_once,
    a_killed_driver_leaves_no_container,
];
