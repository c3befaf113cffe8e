//! What of the runner may be in an environment: a version that its reporter knows, and not the project itself.

use crate::images::environment_error::EnvironmentError;
use crate::language::python::needs::requirement::name_of;
use crate::runner::python::pytest::KNOWN;

/// Distributions that the runner imports before anything of the repository may be imported.
const OF_RUNNER: [&str; 3] = ["iniconfig", "pluggy", "pytest"];

/// Refuses a project whose own code would have to run the tests that judge it: it is not installed beside itself, and nothing of the
/// repository is imported before the reporter watches.
pub(super) fn refuse_judge(recipe: &[String], project: Option<&str>) -> Result<(), EnvironmentError> {
    let (runner, _) = KNOWN;
    let runs = recipe.iter().any(|line| name_of(line).as_deref() == Some(runner));
    match project.filter(|name| runs && OF_RUNNER.contains(name)) {
        None => Ok(()),
        Some(name) => Err(EnvironmentError::Unsupported(format!(
            "{runner} imports {name} before anything of the repository may be imported, so a suite that {runner} runs cannot judge {name} \
             itself; if its tests are of unittest, import it with --runner unittest --recipe python-stdlib, or name a ready Docker image in the instance's environment.image"
        ))),
    }
}

/// Refuses a version of the runner that its reporter does not know: nobody could trust its reports.
pub(super) fn refuse_unknown<'w>(
    mut packages: impl Iterator<Item = (String, &'w str)>,
) -> Result<(), EnvironmentError> {
    let (runner, known) = KNOWN;
    let Some((_, version)) = packages.find(|(name, _)| name == runner) else { return Ok(()) };
    let major: Option<u64> = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major| known.contains(&major)) {
        return Ok(());
    }
    let (first, last) = known.into_inner();
    Err(EnvironmentError::UnknownRunner { runner, version: version.to_owned(), first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_that_the_runner_imports_first_is_refused() {
        let recipe = ["pytest>=8,<9".to_owned()];
        assert_eq!(
            refuse_judge(&recipe, Some("pluggy")).unwrap_err().to_string(),
            "pytest imports pluggy before anything of the repository may be imported, so a suite that pytest runs cannot judge pluggy \
             itself; if its tests are of unittest, import it with --runner unittest --recipe python-stdlib, or name a ready Docker image in the instance's environment.image"
        );
        refuse_judge(&recipe, Some("attrs")).unwrap();
        refuse_judge(&recipe, None).unwrap();
        refuse_judge(&[], Some("pluggy")).unwrap();
    }

    #[test]
    fn a_version_that_the_reporter_does_not_know_is_refused_by_name() {
        let of = |name: &str, version: &'static str| refuse_unknown([(name.to_owned(), version)].into_iter());
        for (name, version) in [("pytest", "3.0.0"), ("pytest", "9.0.3"), ("six", "1.0")] {
            of(name, version).unwrap();
        }
        assert_eq!(
            of("pytest", "2.9.2").unwrap_err().to_string(),
            "pytest 2.9.2 would be installed, because the project or the instance asks for it, and the reporter knows 3 to 9; require one of \
             these, for example with --with pytest==9.*"
        );
        assert!(of("pytest", "10.0").is_err() && of("pytest", "new").is_err());
    }
}
