//! A slot's cgroups: memory, processes and cores, on version 1 and version 2.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use assay_agent::protocol::Killed;
use assay_agent::warden::remove_cgroups;

/// Name of the directory that holds the cgroups of all slots.
const FAMILY: &str = "assay";
const PERIOD_US: u64 = 100_000;
/// File of version 1 with the highest use of memory; writing to it forgets an earlier one.
const PEAK_V1: &str = "memory.max_usage_in_bytes";

/// Where one controller's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Hierarchy {
    V1 { memory: Option<PathBuf>, pids: Option<PathBuf>, cpu: Option<PathBuf> },
    V2(PathBuf),
}

/// The cgroups of one slot. Removed when dropped; the agent's processes must be gone by then.
#[derive(Debug)]
pub struct SlotCgroup {
    hierarchy: Hierarchy,
    applied: Option<(u64, u64, u64)>,
}

/// Which limits a slot's cgroup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub memory: bool,
    pub pids: bool,
    pub cpu: bool,
}

impl SlotCgroup {
    /// Makes the cgroups of a slot wherever this process may. If none can be made, that is not an error: `holds` says so.
    pub fn create(name: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let make = |controller: &str| {
            parents_v1(&mounts, &own, controller).into_iter().find_map(|parent| {
                let dir = parent.join(FAMILY).join(name);
                fs::create_dir_all(&dir).ok()?;
                // A directory on something that is not a cgroup has no such file.
                if dir.join("cgroup.procs").exists() { Some(dir) } else { None }
            })
        };
        let (memory, pids, cpu) = (make("memory"), make("pids"), make("cpu"));
        if memory.is_none()
            && pids.is_none()
            && let Some(dir) = parents_v2(&mounts, &own).into_iter().find_map(|parent| make_v2(&parent, name))
        {
            remove_cgroups(&cpu.into_iter().collect::<Vec<_>>());
            return Self { hierarchy: Hierarchy::V2(dir), applied: None };
        }
        Self { hierarchy: Hierarchy::V1 { memory, pids, cpu }, applied: None }
    }

    /// The directories, for whoever removes them.
    pub fn directories(&self) -> Vec<PathBuf> {
        match &self.hierarchy {
            Hierarchy::V1 { memory, pids, cpu } => [memory, pids, cpu].into_iter().flatten().cloned().collect(),
            Hierarchy::V2(dir) => vec![dir.clone()],
        }
    }

    pub fn holds(&self) -> Holds {
        match &self.hierarchy {
            Hierarchy::V1 { memory, pids, cpu } => {
                Holds { memory: memory.is_some(), pids: pids.is_some(), cpu: cpu.is_some() }
            }
            Hierarchy::V2(dir) => {
                let has = |file: &str| dir.join(file).exists();
                Holds { memory: has("memory.max"), pids: has("pids.max"), cpu: has("cpu.max") }
            }
        }
    }

    /// Moves a process in.
    pub fn enter(&self, pid: u32) -> io::Result<()> {
        for dir in self.directories() {
            write(&dir.join("cgroup.procs"), pid)?;
        }
        Ok(())
    }

    /// Sets the limits for the next job, if they differ from the last one's, and forgets the last one's peak.
    pub fn limit(&mut self, memory_bytes: u64, pids: u64, cpu_millis: u64) -> io::Result<()> {
        let wanted = (memory_bytes, pids, cpu_millis);
        let changed = self.applied != Some(wanted);
        let quota = (cpu_millis * PERIOD_US / 1000).max(1000);
        // The agent and pid 1 are in the group too.
        let pids = pids.saturating_add(2);
        match &self.hierarchy {
            Hierarchy::V1 { memory, pids: pids_dir, cpu } => {
                if let Some(dir) = memory {
                    if changed {
                        let both = dir.join("memory.memsw.limit_in_bytes");
                        if both.exists() {
                            write(&both, -1)?;
                        }
                        write(&dir.join("memory.limit_in_bytes"), memory_bytes)?;
                        if both.exists() {
                            write(&both, memory_bytes)?;
                        }
                        // Absent if the kernel has no swap.
                        let swappiness = dir.join("memory.swappiness");
                        if swappiness.exists() {
                            write(&swappiness, 0)?;
                        }
                    }
                    write(&dir.join(PEAK_V1), 0)?;
                }
                if let (Some(dir), true) = (pids_dir, changed) {
                    write(&dir.join("pids.max"), pids)?;
                }
                if let (Some(dir), true) = (cpu, changed) {
                    write(&dir.join("cpu.cfs_period_us"), PERIOD_US)?;
                    write(&dir.join("cpu.cfs_quota_us"), quota)?;
                }
            }
            Hierarchy::V2(dir) => {
                if changed {
                    for (file, value) in [
                        ("memory.max", memory_bytes.to_string()),
                        ("memory.swap.max", "0".to_owned()),
                        ("pids.max", pids.to_string()),
                        ("cpu.max", format!("{quota} {PERIOD_US}")),
                    ] {
                        let path = dir.join(file);
                        if path.exists() {
                            write(&path, value)?;
                        }
                    }
                }
            }
        }
        self.applied = Some(wanted);
        Ok(())
    }

