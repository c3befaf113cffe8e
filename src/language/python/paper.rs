//! A tree on paper, for tests.

use std::collections::BTreeMap;

use crate::language::files::Files;

/// Path -> text; base and the trusted tree are the same.
pub(super) struct Paper(BTreeMap<String, String>);

impl Paper {
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Files for Paper {
    fn base(&self) -> anyhow::Result<Vec<String>> {
        self.trusted()
    }

    fn trusted(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).map(|text| text.clone().into_bytes()))
    }
}
