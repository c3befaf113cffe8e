//! The layout of an instance whose language has no survey of its own: what the instance says of its files, and names.
//!
//! - What gold changes and the test patch does not is source, unless its own name is that of a test.
//! - A file that the test patch changes, or that holds a listed test, is a test. Data that the test patch changes is a
//!   fixture.

use super::classes::{classify, is_code};
use super::files::{Files, Stated};
use crate::model::candidate::PathClass;
use crate::model::layout::Layout;

/// The layout by what is stated.
///
/// # Errors
/// A fault of whoever keeps the files.
pub(crate) fn stated_layout(files: &dyn Files, runner: &str, stated: Stated<'_>) -> anyhow::Result<Layout> {
    let mut layout = Layout { framework: runner.to_owned(), ..Layout::default() };
    for path in files.trusted()? {
        let listed = stated.listed.contains(&path);
        let in_tests = stated.tests.contains(&path);
        let in_gold = stated.gold.contains(&path);
        let class = match classify(&path, runner) {
            PathClass::Test | PathClass::Fixture if in_gold && !in_tests => {
                let name = path.rsplit('/').next().unwrap_or(&path);
                (classify(name, runner) == PathClass::Source).then_some(PathClass::Source)
            }
            PathClass::Source | PathClass::Docs | PathClass::Generated | PathClass::Binary if !in_gold => {
                match (listed, in_tests) {
                    (true, _) => Some(PathClass::Test),
                    (false, true) if is_code(&path) => Some(PathClass::Test),
                    (false, true) => Some(PathClass::Fixture),
                    (false, false) => None,
                }
            }
            _ => None,
        };
        if let Some(class) = class {
            if listed && class == PathClass::Test {
                layout.tests.insert(path.clone());
            }
            layout.files.insert(path, class);
        }
    }
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathClass::{Fixture, Source, Test};

    struct Paths(Vec<String>);

    impl Files for Paths {
        fn base(&self) -> anyhow::Result<Vec<String>> {
            Ok(self.0.clone())
        }

        fn trusted(&self) -> anyhow::Result<Vec<String>> {
            Ok(self.0.clone())
        }

        fn read(&self, _path: &str) -> anyhow::Result<Option<Vec<u8>>> {
            Ok(None)
        }
    }

    #[test]
    fn an_instance_says_which_files_are_tests_and_which_are_source() {
        let of = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let files = of(&["core.go", "check/all.go", "check/a.json", "testdata/gen.go", "own_test.go", "other.go"]);
        let (gold, tests) = (of(&["core.go", "testdata/gen.go"]), of(&["check/all.go", "check/a.json"]));
        let stated = Stated { gold: &gold, tests: &tests, listed: &tests[..1] };
        let layout = stated_layout(&Paths(files), "go", stated).unwrap();
        for (path, class) in [
            ("core.go", Source),
            ("check/all.go", Test),
            ("check/a.json", Fixture),
            ("testdata/gen.go", Source),
            ("testdata/other", Fixture),
            ("own_test.go", Test),
            ("other.go", Source),
        ] {
            assert_eq!(layout.class(path), class, "{path}");
        }
        assert!(layout.tests.contains("check/all.go"));
    }
}
