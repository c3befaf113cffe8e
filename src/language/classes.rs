//! Path classes by name: which part a path plays in a repository, and which parts a candidate may not decide. Pure.
//!
//! A repair may change source, CI, docs, generated files and binary files. Everything else is taken back and noted in
//! `stripped`, and what is left is judged. Packaging is taken back too, because the sealed image was made from base's
//! copy. Generated code may be changed, because it runs like source and the screen reads it.
//!
//! What a repository's own layout says beside the names is [`crate::model::layout::Layout`].

use super::Language;
use super::class_table::{Kind, ROWS, STAGES, stage};
use crate::model::candidate::PathClass;

/// The class of a path, by the table alone, with the rows of the runner's language. A runner that is not known gets the
/// rows of every language.
pub fn classify(path: &str, runner: &str) -> PathClass {
    let languages: Vec<_> = super::of_runner(runner).map_or_else(|| super::all().collect(), |language| vec![language]);
    classify_by(path, &languages)
}

fn classify_by(path: &str, languages: &[&'static dyn Language]) -> PathClass {
    let path = path.to_ascii_lowercase();
    let mut rows = (0..STAGES).flat_map(|at| {
        let own = languages.iter().flat_map(|language| language.rows());
        own.chain(ROWS).filter(move |row| stage(row.2) == at)
    });
    let row = rows.find(|row| row.1.split_ascii_whitespace().any(|pattern| fits(row.0, pattern, &path)));
    row.map_or(PathClass::Source, |row| row.2)
}

/// The classes of the paths of a change of which only the paths are known. Code has the rows of its own language; other files have
/// those of the languages of the change's code or, without code, the class on which most languages agree.
pub fn classify_change(paths: &[&str]) -> Vec<PathClass> {
    let every: Vec<_> = super::all().collect();
    let of = |path: &str| -> Vec<_> {
        let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix).to_ascii_lowercase();
        every.iter().copied().filter(|language| language.endings().contains(&suffix.as_str())).collect()
    };
    let own: Vec<Vec<_>> = paths.iter().map(|path| of(path)).collect();
    let has_code = |language: &&dyn Language| own.iter().flatten().any(|other| other.name() == language.name());
    let beside: Vec<_> = every.iter().copied().filter(has_code).collect();
    let agreed = |path: &str| {
        let class = classify_by(path, &every);
        let alike = every.iter().filter(|language| classify_by(path, &[**language]) == class).count();
        let of_tests = matches!(class, PathClass::Test | PathClass::Fixture);
        if of_tests && alike * 2 < every.len() { PathClass::Source } else { class }
    };
    let class = |(path, own): (&&str, &Vec<_>)| match (own.is_empty(), beside.is_empty()) {
        (false, _) => classify_by(path, own),
        (true, false) => classify_by(path, &beside),
        (true, true) => agreed(path),
    };
    paths.iter().zip(&own).map(class).collect()
}

/// Whether a repair candidate's changes to this class are taken back.
///
/// Packaging is: the sealed image was made from base's copy, so a change to it was never tried. Generated code and binary
/// files are not: a repair may need them, and they are judged like the source they go with.
pub fn protected(class: PathClass) -> bool {
    match class {
        PathClass::Test
        | PathClass::Fixture
        | PathClass::RunnerConfig
        | PathClass::BuildConfig
        | PathClass::Startup
        | PathClass::Bytecode
        | PathClass::Vcs => true,
        PathClass::Source | PathClass::Ci | PathClass::Docs | PathClass::Generated | PathClass::Binary => false,
    }
}

/// Whether a path has the ending of source code, in any language.
pub(crate) fn is_code(path: &str) -> bool {
    let suffix = path.rsplit_once('.').map_or("", |(_, suffix)| suffix).to_ascii_lowercase();
    super::all().any(|language| language.endings().contains(&suffix.as_str()))
}