    /// How often the kernel has killed a process of the group for want of memory, and whether the group's own limit
    /// was the reason at least once. `None` if there is no memory cgroup.
    ///
    /// # Errors
    /// There is one and its counters cannot be read, so nobody knows.
    pub fn kills(&self) -> io::Result<Option<Kills>> {
        if !self.holds().memory {
            return Ok(None);
        }
        let kills = match &self.hierarchy {
            Hierarchy::V1 { memory: None, .. } => return Ok(None),
            Hierarchy::V1 { memory: Some(dir), .. } => {
                let control = Counts::read(dir.join("memory.oom_control"))?;
                // Newer kernels leave memory.failcnt at 0, so the job's peak says whether it met the limit. The kernel
                // charges in batches, so the peak may stay a little below.
                let (limit, ..) = self.applied.ok_or_else(|| io::Error::other("no limit was set yet"))?;
                let limit_hits = u64::from(number(&dir.join(PEAK_V1))? >= limit - limit / 16);
                Kills { killed: control.field("oom_kill")?, limit_hits }
            }
            Hierarchy::V2(dir) => {
                let events = Counts::read(dir.join("memory.events"))?;
                Kills { killed: events.field("oom_kill")?, limit_hits: events.field("oom")? }
            }
        };
        Ok(Some(kills))
    }

    /// Highest use of memory since the limits were last set. Version 2 keeps one peak for the life of a group, so
    /// there is none to tell for a job.
    pub fn peak_memory(&self) -> Option<u64> {
        match &self.hierarchy {
            Hierarchy::V1 { memory, .. } => number(&memory.as_ref()?.join(PEAK_V1)).ok(),
            Hierarchy::V2(_) => None,
        }
    }
}

impl Drop for SlotCgroup {
    fn drop(&mut self) {
        // What cannot be removed now is found by `sweep`.
        remove_cgroups(&self.directories());
    }
}

/// Counters of a memory cgroup, which only grow while a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kills {
    pub killed: u64,
    pub limit_hits: u64,
}

impl Kills {
    /// What the kernel did between two looks.
    pub fn since(self, before: Self) -> Option<Killed> {
        let by = if self.limit_hits > before.limit_hits { Killed::ByLimit } else { Killed::ByMachine };
        (self.killed != before.killed).then_some(by)
    }
}

/// A file of counters, one name and number in a line.
struct Counts {
    path: PathBuf,
    text: String,
}

impl Counts {
    fn read(path: PathBuf) -> io::Result<Self> {
        let text = fs::read_to_string(&path).map_err(|error| named(&path, error))?;
        Ok(Self { path, text })
    }

    fn field(&self, name: &str) -> io::Result<u64> {
        let mut lines = self.text.lines();
        let number = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        number.ok_or_else(|| named(&self.path, io::Error::other(format!("it does not count {name}"))))
    }
}

/// A file that holds one number.
fn number(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path).map_err(|error| named(path, error))?;
    text.trim().parse().map_err(|error| named(path, io::Error::other(error)))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// One system call: the kernel takes a value in a single write.
fn write(path: &Path, value: impl ToString) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.to_string().as_bytes()))
        .map_err(|error| named(path, error))
}

/// Mount points of cgroup filesystems: path, root within the hierarchy, kind, options.
fn cgroup_mounts(mountinfo: &str) -> impl Iterator<Item = (&str, &str, &str, &str)> {
    mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, path) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let kind = right.next()?;
        let options = right.nth(1)?;
        kind.starts_with("cgroup").then_some((path, root, kind, options))
    })
}

