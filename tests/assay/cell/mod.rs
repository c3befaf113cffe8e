//! Cells run real jobs over this host's root. Every test runs as the user who runs the tests; a root run repeats all of
//! them as an ordinary user.

pub mod ends;
pub mod limits;
pub mod touched;

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::trial::{Exit, Limits};
use swe_assay::inside::sandbox::Lease;
use swe_assay::inside::sandbox::cell::{Cell, probe, sweep};
use swe_assay::inside::sandbox::{Backing, Executed, FileChange, Job, Sandbox, SandboxError, SealedImage};

/// The binary whose hidden command is the agent; a copy of it where the tests run as an ordinary user.
fn agent() -> PathBuf {
    std::env::var_os("ASSAY_TEST_AGENT").map_or_else(|| env!("CARGO_BIN_EXE_assay").into(), PathBuf::from)
}

struct World {
    base: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let world = Self { base };
        world.file("pkg/__init__.py", "");
        world.file("pkg/value.py", "VALUE = 1\n");
        world.file("data/old.txt", "old\n");
        world.file("top.txt", "top\n");
        std::os::unix::fs::symlink("data", world.base.path().join("link")).unwrap();
        world
    }

    fn file(&self, path: &str, content: &str) {
        let path = self.base.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn image(&self) -> SealedImage {
        SealedImage {
            digest: Digest::of(b"test"),
            workdir: "/testbed".to_owned(),
            tool: "/usr/bin/python3".to_owned(),
            backing: Backing::Host { base_layer: self.base.path().to_path_buf(), mounts: Vec::new() },
            lease: Lease::default(),
        }
    }

    fn run(&self, job: &Job) -> Executed {
        cell().slot(&self.image()).unwrap().run(job).unwrap()
    }

    /// Path -> content or link target of everything in the base layer.
    fn listing(&self) -> BTreeMap<PathBuf, String> {
        walkdir::WalkDir::new(self.base.path())
            .into_iter()
            .map(|entry| {
                let entry = entry.unwrap();
                let text = if entry.path_is_symlink() {
                    format!("-> {}", fs::read_link(entry.path()).unwrap().display())
                } else if entry.file_type().is_file() {
                    String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned()
                } else {
                    "directory".to_owned()
                };
                (entry.path().strip_prefix(self.base.path()).unwrap().to_path_buf(), text)
            })
            .collect()
    }
}

fn cell() -> Cell {
    Cell::new(agent(), Arc::new(AtomicBool::new(false)))
}