/// Whether `*` and plain letters of a pattern cover a text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(tail) = parts.next_back() else { return rest.is_empty() };
    // The earliest place of each part leaves most for the others, so no other place needs to be tried.
    parts.all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    }) && rest.ends_with(tail)
}

fn fits(kind: Kind, pattern: &str, path: &str) -> bool {
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    let below = || {
        let parts: Vec<_> = dirs.split('/').collect();
        let wanted: Vec<_> = pattern.split('/').collect();
        parts.windows(wanted.len()).any(|run| run.iter().zip(&wanted).all(|(part, want)| matches(want, part)))
    };
    match kind {
        Kind::Name => matches(pattern, name),
        Kind::Part => path.split('/').any(|part| matches(pattern, part)),
        Kind::Below => below(),
        Kind::CodeBelow => below() && is_code(name),
        Kind::Tail => {
            let parts = pattern.split('/').count();
            let tail: Vec<_> = path.rsplitn(parts + 1, '/').take(parts).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            tail.len() == parts && tail.iter().zip(pattern.split('/')).all(|(part, want)| matches(want, part))
        }
        Kind::Path => matches(pattern, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathClass::*;

    #[test]
    fn stars_stand_for_any_text_and_cost_no_more_than_the_text_is_long() {
        for (pattern, text, fit) in [
            ("test_*.py", "test_a.py", true),
            ("test_*.py", "test_.pyc", false),
            ("*", "", true),
            ("**", "a", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*a*a", "a", false),
            ("*a*a", "aba", true),
            ("a*a", "a", false),
            ("*ab*abc", "abababc", true),
        ] {
            assert_eq!(matches(pattern, text), fit, "{pattern} {text}");
        }
        assert!(!matches(&"*a".repeat(30), &("a".repeat(200) + "b")));
    }

    #[test]
    fn every_path_has_the_class_the_table_says() {
        for (path, class) in [
            ("src/jinja2/sandbox.py", Source),
            ("src/jinja2/tests.py", Source),
            ("flask/testing.py", Source),
            ("latest/attest.py", Source),
            ("pkg/pytest.py", Source),
            ("unittest.txt", Source),
            ("tests/test_a.py", Test),
            ("Tests/helper.py", Test),
            ("pkg/tests/helpers.py", Test),
            ("pkg/test_a.py", Test),
            ("pkg/a_test.py", Test),
            ("testing/code/x.py", Test),
            ("tests/data/a.json", Fixture),
            ("pkg/testdata/a.json", Fixture),
            ("tests/README.md", Fixture),
            ("tests/picture.png", Fixture),
            ("conftest.py", RunnerConfig),
            ("tests/deep/conftest.py", RunnerConfig),
            ("pytest.ini", RunnerConfig),
            ("tox.ini", RunnerConfig),
            ("setup.cfg", RunnerConfig),
            ("pyproject.toml", RunnerConfig),
            ("noxfile.py", RunnerConfig),
            (".coveragerc", RunnerConfig),
            ("setup.py", BuildConfig),
            ("MANIFEST.in", BuildConfig),
            ("requirements-dev.txt", BuildConfig),
            ("requirements/tests.txt", BuildConfig),
            ("poetry.lock", BuildConfig),
            ("PKG-INFO", BuildConfig),
            ("sitecustomize.py", Startup),
            ("a/usercustomize.py", Startup),
            ("a/b/evil.pth", Startup),
            ("x.egg-info/entry_points.txt", Startup),
            ("src/x.Dist-INFO/METADATA", Startup),
            ("src/sitecustomize/__init__.py", Startup),
            ("usercustomize/deep/a.json", Startup),
            ("pkg/sitecustomizer.py", Source),
            ("pkg/a.pyc", Bytecode),
            ("tests/__pycache__/x", Bytecode),
            ("pkg/_speedups.so", Bytecode),
            ("vendored.egg", Bytecode),
            (".gitattributes", Vcs),
            ("a/.gitignore", Vcs),
            (".github/workflows/x.yml", Ci),
            (".gitlab-ci.yml", Ci),
            ("docs/conf.py", Docs),
            ("CHANGES.rst", Docs),
            ("README.md", Docs),
            ("pkg/schema_pb2.py", Generated),
            ("pkg/logo.png", Binary),
        ] {
            assert_eq!(classify(path, "pytest"), class, "{path}");
            assert_eq!(classify(path, "unittest"), class, "{path}");
        }
    }

    #[test]
    fn other_languages_find_their_rows_and_only_theirs() {
        for (framework, path, class) in [
            ("cargo", ".cargo/config.toml", RunnerConfig),
            ("cargo", "crates/x/tests/api.rs", Test),
            ("cargo", "crates/x/tests/data/a.json", Fixture),
            ("cargo", "build.rs", BuildConfig),
            ("cargo", "src/lib.rs", Source),
            ("cargo", "src/test_tools.py", Source),
            ("go", "pkg/a_test.go", Test),
            ("go", "pkg/a.go", Source),
            ("go", "pkg/testdata/a", Fixture),
            ("go", "pkg/testdata/gen.go", Fixture),
            ("go", "render/golden/page.html", Fixture),
            ("go", "render/page.golden", Fixture),
            ("go", "fixtures/users.json", Fixture),
            ("go", "test/helpers.go", Test),
            ("go", "internal/testutil/run.go", Test),
            ("go", "pkg/testing/fake.go", Test),
            ("go", "e2e/cluster.go", Test),
            ("go", "integration/server/start.go", Test),
            ("go", "integration/server/go.mod", Fixture),
            ("go", "e2e/cluster.yaml", Fixture),
            ("go", "latest/tested.go", Source),
            ("go", "integrations/github.go", Source),
            ("go", "internal/assert/assert.go", Source),
            ("go", "pkg/blob_amd64.syso", Bytecode),
            ("go", "test/blob.syso", Bytecode),
            ("pytest", "pkg/a.syso", Source),
            ("go", "vendor/x/y.go", BuildConfig),
            ("maven", ".mvn/jvm.config", RunnerConfig),
            ("maven", "core/src/test/java/FooTest.java", Test),
            ("maven", "core/src/test/resources/a.xml", Fixture),
            ("maven", "core/src/main/java/Foo.java", Source),
            ("gradle", "lib/build.gradle.kts", BuildConfig),
            ("jest", "src/a.test.ts", Test),
            ("jest", "src/__snapshots__/a.snap", Fixture),
            ("jest", "node_modules/.bin/node", Startup),
            ("vitest", "vitest.config.mts", RunnerConfig),
            ("mocha", ".mocharc.json", RunnerConfig),
            ("npm", "package.json", BuildConfig),
            ("rspec", "spec/models/user_spec.rb", Test),
            ("rspec", ".rspec", RunnerConfig),
            ("phpunit", "phpunit.xml.dist", RunnerConfig),
            ("phpunit", "tests/FooTest.php", Test),
            ("ctest", "CMakeLists.txt", BuildConfig),
            ("ctest", "tests/parse.cpp", Test),
            ("pytest", "package.json", Source),
            ("a runner of tomorrow", "spec/x_spec.rb", Test),
        ] {
            assert_eq!(classify(path, framework), class, "{framework}: {path}");
        }
    }

    #[test]
    fn a_repair_may_decide_source_ci_docs_generated_and_binary_files_only() {
        for class in [Source, Ci, Docs, Generated, Binary] {
            assert!(!protected(class), "{class:?}");
        }
        for class in [Test, Fixture, RunnerConfig, BuildConfig, Startup, Bytecode, Vcs] {
            assert!(protected(class), "{class:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fit) in [
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*.py", "é.py", true),
            ("x", "xy", false),
        ] {
            assert_eq!(matches(pattern, text), fit, "{pattern} {text}");
        }
    }
}
