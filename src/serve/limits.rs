//! What connections may take: time and number.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::exit_code::Stop;

/// Largest head of a request, bytes.
pub(super) const LARGEST_HEAD: usize = 64 << 10;

/// Descriptors that connections leave to everything else, at the least.
const KEPT_BACK: u64 = 64;

/// Limits of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first byte of a request's head to its last, and from a connection to its first request.
    pub head: Duration,
    /// How long a body may take to arrive, and how long a response may make no progress.
    pub body: Duration,
    /// How long a connection is kept between two requests.
    pub idle: Duration,
    /// Connections that are served at the same time.
    pub connections: usize,
}

/// How many connections are served at the same time: what is asked for, or three quarters of this process's descriptors.
///
/// # Errors
/// More are asked for than there are descriptors.
pub fn connections(asked: Option<u32>) -> Result<usize, Stop> {
    fitting(asked, getrlimit(Resource::Nofile).current)
}

fn fitting(asked: Option<u32>, descriptors: Option<u64>) -> Result<usize, Stop> {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    match (asked, descriptors) {
        (Some(asked), Some(most)) if u64::from(asked) + KEPT_BACK > most => Err(Stop::Usage(format!(
            "--connections {asked} and {KEPT_BACK} for everything else are more than the {most} files that may be open; raise \
             the limit with `ulimit -n`, or give a smaller number"
        ))),
        (Some(asked), _) => Ok(whole(asked.into())),
        (None, most) => Ok(whole(most.unwrap_or(1 << 20) / 4 * 3).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_below_the_descriptors() {
        assert_eq!(fitting(None, Some(1024)).unwrap(), 768);
        assert_eq!(fitting(None, Some(3)).unwrap(), 1);
        assert_eq!(fitting(None, None).unwrap(), 786_432);
        assert_eq!(fitting(Some(960), Some(1024)).unwrap(), 960);
        let error = fitting(Some(961), Some(1024)).unwrap_err().to_string();
        assert!(error.contains("ulimit -n") && error.contains("1024"), "{error}");
    }
}
