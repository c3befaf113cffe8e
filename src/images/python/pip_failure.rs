//! Why pip failed: an answer of the index and of builds, or a fault of the network or of this host, which says nothing about what was
//! asked. Pure.

/// What a failed run comes from, as far as its words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The index, or the way to it.
    Index,
    /// The disk of this host is full.
    Disk,
    /// Something is not found or contradicts something else. pip says the same if a page of the index could not be read, and tells
    /// that in its log alone.
    Unsolved,
    /// Anything else, such as a build that fails.
    Answer,
}

const DISK: [&str; 3] = ["No space left on device", "[Errno 28]", "Disk quota exceeded"];

const NETWORK: [&str; 24] = [
    "401 Client Error",
    "408 Client Error",
    "429 Client Error",
    "Connection aborted",
    "Connection broken",
    "Connection refused",
    "Connection reset",
    "ConnectTimeoutError",
    "DO NOT MATCH THE HASHES",
    "Failed to establish a new connection",
    "HTTP error 401",
    "HTTP error 408",
    "HTTP error 429",
    "HTTP error 5",
    "IncompleteRead",
    "Max retries exceeded",
    "Name or service not known",
    "NewConnectionError",
    "ProxyError",
    "Read timed out",
    "ReadTimeoutError",
    "SSLError",
    "Temporary failure in name resolution",
    "incomplete-download",
];

const UNSOLVED: [&str; 3] = ["No matching distribution found", "conflicting dependencies", "ResolutionImpossible"];

/// What a failed run's error output tells.
pub(super) fn cause(stderr: &str) -> Cause {
    let holds = |signs: &[&str], line: &str| signs.iter().any(|sign| line.contains(sign));
    // pip's own words begin a line. Indented ones are of builds, which say what they like, but for a pip that installs what a build needs.
    let inner = stderr.contains("install build dependencies");
    let own = |line: &&str| inner || !line.starts_with([' ', '\t']);
    match () {
        () if holds(&DISK, stderr) => Cause::Disk,
        () if stderr.lines().filter(own).any(|line| holds(&NETWORK, line)) => Cause::Index,
        () if inner || holds(&UNSOLVED, stderr) => Cause::Unsolved,
        () => Cause::Answer,
    }
}

/// The page of an index that a line of pip's log says could not be read, with the reason. A page that is not there, or that nobody may
/// read (so some indexes say the same), is an answer.
pub(super) fn unread_page(line: &str) -> Option<&str> {
    const ANSWERS: [&str; 4] = [": 403 Client Error", ": 404 Client Error", ": 410 Client Error", ": 451 Client Error"];
    let (_, page) = line.split_once("Could not fetch URL ")?;
    (!ANSWERS.iter().any(|answer| page.contains(answer))).then(|| page.trim_end().trim_end_matches(" - skipping"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_network_and_the_disk_are_told_from_answers() {
        let table = [
            (Cause::Index, "WARNING: Retrying after NewConnectionError\nERROR: No matching distribution found for x"),
            (Cause::Index, "ERROR: HTTP error 503 while getting https://x.org/a.whl"),
            (
                Cause::Index,
                "WARNING: Retrying (Retry(total=0)) after ConnectionResetError(104, 'Connection reset by peer')",
            ),
            (Cause::Index, "pip._vendor.urllib3.exceptions.ReadTimeoutError: x: Read timed out."),
            (
                Cause::Index,
                "  error: subprocess-exited-with-error\n  × pip subprocess to install build dependencies did not run\n      NewConnectionError",
            ),
            (Cause::Disk, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"),
            (Cause::Disk, "      fast.c: fatal error: cannot write: No space left on device"),
            (Cause::Unsolved, "ERROR: No matching distribution found for x==9"),
            (Cause::Unsolved, "ERROR: Cannot install a and b because these have conflicting dependencies."),
            // A build that wants something of a network that it does not get.
            (
                Cause::Answer,
                "  error: subprocess-exited-with-error\n      Connection refused\nERROR: Failed to build x",
            ),
            (Cause::Answer, "ERROR: Failed building wheel for x"),
        ];
        for (expected, stderr) in table {
            assert_eq!(cause(stderr), expected, "{stderr}");
        }
    }

    #[test]
    fn a_page_that_was_not_read_is_told_from_one_that_is_not_there() {
        let page = |reason: &str| {
            unread_page(&format!("2026-01-01T00:00:00,000   Could not fetch URL http://x/a/: {reason} - skipping"))
                .map(str::to_owned)
        };
        assert_eq!(page("404 Client Error: Not Found for url: http://x/a/"), None);
        assert_eq!(page("403 Client Error: Forbidden for url: http://x/a/"), None);
        for fault in ["502 Server Error: Bad Gateway", "429 Client Error: Too Many", "connection error: reset"] {
            assert_eq!(page(fault), Some(format!("http://x/a/: {fault}")));
        }
        assert_eq!(unread_page("2026-01-01T00:00:00,000 Getting page http://x/a/"), None);
    }
}
