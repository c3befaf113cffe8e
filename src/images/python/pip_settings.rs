//! The caller's settings of pip: what of them decides where distributions are looked for, and what of them a build gets.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// The caller's settings of pip, which say where distributions are looked for, without names and passwords: another index may have what
/// this one has not.
pub(crate) fn index_settings() -> Vec<String> {
    let mut settings: Vec<String> = std::env::vars_os()
        .filter(|(name, _)| decides(&name.to_string_lossy()))
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    let home = std::env::home_dir();
    let below = |inside: &str| home.as_ref().map(|home| home.join(inside));
    let named = std::env::var_os("PIP_CONFIG_FILE").map(PathBuf::from);
    let files = [Some(PathBuf::from("/etc/pip.conf")), below(".pip/pip.conf"), below(".config/pip/pip.conf"), named];
    // Of a file that cannot be read pip reads nothing either.
    settings.extend(
        files.into_iter().flatten().filter(|path| path.is_file()).filter_map(|path| fs::read_to_string(path).ok()),
    );
    settings.sort();
    settings.iter().map(|text| without_credentials(text)).collect()
}

/// Whether a variable says what pip finds.
fn decides(variable: &str) -> bool {
    const OPTIONS: [&str; 9] = [
        "CONSTRAINT",
        "EXTRA_INDEX_URL",
        "FIND_LINKS",
        "INDEX_URL",
        "NO_BINARY",
        "NO_INDEX",
        "ONLY_BINARY",
        "PRE",
        "PREFER_BINARY",
    ];
    variable.strip_prefix("PIP_").is_some_and(|option| OPTIONS.contains(&option))
}

/// `https://name:password@host` without what stands before the host.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| letter == '/' || letter.is_whitespace()).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str("://");
        out.push_str(&part[host..]);
    }
    out
}

/// Variables of the caller that a build on this host gets: the index's settings, which may hold a password for the index, and how
/// to reach it.
pub(super) fn a_build_may_see(name: &OsStr) -> bool {
    const NAMES: [&str; 6] = ["PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"];
    let name = name.to_string_lossy();
    let upper = name.to_ascii_uppercase();
    NAMES.contains(&name.as_ref()) || upper.starts_with("PIP_") || upper.ends_with("_PROXY") || upper.starts_with("LC_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_compared_without_what_changes_by_the_hour() {
        assert!(decides("PIP_INDEX_URL") && !decides("PIP_CACHE_DIR") && !decides("INDEX_URL"));
        assert_eq!(
            without_credentials("a = https://me:to@ken@x.org/s@1\nhttp://y.org/ http://u@z.org"),
            "a = https://x.org/s@1\nhttp://y.org/ http://z.org"
        );
    }
}
