//! Time, memory, processes, disk and output are bounded.

use super::*;
use crate::harness::{Test, tests};

fn the_deadline_ends_everything_that_a_job_has_started() {
    let world = World::new();
    let mut job = python(
        "import os, time, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(4321.5)
else: print('started', flush=True)
time.sleep(4321.5)",
    );
    job.limits.deadline_ms = 1500;
    let begun = Instant::now();
    let executed = world.run(&job);
    assert_eq!(executed.exit, Exit::TimedOut);
    assert_eq!(text(&executed), "started\n");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!((1000..4000).contains(&executed.wall_ms), "{}", executed.wall_ms);
}

fn a_daemon_that_keeps_the_output_open_does_not_hold_up_the_end() {
    let world = World::new();
    let begun = Instant::now();
    let executed = world.run(&sh(&format!("setsid sleep {} & echo done", nap(4322))));
    assert_eq!((executed.exit, text(&executed)), (Exit::Code(0), "done\n".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!sleeps(&nap(4322)), "the daemon lives on");
}

fn memory_above_the_limit_ends_the_job() {
    let world = World::new();
    let mut slot = cell().slot(&world.image()).unwrap();
    let mut hog = python("x = bytearray(400 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint('kept it all')");
    hog.limits.memory_bytes = 128 << 20;
    let executed = slot.run(&hog).unwrap();
    assert_eq!(executed.exit, Exit::OutOfMemory, "{}", text(&executed));
    let mut many = python(
        "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    x = b'1' * (40 << 20); time.sleep(30)\nos.wait()",
    );
    many.limits.memory_bytes = 128 << 20;
    assert_eq!(slot.run(&many).unwrap().exit, Exit::OutOfMemory, "the limit is on all processes together");
    let executed = slot.run(&sh("echo still here")).unwrap();
    assert_eq!((executed.exit, text(&executed)), (Exit::Code(0), "still here\n".to_owned()));
    assert!(executed.peak_memory_bytes.is_some_and(|peak| peak < 100 << 20), "{:?}", executed.peak_memory_bytes);
}

fn a_fork_bomb_stops_at_the_limit() {
    let world = World::new();
    let mut job = python(
        "import os, time
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(100)
        n += 1
except OSError as e: print(n, e.strerror)",
    );
    job.limits.pids = 64;
    assert_eq!(text(&world.run(&job)), "63 Resource temporarily unavailable\n");
}

fn a_disk_fill_stops_at_the_limit() {
    let world = World::new();
    for place in ["/testbed", "/tmp", "/home/assay", "/dev/shm"] {
        let mut job = sh(&format!("for i in 1 2 3 4; do dd if=/dev/zero of={place}/fill$i bs=1M count=16; done"));
        job.limits.disk_bytes = 32 << 20;
        assert!(text(&world.run(&job)).contains("No space left"), "{place}");
    }
    let mut job = sh("for i in $(seq 200); do touch /tmp/f$i || break; done; ls /tmp | wc -l");
    job.limits.inodes = 100;
    let executed = world.run(&job);
    let made: u32 = text(&executed).lines().last().unwrap().parse().unwrap();
    assert!((90..120).contains(&made), "{made}");
}

fn a_flood_of_output_is_cut_and_counted_and_the_driver_stays_small() {
    let world = World::new();
    let mut job = sh("echo first; yes | head -c 300000000; echo last; head -c 5000000 /dev/zero >&3");
    job.limits.keep_output_bytes = 4096;
    job.limits.report_bytes = 1 << 20;
    let before = resident();
    let executed = world.run(&job);
    assert_eq!(executed.exit, Exit::Code(0));
    assert_eq!(executed.output_total, 300_000_000 + 11);
    assert!(executed.output_head.starts_with(b"first\ny\n") && executed.output_tail.ends_with(b"y\nlast\n"));
    assert_eq!((executed.output_head.len(), executed.output_tail.len()), (4096, 4096));
    assert_eq!((executed.report.len(), executed.report_truncated), (1 << 20, true));
    assert!(resident() < before + (64 << 20), "{before} -> {}", resident());
}

pub const TESTS: &[Test] = tests![
    the_deadline_ends_everything_that_a_job_has_started,
    a_daemon_that_keeps_the_output_open_does_not_hold_up_the_end,
    memory_above_the_limit_ends_the_job,
    a_fork_bomb_stops_at_the_limit,
    a_disk_fill_stops_at_the_limit,
    a_flood_of_output_is_cut_and_counted_and_the_driver_stays_small,
];
