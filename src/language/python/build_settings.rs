//! What files of configuration that also configure the test runner say of the build, and which sources only a build makes use
//! of. Pure.

/// Tables of `pyproject.toml` that tools of builds read.
const TOOLS: [&str; 25] = [
    "cffi",
    "cython",
    "enscons",
    "flit",
    "hatch",
    "mesonpy",
    "meson-python",
    "mypyc",
    "maturin",
    "nanobind",
    "pbr",
    "pdm",
    "poetry",
    "poetry-dynamic-versioning",
    "py-build-cmake",
    "scikit-build",
    "setuptools",
    "setuptools-rust",
    "setuptools_scm",
    "setuptools-scm",
    "sip",
    "sipbuild",
    "uv",
    "versioneer",
    "whey",
];
/// Sections of `setup.cfg` that are about the build.
const SECTIONS: [&str; 7] = ["build", "bdist", "options", "sdist", "extension", "versioneer", "pbr"];
/// Keys of a tool's table that say how the project is worked on, not how it is built.
const NOT_BUILT: [(&str, &str); 6] = [
    ("hatch", "envs"),
    ("pdm", "dev-dependencies"),
    ("pdm", "scripts"),
    ("poetry", "group"),
    ("poetry", "dependencies"),
    // In Poetry's own table it is metadata. In those of others it says which file is generated, and out of what.
    ("poetry", "version"),
];
/// Endings of sources that a compiler makes modules from.
const COMPILED: [&str; 22] = [
    "c", "cc", "cpp", "cxx", "c++", "h", "hh", "hpp", "hxx", "pyx", "pxd", "pxi", "rs", "f", "f77", "f90", "f95",
    "for", "pyf", "cu", "zig", "asm",
];
/// Endings of templates that such sources are made from.
const TEMPLATES: [&str; 3] = ["in", "src", "tp"];

/// Whether a file of this name has no effect before it is compiled.
pub(super) fn is_compiled_source(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    COMPILED.contains(&ending) || (TEMPLATES.contains(&ending) && is_compiled_source(stem))
}

/// The build's part of a file of this name; `None` if the file never says anything of a build.
pub(super) fn build_sections(path: &str, text: &str) -> Option<String> {
    match path.rsplit('/').next().unwrap_or(path) {
        "pyproject.toml" => Some(of_pyproject(text)),
        "setup.cfg" => Some(of_setup_cfg(text)),
        // All that they say is about the build.
        "setup.py" | "meson.build" | "CMakeLists.txt" => Some(text.to_owned()),
        _ => None,
    }
}

/// The tables in a canonical form. A text that is no TOML stands for itself: no two such are alike.
fn of_pyproject(text: &str) -> String {
    let Ok(document) = text.parse::<toml::Table>() else { return text.to_owned() };
    let mut kept = toml::Table::new();
    if let Some(system) = document.get("build-system") {
        kept.insert("build-system".to_owned(), system.clone());
    }
    let tools = document.get("tool").and_then(toml::Value::as_table);
    for (name, table) in tools.into_iter().flatten().filter(|(name, _)| TOOLS.contains(&name.as_str())) {
        let mut table = table.clone();
        if let toml::Value::Table(keys) = &mut table {
            keys.retain(|key, _| !NOT_BUILT.contains(&(name.as_str(), key)));
        }
        kept.insert(format!("tool.{name}"), table);
    }
    toml::to_string(&kept).unwrap_or_else(|_| text.to_owned())
}

fn of_setup_cfg(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines().map(str::trim_end) {
        if let Some(section) = line.strip_prefix('[') {
            inside = SECTIONS.iter().any(|start| section.starts_with(start));
        }
        if inside && !line.is_empty() && !line.starts_with(['#', ';']) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_tests_and_metadata_do_not_change_what_is_built_and_those_of_builds_do() {
        let base = "[project]\nversion = '1'\n[tool.pytest.ini_options]\naddopts = '-q'\n[build-system]\nrequires = ['x']\n\
                    [tool.setuptools]\next-modules = [{name = 'a', sources = ['a.c']}]\n[tool.hatch.envs.a]\nx = 1\n\
                    [tool.hatch.version]\nsource = 'vcs'\n[tool.pdm]\nversion = {source = 'scm'}\n[tool.sip.bindings.a]\ny = 1\n\
                    [tool.poetry]\nversion = '3'\n";
        let sections = |from: &str, to: &str| build_sections("pyproject.toml", &base.replace(from, to)).unwrap();
        for (from, to, alike) in [
            ("'1'", "'2'", true),
            ("'-q'", "'-v'", true),
            ("x = 1", "x = 2", true),
            ("requires = ['x']", "requires = [\n  'x',\n]", true),
            ("['x']", "['y']", false),
            ("'a.c'", "'b.c'", false),
            ("'vcs'", "'code'", false),
            ("'scm'", "'file'", false),
            ("y = 1", "y = 2", false),
            ("'3'", "'4'", true),
        ] {
            assert_eq!(sections("", "") == sections(from, to), alike, "{to}");
        }
        let cfg = |text: &str| build_sections("sub/setup.cfg", text).unwrap();
        assert_eq!(cfg("[tool:pytest]\naddopts = -q\n[build_ext]\ninplace=1\n"), "[build_ext]\ninplace=1\n");
        assert_eq!(build_sections("tox.ini", "[tox]"), None);
    }
}
