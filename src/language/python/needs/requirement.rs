//! One requirement (PEP 508), and what else may stand in its place.

use std::str::FromStr;

use pep508_rs::pep440_rs::{Version, VersionSpecifiers, release_specifiers_to_ranges};
use pep508_rs::{ExtraName, PackageName, VersionOrUrl};

/// Why what is at an address is not installed.
pub(crate) const AN_ADDRESS: &str = "it is an address and not a name; --with takes it";

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
        if let Some(VersionOrUrl::Url(_)) = &parsed.version_or_url {
            return Err(AN_ADDRESS.to_owned());
        }
        let extras = parsed.extras.iter().map(ToString::to_string).collect();
        Ok(Self { line: line.to_owned(), name: parsed.name.to_string(), extras })
    }
}

fn parsed(line: &str) -> Option<pep508_rs::Requirement> {
    readable(line).then(|| pep508_rs::Requirement::from_str(line).ok()).flatten()
}

/// Whether a line can be parsed in bounds, and is one line to every reader: pip parts lines at other characters too.
fn readable(line: &str) -> bool {
    const LONGEST: usize = 4096;
    const DEEPEST: usize = 50;
    /// Parts of a marker each of which doubles, at worst, what is known of it.
    const MOST_PARTS: usize = 20;
    let one_line =
        |letter: char| letter == '\t' || !(letter.is_control() || ['\u{2028}', '\u{2029}'].contains(&letter));
    let marker = line.split_once(';').map_or("", |(_, marker)| marker);
    let words = marker.split(|letter: char| !letter.is_ascii_alphanumeric());
    line.len() <= LONGEST
        && line.chars().all(one_line)
        && line.matches('(').count() <= DEEPEST
        && words.filter(|word| ["extra", "in"].contains(word)).count() <= MOST_PARTS
}

/// Whether a line requires what is at an address and not in the index.
pub(crate) fn is_address(line: &str) -> bool {
    // A line that cannot be parsed here may be one to pip.
    parsed(line)
        .map_or_else(|| line.contains("://"), |parsed| matches!(parsed.version_or_url, Some(VersionOrUrl::Url(_))))
}

/// A version as PEP 440 has it, and nothing else.
pub(crate) fn is_version(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".!+_-".contains(&byte);
    text.bytes().all(plain) && Version::from_str(text).is_ok()
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
    let extras = parsed.extras.iter().map(ToString::to_string).collect();
    Some(Requirement { line: parsed.to_string(), name: parsed.name.to_string(), extras })
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
            ("foo @ file:///x", AN_ADDRESS),
            ("foo @ git+https://x.org/y", AN_ADDRESS),
            ("foo; os_name == '\r--index-url http://x.org\r'", "it is not a requirement"),
            ("foo\u{2028}>=1", "it is not a requirement"),
            ("foo @ https://${TOKEN}@x.org/y", "it holds a variable"),
        ] {
            assert_eq!(Requirement::parse(line).unwrap_err(), why, "{line}");
        }
    }

    #[test]
    fn markers_that_would_take_for_ever_or_overflow_are_none() {
        let deep = format!("foo; {}os_name == 'a'{}", "(".repeat(1000), ")".repeat(1000));
        let pairs: Vec<String> = (0..60).map(|at| format!("(extra == 'a{at}' and extra == 'b{at}')")).collect();
        let wide = format!("foo; {}", pairs.join(" or "));
        let long = format!("foo; {}", vec!["os_name == 'a'"; 4000].join(" or "));
        for line in [deep, wide, long, format!("foo; {}", "(".repeat(200_000))] {
            assert_eq!(Requirement::parse(&line), Err("it is not a requirement".to_owned()));
            assert_eq!(name_of(&line), None);
            assert_eq!(of_extras(&line, &["a1".to_owned()]), None);
        }
        let usual =
            "x; platform_machine == 'a' or (platform_machine == 'b' or (platform_machine == 'c' and extra == 't'))";
        Requirement::parse(usual).unwrap();
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
        let address = of("a @ https://x.org/a.whl ; extra == 'tests'").unwrap();
        assert!(is_address(&address) && !is_address("a>=1"), "{address}");
        assert_eq!(of("attrs"), None);
    }
}