/// Our own cgroup below a mount point, then the mount point itself, for one controller of version 1.
fn parents_v1(mountinfo: &str, own: &str, controller: &str) -> Vec<PathBuf> {
    let ours = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|name| name == controller).then(|| fields.next())?
    });
    cgroup_mounts(mountinfo)
        .filter(|(_, _, kind, options)| *kind == "cgroup" && options.split(',').any(|name| name == controller))
        .flat_map(|(path, root, _, _)| below(path, root, ours))
        .collect()
}

/// The same for version 2. Only a group without processes of its own can hand controllers on, so our own group's
/// parent comes first (a delegated session), then the top.
fn parents_v2(mountinfo: &str, own: &str) -> Vec<PathBuf> {
    let ours = own.lines().find_map(|line| line.strip_prefix("0::"));
    let parent = ours.and_then(|path| Path::new(path).parent()?.to_str());
    cgroup_mounts(mountinfo)
        .filter(|(_, _, kind, _)| *kind == "cgroup2")
        .flat_map(|(path, root, _, _)| below(path, root, parent))
        .collect()
}

fn below(mount: &str, root: &str, ours: Option<&str>) -> Vec<PathBuf> {
    let inner = ours.and_then(|ours| Path::new(ours).strip_prefix(root).ok());
    let mut parents: Vec<PathBuf> = inner.map(|inner| Path::new(mount).join(inner)).into_iter().collect();
    parents.push(PathBuf::from(mount));
    parents
}

fn make_v2(parent: &Path, name: &str) -> Option<PathBuf> {
    let available = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
    let has = |controller: &str| available.split_whitespace().any(|name| name == controller);
    if !has("memory") || !has("pids") {
        return None;
    }
    let family = parent.join(FAMILY);
    fs::create_dir_all(&family).ok()?;
    let wanted = if has("cpu") { "+memory +pids +cpu" } else { "+memory +pids" };
    let dir = family.join(name);
    let made = write(&family.join("cgroup.subtree_control"), wanted).and_then(|()| fs::create_dir_all(&dir));
    if made.is_err() {
        let _ = fs::remove_dir(&family);
        return None;
    }
    Some(dir)
}

/// Name of a slot's cgroup: who owns it, so that anybody can tell whether the owner still lives.
pub fn name_of(slot: u64) -> io::Result<String> {
    let pid = std::process::id();
    let start = start_time(pid).ok_or_else(|| io::Error::other("/proc/self/stat cannot be read"))?;
    Ok(format!("{pid}-{start}-{slot}"))
}

fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so count from its closing bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn owner_lives(name: &str) -> Option<bool> {
    let mut fields = name.split('-');
    let pid = fields.next()?.parse().ok()?;
    let start: u64 = fields.next()?.parse().ok()?;
    fields.next()?.parse::<u64>().ok()?;
    fields.next().is_none().then(|| start_time(pid) == Some(start))
}

/// Removes the cgroups of drivers that are gone. Gives what it removed.
pub fn sweep() -> io::Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut removed = Vec::new();
    for (mount, ..) in cgroup_mounts(&mounts) {
        let families = walkdir::WalkDir::new(mount)
            .into_iter()
            .filter_entry(|entry| entry.file_type().is_dir())
            .flatten()
            .filter(|entry| entry.file_name() == FAMILY);
        for family in families {
            let Ok(slots) = fs::read_dir(family.path()) else { continue };
            for slot in slots.flatten() {
                if slot.file_name().to_str().and_then(owner_lives) != Some(false) {
                    continue;
                }
                kill_all(&slot.path());
                let left = remove_cgroups(&[slot.path()]);
                if left.is_empty() {
                    removed.push(slot.path().display().to_string());
                }
            }
        }
    }
    Ok(removed)
}

