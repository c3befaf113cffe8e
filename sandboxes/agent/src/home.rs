//! A job's home directory: whether something is mounted there, and on what.

use super::files::make_dir;
use super::root::NEW_ROOT;

/// Whether a home directory is a place of its own, not one inside something that is writable already.
pub fn needs_mount(home: &str, workdir: &str) -> bool {
    let below = |parent: &str| home == parent || home.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
    home.starts_with('/') && home != "/" && !home.contains("..") && !below("/tmp") && !below(workdir) && !below("/dev")
}

/// Makes an empty directory to mount on, for a path that jobs may choose (their home). One that is there will do.
pub fn make_mount_point(inside: &str) -> Result<(), String> {
    make_dir(&format!("{NEW_ROOT}{inside}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_mounted_only_where_nothing_writable_is() {
        assert!(needs_mount("/home/assay", "/testbed"));
        for home in ["/tmp", "/tmp/home", "/testbed/home", "/testbed", "relative", "/", "/home/../etc"] {
            assert!(!needs_mount(home, "/testbed"), "{home}");
        }
    }
}
