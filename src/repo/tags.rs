//! What the tags of a repository say of a commit.

use git2::{DescribeFormatOptions, DescribeOptions};

use super::store::Repository;

/// Tags that may name a version.
const VERSIONS: &str = "*[0-9].[0-9]*";

impl Repository {
    /// The version that the nearest tag in the history of a commit names, as `1.2.3` of `v1.2.3` or `name-1.2.3`. `None`: there is no
    /// such tag, or not enough of the history is here to know. It is a hint for builds, so no fault of the repository counts.
    pub fn nearest_version(&self, commit: &str) -> Option<String> {
        let commit = self.git.revparse_single(commit).ok()?;
        let mut options = DescribeOptions::new();
        options.describe_tags().pattern(VERSIONS);
        let described = commit.describe(&options).ok()?;
        version(&described.format(Some(DescribeFormatOptions::new().abbreviated_size(0))).ok()?)
    }
}

/// The version in the name of a tag: what stands behind the last separator.
fn version(tag: &str) -> Option<String> {
    let last = tag.rsplit(['/', '@', '=', '_', '-']).next()?;
    let version = last.trim_start_matches(['v', 'V', 'r']);
    let plain = version.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    (plain && version.starts_with(|first: char| first.is_ascii_digit())).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_a_version_behind_whatever_stands_before_it() {
        for (tag, expected) in [
            ("1.2.3", Some("1.2.3")),
            ("v1.2.3rc1", Some("1.2.3rc1")),
            ("tool-v0.4.0", Some("0.4.0")),
            ("pkg@2024.1", Some("2024.1")),
            ("release/3.1", Some("3.1")),
            ("1.0-beta", None),
            ("before-1.0 move", None),
        ] {
            assert_eq!(version(tag).as_deref(), expected, "{tag}");
        }
    }
}
