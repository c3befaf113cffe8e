//! What a failed build says: the compiler's last lines without what pip and the backend say around them, and what to install if
//! a line tells that. Pure.

/// At most this many lines are told.
const MOST: usize = 8;

/// Parts of lines that say that something went wrong.
const SIGNS: [&str; 14] = [
    "error:",
    "error[",
    "Error:",
    "ERROR:",
    "fatal:",
    "undefined reference",
    "cannot find -l",
    "No such file or directory",
    "not found",
    "is not installed",
    "Error compiling Cython file",
    "Undefined symbols",
    "undeclared",
    "Exception:",
];

/// Parts of lines with which pip and backends end whatever failed before.
const EPILOGUE: [&str; 13] = [
    "failed with exit code",
    "failed with exit status",
    "subprocess-exited-with-error",
    "Failed building wheel",
    "Failed to build",
    "failed-wheel-build",
    "metadata-generation-failed",
    "This error originates from a subprocess",
    "did not run successfully",
    "See above for output",
    "[end of output]",
    "Error compiling Cython file:",
    "could not compile `",
];

/// What a line tells is missing, and what brings it on Debian.
const MISSING: [(&[&str], &str); 22] = [
    (
        &["Python.h: No such file"],
        "the headers of Python are missing; install them, on Debian: apt-get install python3-dev",
    ),
    (&["ffi.h: No such file"], "install libffi, on Debian: apt-get install libffi-dev"),
    (&["openssl/", ": No such file"], "install OpenSSL's headers, on Debian: apt-get install libssl-dev"),
    (&["zlib.h: No such file"], "install zlib's headers, on Debian: apt-get install zlib1g-dev"),
    (
        &["libxml/", ": No such file"],
        "install libxml2 and libxslt, on Debian: apt-get install libxml2-dev libxslt1-dev",
    ),
    (&["yaml.h: No such file"], "install libyaml, on Debian: apt-get install libyaml-dev"),
    (&["libpq-fe.h: No such file"], "install PostgreSQL's headers, on Debian: apt-get install libpq-dev"),
    (&["pg_config", "not found"], "install PostgreSQL's headers, on Debian: apt-get install libpq-dev"),
    (&["mysql.h: No such file"], "install MySQL's headers, on Debian: apt-get install default-libmysqlclient-dev"),
    (&["jpeglib.h: No such file"], "install libjpeg, on Debian: apt-get install libjpeg-dev"),
    (
        &["command 'gcc' failed: No such file"],
        "a C compiler is missing; install one, on Debian: apt-get install build-essential",
    ),
    (
        &["command 'cc' failed: No such file"],
        "a C compiler is missing; install one, on Debian: apt-get install build-essential",
    ),
    (
        &["command 'x86_64-linux-gnu-gcc' failed: No such file"],
        "a C compiler is missing; install one, on Debian: apt-get install build-essential",
    ),
    (
        &["command 'g++' failed: No such file"],
        "a C++ compiler is missing; install one, on Debian: apt-get install build-essential",
    ),
    (
        &["Unknown compiler(s)"],
        "a compiler is missing; install one, on Debian: apt-get install build-essential gfortran",
    ),
    (&["linker `cc` not found"], "a linker is missing; install one, on Debian: apt-get install build-essential"),
    (&["can't find Rust compiler"], "Rust is missing; install it, see https://rustup.rs"),
    (&["Cargo", "not installed"], "Rust is missing; install it, see https://rustup.rs"),
    (&["cargo", "No such file"], "Rust is missing; install it, see https://rustup.rs"),
    (&["cmake", "not found"], "CMake is missing; install it, on Debian: apt-get install cmake"),
    (&["pkg-config", "not found"], "pkg-config is missing; install it, on Debian: apt-get install pkg-config"),
    (&["Could not resolve host"], "the build downloads something and found no network"),
];
const OTHERWISE: &str =
    "a project that needs more than this host has can name a ready Docker image in environment.image";

/// The telling lines of a failed build, and what to do.
pub(super) fn told(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let plain = |line: &&&str| !EPILOGUE.iter().any(|part| line.contains(part));
    let mut telling: Vec<&str> =
        lines.iter().filter(|line| SIGNS.iter().any(|sign| line.contains(sign))).filter(plain).copied().collect();
    if telling.is_empty() {
        telling = lines.iter().filter(plain).copied().collect();
    }
    let said = telling[telling.len().saturating_sub(MOST)..].join("\n");
    let said = if said.is_empty() { "it printed nothing".to_owned() } else { said };
    format!("{said}\n{}", advice(&telling))
}

fn advice(lines: &[&str]) -> String {
    let tells = |line: &&str, parts: &[&str]| parts.iter().all(|part| line.contains(part));
    let known = MISSING.iter().find(|(parts, _)| lines.iter().any(|line| tells(line, parts)));
    if let Some((_, what)) = known {
        return format!("{what}; {OTHERWISE}");
    }
    match lines.iter().find_map(|line| missing_header(line)) {
        Some(header) => {
            format!("install the library that brings {header}, on Debian: apt-file search {header}; {OTHERWISE}")
        }
        None => format!("mend the build, or install what it needs; {OTHERWISE}"),
    }
}

/// The header of `fatal error: NAME: No such file or directory`.
fn missing_header(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("fatal error: ")?;
    let (name, _) = rest.split_once(": No such file")?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_words_are_told_and_not_those_around_them() {
        let output = "running build_ext\ngcc -c fast.c -o fast.o\nfast.c: In function 'add':\n\
                      fast.c:7:12: error: 'totl' undeclared (first use in this function); did you mean 'total'?\n\
                      error: command '/usr/bin/gcc' failed with exit code 1\n\
                      ERROR: Failed building wheel for fast\nERROR: Failed to build one or more wheels\n";
        let said = told(output);
        let (first, advice) = said.split_once('\n').unwrap();
        assert_eq!(first, "fast.c:7:12: error: 'totl' undeclared (first use in this function); did you mean 'total'?");
        assert!(advice.starts_with("mend the build") && advice.contains("environment.image"), "{advice}");
    }

    #[test]
    fn what_is_missing_is_said_with_the_package_that_brings_it() {
        for (output, install) in [
            ("fast.c:1:10: fatal error: Python.h: No such file or directory", "python3-dev"),
            ("error: command 'gcc' failed: No such file or directory", "build-essential"),
            ("x.c:3:10: fatal error: openssl/evp.h: No such file or directory", "libssl-dev"),
            ("x.c:3:10: fatal error: odd/lib.h: No such file or directory", "apt-file search odd/lib.h"),
            ("error: can't find Rust compiler", "rustup.rs"),
            ("Cargo, the Rust package manager, is not installed or is not on PATH.", "rustup.rs"),
            (
                "💥 maturin failed\n  Caused by: Failed to run `cargo metadata`: No such file or directory (os error 2)",
                "rustup.rs",
            ),
            ("CMake Error: cmake: not found", "apt-get install cmake"),
            ("../meson.build:1:0: ERROR: Unknown compiler(s): [['cc'], ['gcc']]", "gfortran"),
        ] {
            let said = told(output);
            assert!(said.contains(install), "{output}: {said}");
        }
    }

    #[test]
    fn without_a_line_that_looks_like_an_error_the_last_lines_are_told() {
        let output: String = (0..20).map(|number| format!("step {number}\n")).collect();
        let said = told(&output);
        assert!(said.starts_with("step 12\n") && said.contains("step 19"), "{said}");
    }
}