fn job(argv: &[&str]) -> Job {
    Job {
        argv: argv.iter().map(|s| (*s).to_owned()).collect(),
        env: [("PATH", "/usr/bin:/bin"), ("HOME", "/home/assay")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        changes: Vec::new(),
        support: BTreeMap::new(),
        stdin: Vec::new(),
        limits: Limits { deadline_ms: 60_000, ..Limits::default() },
    }
}

fn sh(script: &str) -> Job {
    job(&["/bin/sh", "-c", script])
}

fn python(script: &str) -> Job {
    job(&["/usr/bin/python3", "-c", script])
}

fn text(executed: &Executed) -> String {
    String::from_utf8_lossy(&executed.output_head).into_owned()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn exit_codes_and_signals_are_told_apart() {
    let world = World::new();
    assert_eq!(world.run(&sh("exit 0")).exit, Exit::Code(0));
    assert_eq!(world.run(&sh("exit 7")).exit, Exit::Code(7));
    assert_eq!(world.run(&sh("kill -SEGV $$")).exit, Exit::Signal(11));
    assert_eq!(world.run(&sh("kill -PIPE $$")).exit, Exit::Signal(13), "no signal is ignored from the start");
}

fn standard_input_output_and_the_report_channel_arrive_whole() {
    let world = World::new();
    let mut job = sh("cat; echo err >&2; cat /dev/stdin; printf 'a report' >&3; ls /proc/self/fd | tr '\\n' ' '");
    job.stdin = vec![b'x'; 300_000];
    job.limits.keep_output_bytes = 1 << 20;
    let executed = world.run(&job);
    assert_eq!(executed.report, b"a report");
    assert!(!executed.report_truncated);
    assert!(executed.output_tail.is_empty());
    let text = text(&executed);
    assert_eq!(text.trim_start_matches('x'), "err\n0 1 2 3 4 ", "4 is the directory that ls reads");
    assert_eq!(text.len() as u64, executed.output_total);
}

fn a_job_sees_exactly_the_environment_it_is_given() {
    let world = World::new();
    let mut job = job(&["/usr/bin/env"]);
    job.env = BTreeMap::from([("ONE".to_owned(), "1".to_owned()), ("PATH".to_owned(), "/bin".to_owned())]);
    assert_eq!(text(&world.run(&job)), "ONE=1\nPATH=/bin\n");
}

fn changes_are_laid_over_the_base_layer() {
    let world = World::new();
    let before = world.listing();
    let write = |path: &str, content: &str, executable| FileChange::Write {
        path: path.to_owned(),
        content: content.as_bytes().into(),
        executable,
    };
    let mut job = sh("cat new/deep/file.txt top.txt link data2; ./run.sh; readlink here; ls; stat -c %Y:%a top.txt");
    job.changes = vec![
        write("new/deep/file.txt", "new\n", false),
        write("top.txt", "replaced\n", false),
        write("link", "a file where a link was\n", false),
        write("data2", "data2\n", false),
        write("run.sh", "#!/bin/sh\necho ran\n", true),
        FileChange::Link { path: "here".to_owned(), target: "top.txt".to_owned() },
        FileChange::Remove { path: "data/old.txt".to_owned() },
        FileChange::Remove { path: "pkg/missing.py".to_owned() },
    ];
    assert_eq!(
        text(&world.run(&job)),
        "new\nreplaced\na file where a link was\ndata2\nran\ntop.txt\n\
         data2\nhere\nlink\nnew\npkg\nrun.sh\ntop.txt\n1000000001:644\n",
        "and the directory that a removal emptied is gone"
    );
    assert_eq!(world.listing(), before);
}

fn a_file_may_take_the_place_of_a_directory_and_the_other_way_round() {
    let world = World::new();
    let mut job = sh("cat pkg top.txt/inner");
    let write =
        |path: &str| FileChange::Write { path: path.to_owned(), content: b"x\n".as_slice().into(), executable: false };
    job.changes = vec![write("pkg"), FileChange::Remove { path: "top.txt".to_owned() }, write("top.txt/inner")];
    assert_eq!(text(&world.run(&job)), "x\nx\n");
}

fn a_change_that_would_leave_the_work_directory_is_refused() {
    let world = World::new();
    let mut slot = cell().slot(&world.image()).unwrap();
    for path in ["link/evil", "../evil", "/evil", "a//b", "a/./b", ""] {
        for change in [
            FileChange::Write { path: path.to_owned(), content: b"x".as_slice().into(), executable: false },
            FileChange::Link { path: path.to_owned(), target: "x".to_owned() },
            FileChange::Remove { path: path.to_owned() },
        ] {
            let mut job = sh("true");
            job.changes = vec![change.clone()];
            let error = slot.run(&job).expect_err(&format!("{change:?}"));
            assert!(matches!(error, SandboxError::Failed { .. }), "{change:?}: {error}");
        }
    }
    assert_eq!(slot.run(&sh("true")).unwrap().exit, Exit::Code(0), "the slot is as good as before");
}

fn nothing_that_a_job_does_to_its_files_lasts() {
    for sandbox in [cell(), cell().with_copies()] {
        let world = World::new();
        let before = world.listing();
        let mut slot = sandbox.slot(&world.image()).unwrap();
        let wreck = sh("rm -rf /testbed/* ; touch /tmp/a /home/assay/b /dev/shm/c /testbed/d; ls -A /testbed");
        let executed = slot.run(&wreck).unwrap();
        assert_eq!((executed.exit, text(&executed)), (Exit::Code(0), "d\n".to_owned()));
        let executed = slot.run(&sh("ls -A /tmp /home/assay /dev/shm; ls /testbed")).unwrap();
        assert_eq!(text(&executed), "/dev/shm:\n\n/home/assay:\n\n/tmp:\ndata\nlink\npkg\ntop.txt\n");
        assert_eq!(world.listing(), before);
    }
}

fn a_directory_can_be_removed_and_made_again() {
    for sandbox in [cell(), cell().with_copies()] {
        let world = World::new();
        let mut slot = sandbox.slot(&world.image()).unwrap();
        let script = "rm -r data && mkdir data && ls data && mv pkg pkg2 && ls pkg2 && stat -c %Y:%U pkg2/value.py";
        let executed = slot.run(&sh(script)).unwrap();
        assert_eq!(text(&executed), "__init__.py\nvalue.py\n1000000000:assay\n", "{executed:?}");
    }
}

fn support_files_are_there_and_cannot_be_changed() {
    let world = World::new();
    let mut job =
        sh("cd /opt/assay/support; cat a.py dir/b.py; echo x > a.py; rm a.py; touch new; chmod 600 a.py; cat a.py");
    job.support = BTreeMap::from([
        ("a.py".to_owned(), b"a\n".as_slice().into()),
        ("dir/b.py".to_owned(), b"b\n".as_slice().into()),
    ]);
    let text = text(&world.run(&job));
    assert!(text.starts_with("a\nb\n") && text.ends_with("\na\n"), "{text}");
    assert_eq!(text.matches("Read-only file system").count(), 4, "{text}");
}

fn the_host_is_out_of_sight() {
    let world = World::new();
    let script = "for d in root home run work srv boot sys mnt; do test ! -e /$d || ls -A /$d; done
        cat /etc/shadow /proc/kcore; hostname; id -u; id -un; grep -c assay /proc/self/cgroup
        ls /proc | grep -c '^[0-9]'; wc -l < /etc/passwd";
    let executed = world.run(&sh(script));
    assert_eq!(
        text(&executed),
        "assay\ncat: /etc/shadow: No such file or directory\ncat: /proc/kcore: No such file or directory\nassay\n1000\nassay\n0\n4\n3\n",
        "only the empty home; and pid 1, sh, ls, grep"
    );
}

fn certificates_that_the_host_trusts_can_be_loaded() {
    let world = World::new();
    let script = "import ssl\npaths = ssl.get_default_verify_paths()\ncontext = ssl.create_default_context()\n\
        context.load_verify_locations(paths.cafile, paths.capath)\nprint(paths, len(context.get_ca_certs()))";
    let python = python(script);
    let at_host = Command::new(&python.argv[0]).args(&python.argv[1..]).env_clear().envs(&python.env).output().unwrap();
    // A host without certificates raises in both.
    let told = |stdout: &str| stdout.lines().next().unwrap_or_default().to_owned();
    assert_eq!(
        told(&text(&world.run(&python))),
        told(&String::from_utf8_lossy(&[at_host.stdout, at_host.stderr].concat()))
    );
}

fn what_a_job_may_not_do_is_refused() {
    let world = World::new();
    for (script, refusal) in [
        ("echo x > /proc/sys/kernel/core_pattern", "Read-only|Permission denied|nonexistent"),
        ("echo x > /usr/bin/evil", "Read-only"),
        ("echo x > /etc/passwd", "Read-only"),
        ("touch /evil", "Read-only"),
        ("mount -t tmpfs x /tmp", "denied|permitted|superuser"),
        ("unshare -U true", "not permitted"),
        ("unshare -n true", "not permitted"),
        ("/usr/sbin/chroot /tmp", "not permitted"),
        ("echo b > /proc/irq/default_smp_affinity", "Read-only|denied|nonexistent"),
        ("dd if=/dev/vda of=/dev/null count=1", "No such file"),
        ("chown 0 /tmp", "Invalid argument|not permitted"),
        ("mknod /tmp/disk b 254 0", "not permitted"),
        ("echo 1 > /proc/1/oom_score_adj", "denied|permitted"),
        ("cat /proc/1/environ", "denied|permitted"),
    ] {
        let executed = world.run(&sh(script));
        let text = text(&executed);
        assert!(refusal.split('|').any(|word| text.contains(word)), "{script}: {:?} {text}", executed.exit);
    }
}

fn dangerous_system_calls_are_refused_and_ordinary_ones_are_not() {
    let world = World::new();
    let script = r#"
import ctypes, errno, os, socket, threading, subprocess, multiprocessing, tempfile, pty
libc = ctypes.CDLL(None, use_errno=True)
def refused(*args):
    ctypes.set_errno(0)
    return libc.syscall(*args) == -1 and errno.errorcode[ctypes.get_errno()]
import platform
if platform.machine() == "x86_64":
    print("clone-newuser", refused(56, 0x10000000 | 17, 0, 0, 0, 0))
    print("clone3", refused(435, 0, 0))
    print("bpf", refused(321, 0, 0, 0))
    print("io_uring", refused(425, 1, 0))
    print("keyctl", refused(250, 0, 0, 0))
    print("ptrace", refused(101, 16, os.getppid(), 0, 0))
    print("x32", refused(0x40000000 | 39))
for family in (40, 38, 17):
    try:
        socket.socket(family, socket.SOCK_DGRAM); print("socket", family)
    except OSError as e:
        print("socket", errno.errorcode[e.errno])
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout, end="")
print(multiprocessing.get_context("fork").Queue() is not None, multiprocessing.Lock() is not None)
master, slave = pty.openpty(); os.write(slave, b"pty"); print(os.read(master, 3))
with open("/dev/stdout", "w") as out: out.write("via /dev/stdout\n")
a, b = socket.socketpair(); a.send(b"s"); print(b.recv(1))
"#;
    let executed = world.run(&python(script));
    let text = text(&executed);
    if cfg!(target_arch = "x86_64") {
        for line in [
            "clone-newuser EPERM",
            "clone3 ENOSYS",
            "bpf EPERM",
            "io_uring EPERM",
            "keyctl EPERM",
            "ptrace EPERM",
            "x32 ENOSYS",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
    assert_eq!(text.matches("socket EAFNOSUPPORT").count(), 3, "{text}");
    for line in ["thread\n", "child\n", "True True", "b'pty'", "via /dev/stdout", "b's'"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(executed.exit, Exit::Code(0), "{text}");
}

fn there_is_no_network_but_loopback_works() {
    let world = World::new();
    let script = r#"
import socket
s = socket.create_server(("127.0.0.1", 8123)); c = socket.create_connection(("localhost", 8123)); print("lo up")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=3); print("connected")
except OSError as e: print(e.strerror)
c.close(); s.accept()[0].close()
"#;
    let mut slot = cell().slot(&world.image()).unwrap();
    for _ in 0..2 {
        // The second job finds the port free although the first left a closed connection behind.
        assert_eq!(text(&slot.run(&python(script)).unwrap()), "lo up\nNetwork is unreachable\n");
    }
}

fn a_program_that_is_missing_is_the_machines_fault() {
    let world = World::new();
    let error = cell().slot(&world.image()).unwrap().run(&job(&["/usr/bin/no-such-program"])).unwrap_err();
    assert!(error.to_string().contains("/usr/bin/no-such-program: No such file"), "{error}");
    let mut image = world.image();
    image.backing = Backing::Host { base_layer: "/nonexistent/base".into(), mounts: Vec::new() };
    let error = cell().slot(&image).map(|_| ()).unwrap_err();
    assert!(matches!(&error, SandboxError::ImageMissing { why, .. } if why.contains("/nonexistent/base")), "{error}");
}

fn mounts_of_an_image_appear_read_only_where_they_are_asked_for() {
    let world = World::new();
    let tools = tempfile::tempdir().unwrap();
    fs::write(tools.path().join("tool"), "#!/bin/sh\necho tool\n").unwrap();
    let mut image = world.image();
    image.backing = Backing::Host {
        base_layer: world.base.path().to_path_buf(),
        mounts: vec![
            (tools.path().to_path_buf(), "/opt/assay/environment".to_owned()),
            (tools.path().join("tool"), "/root/.deep/er/tool".to_owned()),
        ],
    };
    let script = "sh /opt/assay/environment/tool; sh /root/.deep/er/tool; touch /opt/assay/environment/x; ls -A /root";
    let text = text(&cell().slot(&image).unwrap().run(&sh(script)).unwrap());
    assert!(text.starts_with("tool\ntool\n") && text.contains("Read-only") && text.ends_with("\n.deep\n"), "{text}");
}

fn packages_of_the_hosts_python_are_out_of_sight_where_the_image_brings_an_environment() {
    let world = World::new();
    let environment = tempfile::tempdir().unwrap();
    let script = "import glob, json; found = glob.glob('/usr/lib*/python3*/*-packages/*') + \
                  glob.glob('/usr/local/lib*/python3*/*-packages/*'); print(len(found), json.__name__)";
    let seen = |mounts| {
        let mut image = world.image();
        image.backing = Backing::Host { base_layer: world.base.path().to_path_buf(), mounts };
        text(&cell().slot(&image).unwrap().run(&python(script)).unwrap())
    };
    let brought = seen(vec![(environment.path().to_path_buf(), "/opt/assay/environment".to_owned())]);
    assert_eq!(brought.trim(), "0 json");
    let host = fs::read_dir("/usr/lib/python3/dist-packages").map_or(0, Iterator::count);
    let without: usize = seen(Vec::new()).split(' ').next().unwrap().parse().unwrap();
    assert!(without >= host, "without an environment the host's packages are the only ones: {without} of {host}");
}

fn warming_keeps_bytecode_and_nothing_else() {
    let world = World::new();
    let before = world.listing();
    let script =
        "import os, pkg.value\nopen('junk','w').write('x')\nos.remove('top.txt')\nopen('pkg/value.py','a').write('#')";
    let image = cell().warm(&world.image(), &python(script)).unwrap();
    assert_eq!(image.digest, world.image().digest);
    let after = world.listing();
    let added: Vec<String> =
        after.keys().filter(|path| !before.contains_key(*path)).map(|path| path.display().to_string()).collect();
    assert!(added.iter().all(|path| path.starts_with("pkg/__pycache__")), "{added:?}");
    assert_eq!(added.len(), 3, "the directory, __init__ and value: {added:?}");
    assert!(before.iter().all(|(path, content)| after.get(path) == Some(content)));

    let mut changed =
        python("import sys; sys.dont_write_bytecode = True\nimport pkg.value as v; print(v.VALUE, v.__cached__)");
    assert!(text(&world.run(&changed)).starts_with("1 "));
    changed.changes = vec![FileChange::Write {
        path: "pkg/value.py".to_owned(),
        content: b"VALUE = 2\n".as_slice().into(),
        executable: false,
    }];
    assert!(text(&world.run(&changed)).starts_with("2 "), "stale bytecode was used");
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A length of sleep that names this process, so that tests that run beside it are not taken for it.
fn nap(seconds: u32) -> String {
    format!("{seconds}.{}", std::process::id())
}

fn sleeps(nap: &str) -> bool {
    let command = format!("sleep\u{0}{nap}\u{0}");
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(&command))
    })
}

fn has_memory_cgroup() -> bool {
    fs::read_to_string("/proc/self/cgroup").unwrap().contains("memory")
}

/// Cgroup directories of a driver.
fn cgroups_of(pid: u32) -> Vec<PathBuf> {
    walkdir::WalkDir::new("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{pid}-")))
        .map(walkdir::DirEntry::into_path)
        .collect()
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}

pub const TESTS: &[Test] = tests![
    exit_codes_and_signals_are_told_apart,
    standard_input_output_and_the_report_channel_arrive_whole,
    a_job_sees_exactly_the_environment_it_is_given,
    changes_are_laid_over_the_base_layer,
    a_file_may_take_the_place_of_a_directory_and_the_other_way_round,
    a_change_that_would_leave_the_work_directory_is_refused,
    nothing_that_a_job_does_to_its_files_lasts,
    a_directory_can_be_removed_and_made_again,
    support_files_are_there_and_cannot_be_changed,
    the_host_is_out_of_sight,
    certificates_that_the_host_trusts_can_be_loaded,
    what_a_job_may_not_do_is_refused,
    dangerous_system_calls_are_refused_and_ordinary_ones_are_not,
    there_is_no_network_but_loopback_works,
    a_program_that_is_missing_is_the_machines_fault,
    mounts_of_an_image_appear_read_only_where_they_are_asked_for,
    packages_of_the_hosts_python_are_out_of_sight_where_the_image_brings_an_environment,
    warming_keeps_bytecode_and_nothing_else,
];
