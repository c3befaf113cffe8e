//! The version of a project that reads it from git tags. There is no history where it is built, so its tool is told one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What serves if nothing is known.
const SOME: &str = "0.0.0";

/// A tool that reads versions from git: how files of a project name it, and the variable that overrules it.
const TOOLS: [(&[&str], &str); 5] = [
    (
        &["setuptools_scm", "setuptools-scm", "hatch-vcs", "hatch_vcs", "flit_scm", "flit-scm"],
        "SETUPTOOLS_SCM_PRETEND_VERSION",
    ),
    (&["pbr"], "PBR_VERSION"),
    (&["poetry-dynamic-versioning", "poetry_dynamic_versioning"], "POETRY_DYNAMIC_VERSIONING_BYPASS"),
    (&["uv-dynamic-versioning", "uv_dynamic_versioning"], "UV_DYNAMIC_VERSIONING_BYPASS"),
    (&["pdm-backend", "pdm.backend", "pdm-pep517"], "PDM_BUILD_SCM_VERSION"),
];
const NAMED_IN: [&str; 3] = ["pyproject.toml", "setup.cfg", "setup.py"];
/// A source release says its version here, and these tools read it.
const RELEASE: &str = "PKG-INFO";

/// Variables that tell the tools of a tree which version it is.
pub(super) fn version_variables(tree: &Path, known: Option<&str>) -> BTreeMap<String, String> {
    if tree.join(RELEASE).is_file() {
        return BTreeMap::new();
    }
    let texts = NAMED_IN.map(|file| fs::read_to_string(tree.join(file)).unwrap_or_default());
    variables(&texts, known)
}

fn variables(texts: &[String], known: Option<&str>) -> BTreeMap<String, String> {
    let version = known.map(|version| version.trim_start_matches('v')).filter(|version| is_version(version));
    let version = version.unwrap_or(SOME);
    let named = |names: &[&str]| names.iter().any(|name| texts.iter().any(|text| text.contains(name)));
    let tools = TOOLS.iter().filter(|(names, _)| named(names));
    tools.map(|(_, variable)| ((*variable).to_owned(), version.to_owned())).collect()
}

/// Whether a text is a plain version, such as 1.2.3 or 2.0rc1.
fn is_version(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_is_told_the_version_by_its_own_variable() {
        for (text, known, expected) in [
            ("requires = ['hatchling', 'hatch-vcs']", None, Some(("SETUPTOOLS_SCM_PRETEND_VERSION", "0.0.0"))),
            (
                "setup(use_scm_version=True, setup_requires=['setuptools_scm'])",
                Some("v1.4.2"),
                Some(("SETUPTOOLS_SCM_PRETEND_VERSION", "1.4.2")),
            ),
            ("setup(pbr=True)", Some("2.0rc1"), Some(("PBR_VERSION", "2.0rc1"))),
            (
                "[tool.poetry-dynamic-versioning]",
                Some("release-7"),
                Some(("POETRY_DYNAMIC_VERSIONING_BYPASS", "0.0.0")),
            ),
            ("requires = ['pdm-backend']", Some("3"), Some(("PDM_BUILD_SCM_VERSION", "3"))),
            ("requires = ['setuptools']", Some("3"), None),
        ] {
            let found = variables(&[text.to_owned()], known);
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
