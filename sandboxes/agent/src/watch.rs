//! Measures the memory of a job from inside its pid namespace, where no cgroup does.

use std::fs;

/// Memory of every process that `/proc` shows except this one, in bytes, plus System V segments and `beside` (what the
/// job's files take). Pages that several processes share count once, but only where that decides: telling them apart
/// is slow. The page cache does not count.
pub fn measure(limit: u64, beside: u64) -> u64 {
    let pids = processes();
    let beside = beside + fs::read_to_string("/proc/sysvipc/shm").map_or(0, |table| parse_segments(&table));
    let resident: u64 = pids.iter().filter_map(|pid| resident(pid)).sum::<u64>() + beside;
    if resident <= limit {
        return resident;
    }
    pids.iter().map(|pid| proportional(pid).or_else(|| self::resident(pid)).unwrap_or(0)).sum::<u64>() + beside
}

fn processes() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name != "1" && name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

fn resident(pid: &str) -> Option<u64> {
    sum_kib(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, &["RssAnon:", "RssShmem:"])
}

fn proportional(pid: &str) -> Option<u64> {
    sum_kib(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, &["Pss_Anon:", "Pss_Shmem:"])
}

/// Sum in bytes of the named lines, which are in kB. `None` if it has none of them.
fn sum_kib(text: &str, names: &[&str]) -> Option<u64> {
    let kib = |line: &str| {
        let value = names.iter().find_map(|name| line.strip_prefix(name))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    text.lines().filter_map(kib).reduce(|sum, value| sum + value).map(|sum| sum * 1024)
}

/// Resident bytes of all System V segments: the last column but one.
fn parse_segments(table: &str) -> u64 {
    let resident = |line: &str| line.split_whitespace().rev().nth(1)?.parse::<u64>().ok();
    table.lines().skip(1).filter_map(resident).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_the_kernel_prints() {
        let status = "Name:\tsh\nVmRSS:\t    1700 kB\nRssAnon:\t     600 kB\nRssFile:\t 1060 kB\nRssShmem:\t  40 kB\n";
        assert_eq!(sum_kib(status, &["RssAnon:", "RssShmem:"]), Some(640 * 1024));
        assert_eq!(sum_kib("", &["RssAnon:"]), None, "a kernel thread or a process that is gone");
        let segments = "       key      shmid perms  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      \
                        dtime      ctime        rss       swap\n 0 0 600 8192 7 7 0 1000 1000 1000 1000 1 1 1 4096 0\n";
        assert_eq!(parse_segments(segments), 4096);
    }
}
