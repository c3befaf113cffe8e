//! The variables that Go reads, in one list: what every call of Go gets, what a job gets beside it, and whose word counts for
//! the rest. All that Go reads is known by the form of its name, so that a variable of a later Go is not missed
//! ([`is_read_by_go`]).

/// What every call of Go gets, on the host and in a job.
pub const ALWAYS: [(&str, &str); 7] = [
    ("CGO_ENABLED", "0"),
    ("GO111MODULE", "on"),
    ("GOENV", "off"),
    ("GOFLAGS", ""),
    ("GOTELEMETRY", "off"),
    ("GOTOOLCHAIN", "local"),
    ("GOWORK", "off"),
];

/// What a job gets beside [`ALWAYS`] and the places of its caches. It has no network.
pub const IN_JOBS: [(&str, &str); 4] =
    [("GOCACHE", "/tmp/assay-go-cache"), ("GOPATH", "/tmp/assay-go-path"), ("GOPROXY", "off"), ("GOSUMDB", "off")];

/// What whoever starts assay may say: where modules come from, whom they are checked by, and where Go keeps its files.
const OF_THE_USER: [&str; 12] = [
    "GOAUTH",
    "GOCACHE",
    "GOINSECURE",
    "GOMODCACHE",
    "GONOPROXY",
    "GONOSUMDB",
    "GOPATH",
    "GOPRIVATE",
    "GOPROXY",
    "GOSUMDB",
    "GOTMPDIR",
    "GOVCS",
];

/// Whether Go, or a program that it built, may read a variable of this name. An instance sets none of them. Go's own names begin
/// with `GO` and have no underscore (`GOFLAGS`), or they have it behind a word of Go (`GO_`, `GOROOT_`, `GOTOOLCHAIN_`, `CGO_`). `GOOGLE_CLOUD_PROJECT`
/// is another's.
pub fn is_read_by_go(name: &str) -> bool {
    match name.split_once('_') {
        None => name.starts_with("GO"),
        Some((word, _)) => matches!(word, "GO" | "GOROOT" | "GOTOOLCHAIN" | "CGO"),
    }
}

/// Whether a variable of the user's must not reach a call of Go on the host.
pub fn is_kept_from_go(name: &str) -> bool {
    is_read_by_go(name) && !OF_THE_USER.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_others_that_begin_with_the_same_letters_are_not_gos() {
        for name in
            ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOLDEN_FILES", "GOTIFY_URL", "NOGO", "CGOX_Y"]
        {
            assert!(!is_read_by_go(name), "{name}");
        }
        for name in ["GOGC", "GOMAXPROCS", "GO_LDSO", "GOROOT_FINAL", "GO386", "CGO_LDFLAGS", "GOVARIABLEOFTOMORROW"] {
            assert!(is_read_by_go(name), "{name}");
        }
        assert!(is_read_by_go("GOTOOLCHAIN_INTERNAL_SWITCH_VERSION"));
    }

    #[test]
    fn the_user_says_where_modules_come_from_and_not_how_go_builds() {
        for name in
            ["GOFLAGS", "GOROOT", "GOARCH", "GOAMD64", "GODEBUG", "GOCACHEPROG", "GO_EXTLINK_ENABLED", "CGO_CFLAGS"]
        {
            assert!(is_kept_from_go(name), "{name}");
        }
        for name in OF_THE_USER.into_iter().chain(["PATH", "HTTPS_PROXY", "HOME", "CC"]) {
            assert!(!is_kept_from_go(name), "{name}");
        }
        assert!(OF_THE_USER.into_iter().all(is_read_by_go));
    }
}