/// Ends what is still in a dead owner's group. Its agent and warden end by themselves within milliseconds, so this is
/// for a machine where they were stopped.
fn kill_all(dir: &Path) {
    let Ok(pids) = fs::read_to_string(dir.join("cgroup.procs")) else { return };
    for pid in pids.lines().filter_map(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?)) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn a_version_1_group_is_made_below_our_own_where_that_can_be_seen() {
        let own = "4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n";
        let paths = |controller| parents_v1(HYBRID, own, controller);
        assert_eq!(paths("memory"), [Path::new("/sys/fs/cgroup/memory/jobs/7"), Path::new("/sys/fs/cgroup/memory")]);
        assert_eq!(paths("cpu")[0], Path::new("/sys/fs/cgroup/cpu,cpuacct/"));
        assert!(paths("pids").is_empty());
        let container = HYBRID.replace("0:32 / ", "0:32 /docker/abc ");
        let own = "4:memory:/docker/abc\n";
        assert_eq!(parents_v1(&container, own, "memory")[0], Path::new("/sys/fs/cgroup/memory/"));
    }

    #[test]
    fn a_version_2_group_is_made_beside_our_own() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "0::/user.slice/user@1000.service/app.slice/terminal.scope\n";
        assert_eq!(
            parents_v2(mounts, own),
            [Path::new("/sys/fs/cgroup/user.slice/user@1000.service/app.slice"), Path::new("/sys/fs/cgroup")]
        );
    }

    #[test]
    fn only_a_name_of_ours_whose_owner_is_gone_is_swept() {
        let mine = name_of(3).unwrap();
        assert_eq!(owner_lives(&mine), Some(true));
        let (pid, _) = mine.split_once('-').unwrap();
        assert_eq!(owner_lives(&format!("{pid}-1-3")), Some(false), "the process id was used again");
        assert_eq!(owner_lives("system.slice"), None);
        assert_eq!(owner_lives("1-2-3-4"), None);
    }

    type Make = fn(PathBuf) -> Hierarchy;
    /// How a group is made, the files of it, and what the error names.
    type Case<'a> = (Make, Vec<(&'a str, &'a str)>, &'a str);

    /// The folder must go first: the group waits for its directories to become empty.
    fn group(hierarchy: Make, files: &[(&str, &str)]) -> (SlotCgroup, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let hierarchy = hierarchy(folder.path().to_owned());
        (SlotCgroup { hierarchy, applied: Some((1600, 1, 1000)) }, folder)
    }

    fn v1(dir: PathBuf) -> Hierarchy {
        Hierarchy::V1 { memory: Some(dir), pids: None, cpu: None }
    }

    #[test]
    fn the_counters_of_both_versions_are_read() {
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        let (one, _one_folder) = group(v1, &[("memory.oom_control", control), (PEAK_V1, "1500\n")]);
        assert_eq!(one.kills().unwrap(), Some(Kills { killed: 3, limit_hits: 1 }));
        let (two, _two_folder) =
            group(Hierarchy::V2, &[("memory.max", "1600\n"), ("memory.events", "low 0\nmax 9\noom 2\noom_kill 1\n")]);
        let kills = two.kills().unwrap().unwrap();
        assert_eq!(kills, Kills { killed: 1, limit_hits: 2 });
        assert_eq!(kills.since(kills), None);
        assert_eq!(kills.since(Kills { killed: 0, limit_hits: 1 }), Some(Killed::ByLimit));
        assert_eq!(kills.since(Kills { killed: 0, limit_hits: 2 }), Some(Killed::ByMachine));
        let none = SlotCgroup { hierarchy: Hierarchy::V1 { memory: None, pids: None, cpu: None }, applied: None };
        assert_eq!(none.kills().unwrap(), None);
    }

    #[test]
    fn counters_that_cannot_be_read_are_not_taken_for_nobody_was_killed() {
        let control = "oom_kill 0\n";
        let events = ("memory.max", "1600\n");
        let cases: [Case; 7] = [
            (v1, vec![(PEAK_V1, "1\n")], "memory.oom_control"),
            (v1, vec![("memory.oom_control", control)], PEAK_V1),
            (v1, vec![("memory.oom_control", "under_oom 0\n"), (PEAK_V1, "1\n")], "does not count oom_kill"),
            (v1, vec![("memory.oom_control", control), (PEAK_V1, "much\n")], PEAK_V1),
            (Hierarchy::V2, vec![events], "memory.events"),
            (Hierarchy::V2, vec![events, ("memory.events", "oom 0\n")], "does not count oom_kill"),
            (Hierarchy::V2, vec![events, ("memory.events", "oom_kill 0\n")], "does not count oom"),
        ];
        for (hierarchy, files, names) in cases {
            let (group, _folder) = group(hierarchy, &files);
            let error = group.kills().unwrap_err().to_string();
            assert!(error.contains(names), "{error}");
        }
    }
}
