//! INI files as `configparser` reads them: sections, keys, and values that go on in indented lines.

use std::collections::BTreeMap;

/// Sections by name, keys by name in small letters, each value line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ini(BTreeMap<String, BTreeMap<String, Vec<String>>>);

impl Ini {
    pub fn parse(text: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        let (mut section, mut key) = (None::<String>, None::<String>);
        for line in text.lines() {
            let bare = line.trim();
            if bare.is_empty() || bare.starts_with(['#', ';']) {
                continue;
            }
            let indented = line.starts_with([' ', '\t']);
            if !indented && bare.starts_with('[') && bare.ends_with(']') {
                let name = bare[1..bare.len() - 1].trim().to_owned();
                sections.entry(name.clone()).or_default();
                (section, key) = (Some(name), None);
                continue;
            }
            let Some(values) = section.as_ref().and_then(|name| sections.get_mut(name)) else { continue };
            if indented {
                if let Some(lines) = key.as_ref().and_then(|key| values.get_mut(key)) {
                    lines.push(without_comment(bare).to_owned());
                }
                continue;
            }
            let Some(at) = bare.find(['=', ':']) else { continue };
            let (name, value) = (bare[..at].trim().to_ascii_lowercase(), without_comment(bare[at + 1..].trim()));
            values.insert(
                name.clone(),
                [value].iter().filter(|line| !line.is_empty()).map(|&line| line.to_owned()).collect(),
            );
            key = Some(name);
        }
        Self(sections)
    }

    pub fn sections(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, Vec<String>>)> {
        self.0.iter().map(|(name, values)| (name.as_str(), values))
    }

    pub fn section(&self, name: &str) -> Option<&BTreeMap<String, Vec<String>>> {
        self.0.get(name)
    }

    /// The lines of a value; none if there is no such key.
    pub fn lines(&self, section: &str, key: &str) -> &[String] {
        self.section(section).and_then(|values| values.get(key)).map_or(&[], Vec::as_slice)
    }
}

/// A `#` after a blank begins a comment.
fn without_comment(line: &str) -> &str {
    let end = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    end.map_or(line, |(at, _)| &line[..at]).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_in_indented_lines_and_comments_are_left_out() {
        let ini = Ini::parse(
            "x = lost\n[a]\n; no\nOne = 1 # why\ntwo:\n    b>=2  # c\n    # whole line\n\n    d#e\n[b c]\n  stray\n",
        );
        assert_eq!(ini.lines("a", "one"), ["1"]);
        assert_eq!(ini.lines("a", "two"), ["b>=2", "d#e"]);
        assert_eq!(ini.lines("b c", "x"), Vec::<String>::new());
        assert_eq!(ini.sections().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b c"]);
    }
}
