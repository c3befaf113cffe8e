//! What a built project says of its extras and of the versions of Python, in its `METADATA`.

use std::collections::BTreeSet;

use super::project::{ProjectMetadata, normalised};
use crate::language::python::needs::requirement::of_extras;
use crate::language::python::needs::requires_python::RequiresPython;

/// What some extras require.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OfExtras {
    pub requirements: Vec<String>,
    /// Extras that the project does not have.
    pub unknown: Vec<String>,
}

impl ProjectMetadata {
    fn head(&self) -> impl Iterator<Item = &str> {
        let text = self.dist_info.as_ref().and_then(|info| info.files.get("METADATA"));
        text.map_or("", String::as_str).lines().take_while(|line| !line.is_empty())
    }

    fn values<'m>(&'m self, field: &'m str) -> impl Iterator<Item = &'m str> {
        self.head().filter_map(move |line| line.strip_prefix(field)?.strip_prefix(':')).map(str::trim)
    }

    /// The versions of Python that the metadata asks for.
    pub(crate) fn requires_python(&self) -> Option<RequiresPython> {
        RequiresPython::new(self.values("Requires-Python").next()?, "the project's metadata")
    }

    /// What these extras require. An extra that names others of the project takes them along.
    pub(super) fn of_extras(&self, extras: &[String]) -> OfExtras {
        let provided: BTreeSet<String> = self.values("Provides-Extra").map(normalised).collect();
        let own = self.name();
        let mut found = OfExtras::default();
        let mut wanted: Vec<String> = extras.iter().map(|name| normalised(name)).collect();
        let mut at = 0;
        while let Some(extra) = wanted.get(at).cloned() {
            at += 1;
            if !provided.contains(&extra) {
                found.unknown.push(extra);
                continue;
            }
            let lines = self.values("Requires-Dist").filter_map(|line| of_extras(line, std::slice::from_ref(&extra)));
            for requirement in lines {
                if Some(&requirement.name) == own.as_ref() {
                    wanted.extend(
                        requirement.extras.into_iter().filter(|name| !wanted.contains(name)).collect::<Vec<_>>(),
                    );
                } else if !found.requirements.contains(&requirement.line) {
                    found.requirements.push(requirement.line);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::project::DistInfo;
    use super::*;

    #[test]
    fn extras_that_name_the_project_are_followed_and_unknown_ones_told() {
        let metadata = "Metadata-Version: 2.1\nName: Attrs\nRequires-Python: >=3.7\nRequires-Dist: typing; python_version < '3.5'\n\
                        Provides-Extra: tests\nRequires-Dist: attrs[tests_no_zope]; extra == 'tests'\nRequires-Dist: zope.interface; extra == 'tests'\n\
                        Provides-Extra: tests-no-zope\nRequires-Dist: hypothesis; extra == 'tests-no-zope'\n\
                        Requires-Dist: sphinx; extra == 'docs'\n\nProvides-Extra: body\n";
        let files = BTreeMap::from([("METADATA".to_owned(), metadata.to_owned())]);
        let info = DistInfo { folder: "attrs-1.dist-info".to_owned(), files };
        let project = ProjectMetadata { dist_info: Some(info), ..ProjectMetadata::default() };
        let found = project.of_extras(&["tests".to_owned(), "body".to_owned()]);
        assert_eq!(found.requirements, ["zope-interface", "hypothesis"]);
        assert_eq!(found.unknown, ["body"]);
        assert_eq!(project.requires_python().unwrap().to_string(), "Python >=3.7 (the project's metadata)");
        assert_eq!(ProjectMetadata::default().requires_python(), None);
    }
}
