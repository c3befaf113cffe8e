//! What the name of a list of requirements says: for tests, for development, or for something else.

/// What a list is for, best for tests first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    Tests,
    Development,
    Other,
}

const TESTS: [&str; 8] = ["test", "tests", "testing", "unit", "unittest", "unittests", "pytest", "tester"];
const DEVELOPMENT: [&str; 6] = ["dev", "devel", "develop", "development", "developer", "ci"];
/// A list for one of these is not for tests, whatever else its name says.
const OTHER: [&str; 42] = [
    "all",
    "audit",
    "bench",
    "benchmark",
    "benchmarks",
    "black",
    "build",
    "cover",
    "coverage",
    "cov",
    "deploy",
    "doc",
    "docs",
    "doctest",
    "demo",
    "documentation",
    "example",
    "examples",
    "samples",
    "fix",
    "flake8",
    "format",
    "formatting",
    "lint",
    "linter",
    "linting",
    "linters",
    "mypy",
    "perf",
    "performance",
    "pylint",
    "pyright",
    "publish",
    "release",
    "ruff",
    "security",
    "sphinx",
    "style",
    "type",
    "types",
    "typing",
    "prod",
];

/// What a name says. Its words are parted by anything but letters and digits.
pub(crate) fn purpose(name: &str) -> Purpose {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let any = |list: &[&str]| words.iter().any(|word| list.contains(word));
    match () {
        () if any(&OTHER) => Purpose::Other,
        () if any(&TESTS) => Purpose::Tests,
        () if any(&DEVELOPMENT) => Purpose::Development,
        () => Purpose::Other,
    }
}

/// What a path of a requirement file says: the name of the file, and of its folders.
pub(crate) fn purpose_of_file(path: &str) -> Purpose {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let name = stem.rsplit('/').next().unwrap_or(stem);
    match purpose(name) {
        // `tests/requirements.txt`, but not `docs/requirements.txt`.
        Purpose::Other if is_plain(name) => stem.rsplit_once('/').map_or(Purpose::Other, |(folder, _)| purpose(folder)),
        said => said,
    }
}

/// Whether the name of a file says that it holds requirements and nothing of what for.
pub(crate) fn is_plain(name: &str) -> bool {
    ["requirements", "requires", "reqs", "requirement"].contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a path is that of a requirement file.
pub(crate) fn is_requirement_file(path: &str) -> bool {
    let Some((stem, "txt" | "in")) = path.rsplit_once('.') else { return false };
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let words = |text: &str| text.to_ascii_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).any(is_plain);
    // Deeper ones belong to an example or to a project of their own.
    folder.matches('/').count() < 2 && (words(name) || folder.rsplit('/').next().is_some_and(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_list_is_for() {
        let table = [
            (Purpose::Tests, "test tests Testing tests-no-zope dev-test unit_tests pytest hatch-test"),
            (Purpose::Development, "dev develop devel development dev.minimal"),
            (Purpose::Other, "docs lint typing tests-mypy test_docs diagrams all release i18n testify cov"),
        ];
        for (expected, names) in table {
            for name in names.split(' ') {
                assert_eq!(purpose(name), expected, "{name}");
            }
        }
    }

    #[test]
    fn paths_say_what_a_requirement_file_is_for() {
        let table = [
            (
                Purpose::Tests,
                "tests/requirements.txt requirements/tests.txt requirements/test.in requirements-test.txt test-requirements.txt \
                 requirements_tests.txt test_requirements.txt tests/requirements/test.txt",
            ),
            (
                Purpose::Development,
                "requirements-dev.txt dev-requirements.txt requirements/dev.txt requirements/ci.txt",
            ),
            (
                Purpose::Other,
                "requirements.txt docs/requirements.txt requirements/docs.txt requirements/typing.txt requirements-lint.txt \
                 requirements/base.txt tests/requirements/docs.txt",
            ),
        ];
        for (expected, paths) in table {
            for path in paths.split(' ') {
                assert!(is_requirement_file(path), "{path}");
                assert_eq!(purpose_of_file(path), expected, "{path}");
            }
        }
        for path in
            ["tests/data.txt", "requirements.py", "README.txt", "examples/a/b/requirements.txt", "tests/words.txt"]
        {
            assert!(!is_requirement_file(path), "{path}");
        }
    }
}
