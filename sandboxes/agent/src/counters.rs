//! What the memory cgroup of a container counts, read from inside it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::mounts;
use super::protocol::Killed;

const MOUNT: &str = "/sys/fs/cgroup";

/// Open files of the agent's own cgroup. They work on when the cgroup's mount is out of sight.
#[derive(Debug)]
pub struct Counters {
    events: File,
    /// Missing if the kernel cannot forget an earlier peak.
    peak: Option<File>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    V1 { limit: u64 },
    V2,
}

/// The counts before a job.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    kills: u64,
    limit_hits: u64,
}

impl Counters {
    /// `None` if no memory cgroup can be read.
    pub fn open() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::open_v1(&own).or_else(|| Self::open_v2(&own))
    }

    fn open_v1(own: &str) -> Option<Self> {
        let dir = directory(&format!("{MOUNT}/memory"), group(own, "memory"), "memory.oom_control")?;
        let limit = fs::read_to_string(dir.join("memory.limit_in_bytes")).ok()?.trim().parse().ok()?;
        let peak = resettable(&format!("{MOUNT}/memory"), &dir.join("memory.max_usage_in_bytes"));
        Some(Self { events: File::open(dir.join("memory.oom_control")).ok()?, peak, kind: Kind::V1 { limit } })
    }

    fn open_v2(own: &str) -> Option<Self> {
        let dir = directory(MOUNT, group(own, ""), "memory.events")?;
        let peak = resettable(MOUNT, &dir.join("memory.peak"));
        Some(Self { events: File::open(dir.join("memory.events")).ok()?, peak, kind: Kind::V2 })
    }

    /// Reads the counts and forgets the last job's peak.
    pub fn begin(&self) -> io::Result<Before> {
        if let Some(peak) = &self.peak {
            peak.write_at(b"0", 0)?;
        }
        self.counts()
    }

    /// The job's peak, and how the kernel ended processes of it for want of memory.
    pub fn end(&self, before: Before) -> io::Result<(Option<u64>, Option<Killed>)> {
        let now = self.counts()?;
        let peak = self.peak()?;
        let by_limit = match self.kind {
            // This version does not count meetings with the limit. The kernel charges in batches, so the peak may stay a
            // little below. Without a peak nobody can tell, and the machine is to blame.
            Kind::V1 { limit } => peak.is_some_and(|peak| peak >= limit - limit / 16),
            Kind::V2 => now.limit_hits > before.limit_hits,
        };
        let killed = (now.kills > before.kills).then_some(if by_limit { Killed::ByLimit } else { Killed::ByMachine });
        Ok((peak, killed))
    }

    fn counts(&self) -> io::Result<Before> {
        let text = read(&self.events)?;
        let kills = field(&text, "oom_kill").ok_or_else(|| io::Error::other("the cgroup counts no oom_kill"))?;
        Ok(Before { kills, limit_hits: field(&text, "oom").unwrap_or(0) })
    }

    fn peak(&self) -> io::Result<Option<u64>> {
        self.peak.as_ref().map(|file| read(file)?.trim().parse().map_err(io::Error::other)).transpose()
    }
}

fn read(file: &File) -> io::Result<String> {
    let mut buffer = [0; 1024];
    let n = file.read_at(&mut buffer, 0)?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

/// A file whose value falls back when it is written. Docker shows cgroups read-only.
fn resettable(mount: &str, path: &Path) -> Option<File> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            mounts::writable_again(mount).ok()?;
            open().ok()?
        }
        other => other.ok()?,
    };
    file.write_at(b"0", 0).is_ok().then_some(file)
}

/// Our group below the mount, or the mount itself if that is all that can be seen of the hierarchy.
fn directory(mount: &str, own: Option<&str>, file: &str) -> Option<PathBuf> {
    let below = own.map(|own| PathBuf::from(format!("{mount}{own}")));
    below.into_iter().chain([PathBuf::from(mount)]).find(|dir| dir.join(file).exists())
}

/// The path of our group, by controller; version 2 has the empty name.
fn group<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|name| name == controller).then(|| fields.next())?
    })
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_group_is_found_in_both_versions() {
        let own = "12:pids:/docker/ab\n4:memory:/docker/cd\n0::/system.slice/x\n";
        assert_eq!(group(own, "memory"), Some("/docker/cd"));
        assert_eq!(group(own, ""), Some("/system.slice/x"));
        assert_eq!(group("0::/\n", "memory"), None);
    }

    #[test]
    fn the_counters_of_both_versions_are_read() {
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), Some(3));
        assert_eq!(field("low 0\nmax 9\noom 2\noom_kill 1\n", "oom"), Some(2));
    }
}
