//! One requirement (PEP 508), and what else may stand in its place.

use std::str::FromStr;

use pep508_rs::pep440_rs::{Version, VersionSpecifiers, release_specifiers_to_ranges};
use pep508_rs::{ExtraName, PackageName, VersionOrUrl};

/// A requirement as a line, with the name of its distribution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Requirement {
    /// As it was written, but for blanks around it.
    pub line: String,
    /// Normalised.
    pub name: String,
    /// Normalised.
    pub extras: Vec<String>,
}

impl Requirement {
    /// # Errors
    /// Why it is none, in a few words.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.contains("${") {
            return Err("it holds a variable".to_owned());
        }
        let parsed = parsed(line).ok_or_else(|| "it is not a requirement".to_owned())?;
        if let Some(VersionOrUrl::Url(url)) = &parsed.version_or_url
            && url.scheme() == "file"
        {
            return Err("it is a path of a machine".to_owned());
        }
        let extras = parsed.extras.iter().map(ToString::to_string).collect();
        Ok(Self { line: line.to_owned(), name: parsed.name.to_string(), extras })
    }
}

fn parsed(line: &str) -> Option<pep508_rs::Requirement> {
    pep508_rs::Requirement::from_str(line).ok()
}

/// The name of a distribution in the form in which two spellings are equal; None if it is none.
pub(crate) fn normalised(name: &str) -> Option<String> {
    PackageName::from_str(name.trim()).ok().map(|name| name.to_string())
}

/// The distribution that a line requires, normalised.
pub(crate) fn name_of(line: &str) -> Option<String> {
    parsed(line).map(|parsed| parsed.name.to_string())
}

/// Whether no version is in all of these lines' bounds. Lines without bounds, and lines that hold under some marker, bound nothing.
pub(crate) fn disjoint<'l>(lines: impl IntoIterator<Item = &'l str>) -> bool {
    let mut common = None;
    for line in lines {
        let Some(parsed) = parsed(line).filter(|parsed| parsed.marker.is_true()) else { continue };
        let Some(VersionOrUrl::VersionSpecifier(bounds)) = parsed.version_or_url else { continue };
        let range = release_specifiers_to_ranges(bounds);
        common = Some(match common {
            None => range,
            Some(common) => range.intersection(&common),
        });
    }
    common.is_some_and(|common| common.is_empty())
}

/// Whether a version satisfies bounds such as `>=3.9,<4`. None if one of the two cannot be read.
pub(crate) fn satisfies(version: &str, bounds: &str) -> Option<bool> {
    let bounds = VersionSpecifiers::from_str(bounds).ok()?;
    Some(bounds.contains(&Version::from_str(version).ok()?))
}

/// What a `Requires-Dist` line says under some extras and not without them: the requirement without the extras in its marker.
pub(crate) fn of_extras(line: &str, extras: &[String]) -> Option<Requirement> {
    let extras: Vec<ExtraName> = extras.iter().filter_map(|extra| ExtraName::from_str(extra).ok()).collect();
    let mut parsed = parsed(line)?;
    if parsed.marker.evaluate_extras(&[]) || !parsed.marker.evaluate_extras(&extras) {
        return None;
    }
    parsed.marker = parsed.marker.simplify_extras(&extras);
    Requirement::parse(&parsed.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_keeps_its_text_and_tells_its_name() {
        let read = Requirement::parse(" Foo.Bar[A_b]>=1,<2 ; python_version < '3.9' ").unwrap();
        assert_eq!(
            (read.line.as_str(), read.name.as_str(), read.extras),
            ("Foo.Bar[A_b]>=1,<2 ; python_version < '3.9'", "foo-bar", vec!["a-b".to_owned()])
        );
        for (line, why) in [
            ("./here", "it is not a requirement"),
            ("foo>=", "it is not a requirement"),
            ("foo @ file:///x", "it is a path of a machine"),
            ("foo @ https://${TOKEN}@x.org/y", "it holds a variable"),
        ] {
            assert_eq!(Requirement::parse(line).unwrap_err(), why, "{line}");
        }
    }

    #[test]
    fn bounds_that_no_version_satisfies_are_found() {
        for (lines, expected) in [
            (&["pytest>=8,<9", "pytest==9.0.3"][..], true),
            (&["pytest>=8,<9", "pytest>=7"], false),
            (&["pytest>=8,<9", "pytest"], false),
            (&["pytest>=8,<9", "pytest<8; python_version < '3.8'"], false),
            (&["pytest>=8,<9", "pytest~=8.1", "pytest<=8.0"], true),
        ] {
            assert_eq!(disjoint(lines.iter().copied()), expected, "{lines:?}");
        }
    }

    #[test]
    fn versions_are_held_against_bounds() {
        assert_eq!(satisfies("3.11.7", ">=3.9,<4"), Some(true));
        assert_eq!(satisfies("3.11.7", ">=3.12"), Some(false));
        assert_eq!(satisfies("3.11.7", "!=3.11.*"), Some(false));
        assert_eq!(satisfies("3.11.7", "new"), None);
    }

    #[test]
    fn metadata_lines_of_an_extra_lose_the_extra_and_keep_the_rest() {
        let tests = ["tests".to_owned()];
        let of = |line| of_extras(line, &tests).map(|read| read.line);
        assert_eq!(of("pretend; extra == 'tests'").as_deref(), Some("pretend"));
        assert_eq!(
            of("tomli>=1 ; (python_version < '3.11') and extra == 'tests'").as_deref(),
            Some("tomli>=1 ; python_full_version < '3.11'")
        );
        assert_eq!(of("a[tests-no-zope]; extra == 'tests'").as_deref(), Some("a[tests-no-zope]"));
        assert_eq!(of("sphinx; extra == 'docs'"), None);
        assert_eq!(of("attrs"), None);
    }
}
