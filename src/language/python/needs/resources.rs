//! `pkg_resources`, which much code imports and hardly any declares. It came with setuptools up to version 81.

use super::entry::Entry;
use super::list_name::Purpose;
use super::lists::List;
use super::tree::Tree;

const MODULE: &str = "pkg_resources";
/// The last versions of its distribution that bring it.
pub(crate) const BROUGHT_BY: &str = "setuptools<82";

/// What brings the module, if a file of the tree imports it and the tree does not hold it.
pub(super) fn read(tree: &Tree) -> anyhow::Result<Option<List>> {
    let holds = |path: &str| path.rsplit('/').take(2).any(|part| part.trim_end_matches(".py") == MODULE);
    if tree.paths().any(holds) {
        return Ok(None);
    }
    for path in tree.paths().filter(|path| path.ends_with(".py")) {
        if tree.read(path)?.is_some_and(|text| imports_it(&text)) {
            let told = format!("the import of {MODULE} in {path}");
            let entries = Entry::line(BROUGHT_BY).into_iter().collect();
            return Ok(Some(List { name: MODULE.to_owned(), told, purpose: Purpose::Tests, entries }));
        }
    }
    Ok(None)
}

/// Whether a line of a source imports the module.
pub(crate) fn imports_it(text: &str) -> bool {
    text.contains(MODULE)
        && text.lines().map(str::trim_start).any(|line| {
            let rest =
                ["import ", "from "].iter().find_map(|word| line.strip_prefix(word)?.trim_start().strip_prefix(MODULE));
            rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
                || ["__import__('", "__import__(\""].iter().any(|call| line.contains(&format!("{call}{MODULE}")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_of_the_module_is_seen_in_every_form() {
        for (text, expected) in [
            ("import pkg_resources\n", true),
            ("try:\n    from pkg_resources import resource_string\nexcept ImportError:\n    pass\n", true),
            ("__import__('pkg_resources').declare_namespace(__name__)\n", true),
            ("import pkg_resources.extern\n", true),
            ("import pkg_resources_like\n", false),
            ("# pkg_resources is not imported\nimport os\n", false),
        ] {
            assert_eq!(imports_it(text), expected, "{text}");
        }
    }
}
