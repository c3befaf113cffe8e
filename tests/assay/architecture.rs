//! The shape of the code, read from its text: which folder may know a language, which files may use which, and how long a file is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Test, tests};

pub const TESTS: &[Test] = tests![
    the_table_of_channels_is_the_same_in_the_code_and_in_the_docs,
    the_judge_and_the_journal_name_no_language,
    python_is_named_only_where_it_belongs,
    no_new_cycle_of_modules_appears,
    no_file_is_longer_than_six_hundred_lines,
    the_nouns_know_nothing_of_what_uses_them,
    a_dependency_has_one_door,
    nothing_is_shown_that_nobody_uses,
    the_design_names_every_folder_and_no_other,
];

const LONGEST: usize = 600;

/// The list of what our own tests and benches use of the library.
const INSIDE: &str = "src/inside.rs";

/// Words that name a language or one of its tools. Two words in a row are one name.
const LANGUAGES: &[&str] = &[
    "bazel",
    "bundler",
    "cargo",
    "cmake",
    "conftest",
    "cpython",
    "csharp",
    "ctest",
    "cypress",
    "django",
    "doctest",
    "dotnet",
    "eslint",
    "gem",
    "golang",
    "go test",
    "gotest",
    "gradle",
    "gtest",
    "jasmine",
    "java",
    "javac",
    "javascript",
    "jdk",
    "jest",
    "junit",
    "kotlin",
    "maven",
    "mocha",
    "mvn",
    "nextest",
    "node js",
    "nodejs",
    "nose",
    "npm",
    "nunit",
    "php",
    "phpunit",
    "pip",
    "playwright",
    "pnpm",
    "py",
    "pyc",
    "pycache",
    "pypi",
    "pyproject",
    "pytest",
    "python",
    "rspec",
    "ruby",
    "rust",
    "rustc",
    "scala",
    "setuptools",
    "sitecustomize",
    "sympy",
    "tox",
    "typescript",
    "unittest",
    "venv",
    "virtualenv",
    "vitest",
    "xunit",
    "yarn",
];

/// Words that name Python or its tools.
const PYTHON: &[&str] = &[
    "conftest",
    "cpython",
    "django",
    "doctest",
    "nose",
    "pip",
    "py",
    "pyc",
    "pycache",
    "pypi",
    "pyproject",
    "pytest",
    "python",
    "setuptools",
    "sitecustomize",
    "sympy",
    "tox",
    "unittest",
    "venv",
    "virtualenv",
];

/// Where Python's tools may be named.
const OF_PYTHON: &[&str] =
    &["src/language/python/", "src/runner/python/", "src/images/python/", "src/logs/", "src/intake/"];

/// Lines outside of them that may name Python's tools. At most ten entries: files (none: any file), a part of the line, the reason.
const MAY_NAME_PYTHON: &[(&[&str], &str, &str)] = &[
    (&[], "mod python;", "the folder itself"),
    (&["src/language/mod.rs", "src/runner/mod.rs"], "python", "registries"),
    (&["src/images/toolchain.rs"], "ython", "a registry, and the setting that is called so on disk"),
    (&[], "#[serde(rename = \"python", "names of fields on disk"),
    (&["src/model/instance.rs"], "", "fields and defaults of rows that people have"),
    (&["src/cli/import.rs"], "ypi", "the command that fetches release pairs of Python's package index"),
    (&["src/cli/import.rs"], "const RECIPE", "the recipe that Python instances have always named on disk"),
    (
        &["src/language/c/classes.rs", "src/dataset/select/secrets.rs"],
        "",
        "a word of C++; the form of a token, and endings of files",
    ),
    (&["src/dataset/views/harbor.rs"], "py", "a Harbor task runs pytest in the image of the instance"),
    (&["src/dataset/reward/mod.rs"], "assay_reward.py", "the reward functions that ship with a dataset"),
];

/// Where a dependency that stands for something outside may be used: its one door.
const DOORS: &[(&str, &[&str])] = &[
    ("axum::", &["src/serve/"]),
    ("bollard::", &["src/sandbox/docker/", "src/images/"]),
    ("git2::", &["src/repo/"]),
    ("hf_hub::", &["src/hub/"]),
    ("indicatif::", &["src/console.rs"]),
    ("oci_client::", &["src/images/unpacked/"]),
    ("plotters::", &["src/chart/"]),
    ("tree_sitter::", &["src/language/"]),
];

/// Cycles that are known: the files of each, sorted.
const KNOWN_CYCLES: &[&[&str]] = &[
    &["src/hub/account.rs", "src/hub/error.rs", "src/hub/fault.rs"],
    &["src/images/foreign.rs", "src/images/inspector.rs"],
    &[
        "src/images/go/toolchain.rs",
        "src/images/python/docker.rs",
        "src/images/python/inspect.rs",
        "src/images/python/toolchain.rs",
        "src/images/seal_docker.rs",
        "src/images/toolchain.rs",
    ],
    &["src/intake/parquet.rs", "src/intake/records.rs"],
    &["src/lab/admit/image_request.rs", "src/lab/admit/site_builder.rs"],
    &["src/language/python/canary.rs", "src/language/python/canary_edits.rs", "src/language/python/syntax.rs"],
    &["src/language/python/held_out.rs", "src/language/python/inputs.rs", "src/language/python/recording.rs"],
    &["src/prompt/extract.rs", "src/prompt/test_answer.rs"],
    &["src/repo/draft.rs", "src/repo/store.rs"],
    &["src/sampler/endpoint.rs", "src/sampler/failure.rs", "src/sampler/reply.rs"],
    &["src/sandbox/docker/cells.rs", "src/sandbox/docker/line.rs"],
    &["src/sandbox/docker/files.rs", "src/sandbox/docker/run.rs"],
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file without its tests.
struct Source {
    /// From the repository's root.
    path: String,
    /// Its lines with their numbers; lines of `#[cfg(test)]` items are not there.
    lines: Vec<(usize, String)>,
    /// All lines, tests too.
    length: usize,
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => open.push(path),
                Some("rs") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found.iter().map(source).collect()
}

fn source(path: &PathBuf) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    Source { path, lines: without_tests(&text), length: text.lines().count() }
}

/// What only tests use is theirs.
fn is_test_file(path: &str) -> bool {
    path.ends_with("_tests.rs") || path.ends_with("/tests.rs") || path == INSIDE
}

fn code(folder: &str) -> Vec<Source> {
    sources(folder).into_iter().filter(|source| !is_test_file(&source.path)).collect()
}

/// The lines of a text without its `#[cfg(test)]` items. The code is formatted, so an item ends at a line of its own indentation
/// that closes it.
fn without_tests(text: &str) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push((number, line.to_owned()));
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let closed = [format!("{indent}}}"), format!("{indent}}};"), format!("{indent});")];
        let mut begun = false;
        let end = lines.by_ref().find(|(_, line)| {
            let first = !begun && !line.trim_start().starts_with('#');
            begun |= first;
            (first && line.ends_with([';', '}'])) || closed.iter().any(|end| line == end)
        });
        assert!(end.is_some(), "the test code after line {number} has no end: {line}");
    }
    kept
}

/// The words of a line in lower case: names are split at underscores and at capitals.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut before, mut open) = (' ', false);
    let letters: Vec<char> = line.chars().collect();
    for (place, letter) in letters.iter().copied().enumerate() {
        let next = letters.get(place + 1).copied().unwrap_or(' ');
        // `PyPI` and `JUnit` are one word: one capital before another word does not split.
        let capital =
            letter.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next.is_lowercase()));
        if !letter.is_alphabetic() {
            open = false;
        } else if !open || capital {
            words.push(letter.to_lowercase().collect());
            open = true;
        } else if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

/// Names of the list that a line holds: whole words, whole words joined by capitals (`PyTest`), and two words in a row.
fn named<'n>(line: &str, names: &[&'n str]) -> BTreeSet<&'n str> {
    let words = words(line);
    let whole: Vec<String> = line.split(|letter: char| !letter.is_alphanumeric()).map(str::to_lowercase).collect();
    let pairs: Vec<String> = words.windows(2).map(|pair| pair.join(" ")).collect();
    let holds = |name: &str| [&words, &whole, &pairs].iter().any(|list| list.iter().any(|word| word == name));
    names.iter().copied().filter(|name| holds(name)).collect()
}

fn the_table_of_channels_is_the_same_in_the_code_and_in_the_docs() {
    let code = fs::read_to_string(root().join("src/model/channel.rs")).unwrap();
    let docs = fs::read_to_string(root().join("docs/threats.md")).unwrap();
    let table: Vec<_> =
        code.lines().filter_map(|line| line.trim().strip_prefix("/// ")).filter(|line| line.starts_with('|')).collect();
    assert!(table.len() >= 4, "src/model/channel.rs has no table");
    assert!(
        docs.contains(&format!("\n\n{}\n\n", table.join("\n"))),
        "docs/threats.md has another table:\n{}",
        table.join("\n")
    );
}

fn the_judge_and_the_journal_name_no_language() {
    let mut found = Vec::new();
    for source in code("src/judge").into_iter().chain(code("src/journal")) {
        for (number, line) in &source.lines {
            let names = named(line, LANGUAGES);
            if !names.is_empty() {
                found.push(format!("{}:{number}: {names:?}: {}", source.path, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "a language is named; ask the runner or the reader instead:\n{}", found.join("\n"));
}

fn python_is_named_only_where_it_belongs() {
    assert!(MAY_NAME_PYTHON.len() <= 10, "{} exceptions; move the code instead", MAY_NAME_PYTHON.len());
    let (mut found, mut used) = (Vec::new(), BTreeSet::new());
    let sources =
        code("src").into_iter().filter(|source| !OF_PYTHON.iter().any(|folder| source.path.starts_with(folder)));
    for source in sources {
        for (number, line) in without_help(&source.lines) {
            let names = named(&line, PYTHON);
            if names.is_empty() {
                continue;
            }
            let in_file = |files: &[&str]| files.is_empty() || files.contains(&source.path.as_str());
            let allowed = MAY_NAME_PYTHON.iter().position(|(files, part, _)| in_file(files) && line.contains(part));
            used.extend(allowed);
            if allowed.is_none() {
                found.push(format!("{}:{number}: {names:?}: {}", source.path, line.trim()));
            }
        }
    }
    let idle: Vec<_> = (0..MAY_NAME_PYTHON.len()).filter(|place| !used.contains(place)).collect();
    assert!(idle.is_empty(), "exceptions that nothing needs: {idle:?}");
    assert!(found.is_empty(), "{} lines name Python's tools outside its folders:\n{}", found.len(), found.join("\n"));
}

/// Lines without the text of `--help`: doc comments of arguments, and the attributes of commands.
fn without_help(lines: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut kept: Vec<(usize, String)> = Vec::new();
    let mut docs: Vec<(usize, String)> = Vec::new();
    let mut attribute = 0_i32;
    for (number, line) in lines {
        let text = line.trim();
        if attribute > 0 || ["#[arg(", "#[command(", "#[group("].iter().any(|start| text.starts_with(start)) {
            attribute += text.matches('(').count() as i32 - text.matches(')').count() as i32;
            docs.clear();
        } else if text.starts_with("///") {
            docs.push((*number, line.clone()));
        } else {
            kept.append(&mut docs);
            kept.push((*number, line.clone()));
        }
    }
    kept
}

/// The module of a file, as a path of names below the crate.
fn module(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    path.split('/').filter(|name| !["mod", "lib", "main"].contains(name)).map(str::to_owned).collect()
}

/// Every path that the code of a file names below `crate` or `super`, spread out of its braces.
fn paths(source: &Source, own: &[String]) -> BTreeSet<Vec<String>> {
    let code: Vec<&str> = source.lines.iter().map(|(_, line)| line.split("//").next().unwrap_or("")).collect();
    let code = code.join("\n");
    let mut found = BTreeSet::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let inside = code[..at]
                .chars()
                .next_back()
                .is_some_and(|before| before == ':' || before.is_alphanumeric() || before == '_');
            if !inside {
                spread(&code[at..], &mut Vec::new(), &mut |names| {
                    found.insert(absolute(names, own));
                });
            }
        }
    }
    found
}

/// A path from the root of the crate.
fn absolute(names: &[String], own: &[String]) -> Vec<String> {
    let mut base: Vec<String> = own.to_vec();
    let mut rest = names;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => drop(base.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    base.extend(rest.iter().cloned());
    base
}

/// Reads a path with its braces and gives every path that it stands for. Returns how much was read.
fn spread(text: &str, before: &mut Vec<String>, each: &mut dyn FnMut(&[String])) -> usize {
    let (depth, mut at) = (before.len(), 0);
    loop {
        let rest = &text[at..];
        let name: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if !name.is_empty() {
            at += name.len();
            before.push(name);
            if text[at..].starts_with("::") {
                at += 2;
                continue;
            }
            each(before);
        } else if rest.starts_with('{') {
            at += 1;
            loop {
                at += text[at..].len() - text[at..].trim_start_matches([' ', '\n', ',']).len();
                if text[at..].is_empty() || text[at..].starts_with('}') {
                    at += usize::from(!text[at..].is_empty());
                    break;
                }
                let read = spread(&text[at..], before, each);
                // Something that is not a path of names, such as `*` or `as name`.
                at += if read == 0 { text[at..].chars().next().map_or(1, char::len_utf8) } else { read };
            }
        } else {
            each(before);
            at += usize::from(rest.starts_with('*'));
        }
        before.truncate(depth);
        return at;
    }
}

/// Which files use which. A `mod.rs` that re-exports its children, and children that use what it holds, are one house: the arrow from a
/// parent to its own child is left out.
fn uses(sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let by_module: BTreeMap<Vec<String>, &str> = sources
        .iter()
        .filter(|source| source.path != "src/main.rs")
        .map(|source| (module(&source.path), source.path.as_str()))
        .collect();
    let mut uses = BTreeMap::new();
    for source in sources {
        let own = module(&source.path);
        let mut used = BTreeSet::new();
        for path in paths(source, &own) {
            let file = (0..=path.len()).rev().find_map(|length| Some((length, *by_module.get(&path[..length])?)));
            if let Some((length, file)) = file
                && file != source.path
                && file != "src/lib.rs"
                && !(length == own.len() + 1 && path.starts_with(&own))
            {
                used.insert(file.to_owned());
            }
        }
        uses.insert(source.path.clone(), used);
    }
    uses
}

/// Strongly connected files: each group in which every file uses every other, over others perhaps.
fn cycles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(file) = open.pop() {
            for next in uses.get(&file).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = uses.keys().map(|file| (file, reach(file))).collect();
    let mut cycles = BTreeSet::new();
    for (file, from_here) in &reached {
        if from_here.contains(*file) {
            let both = |other: &&String| reached.get(other).is_some_and(|back| back.contains(*file));
            cycles.insert(from_here.iter().filter(both).cloned().collect::<Vec<_>>());
        }
    }
    cycles.into_iter().collect()
}

fn no_new_cycle_of_modules_appears() {
    let found = cycles(&uses(&code("src")));
    println!("{} cycles of modules", found.len());
    let known: Vec<Vec<String>> =
        KNOWN_CYCLES.iter().map(|cycle| cycle.iter().map(|file| (*file).to_owned()).collect()).collect();
    let new: Vec<_> = found.iter().filter(|cycle| !known.contains(cycle)).map(|cycle| cycle.join("\n  ")).collect();
    assert!(new.is_empty(), "{} new cycles:\n  {}", new.len(), new.join("\n\n  "));
    let gone: Vec<_> = known.iter().filter(|cycle| !found.contains(cycle)).collect();
    assert!(gone.is_empty(), "cycles that are gone; take them off the list: {gone:?}");
}

fn no_file_is_longer_than_six_hundred_lines() {
    let long: Vec<_> = sources("src")
        .into_iter()
        .chain(sources("sandboxes/agent/src"))
        .filter(|source| source.length > LONGEST)
        .map(|source| format!("{}: {} lines", source.path, source.length))
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

fn the_nouns_know_nothing_of_what_uses_them() {
    let mut found = Vec::new();
    for source in code("src/model") {
        for path in paths(&source, &module(&source.path)) {
            let used = path.iter().take(3).cloned().collect::<Vec<_>>().join("::");
            if path.first().is_some_and(|first| first != "model") {
                found.push(format!("{} uses crate::{used}", source.path));
            }
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn a_dependency_has_one_door() {
    let sources = sources("src");
    for (name, doors) in DOORS {
        let users = || {
            let uses = |source: &&Source| source.lines.iter().any(|(_, line)| line.contains(name));
            sources.iter().filter(uses).map(|source| source.path.as_str())
        };
        assert!(users().next().is_some(), "nothing uses {name} any more; take it off the list");
        let elsewhere: Vec<_> = users().filter(|path| !doors.iter().any(|door| path.starts_with(door))).collect();
        assert!(elsewhere.is_empty(), "{name} is used outside of {doors:?}: {elsewhere:?}");
    }
}

/// The names in a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|name| !name.is_empty())
}

/// The names that the `pub` items and the `pub use` lists of a source show.
fn shown(source: &Source) -> Vec<String> {
    const KINDS: [&str; 6] = ["fn ", "struct ", "enum ", "trait ", "const ", "type "];
    let text: String = source.lines.iter().map(|(_, line)| format!("{}\n", line.trim())).collect();
    let lists = text.split("pub use ").skip(1).filter_map(|rest| rest.split_once(';')?.0.rsplit_once("::"));
    let listed = lists.flat_map(|(_, list)| names(list));
    let items = text.lines().filter_map(|line| {
        let item = line.strip_prefix("pub ")?;
        names(KINDS.iter().find_map(|kind| item.strip_prefix(kind))?).next()
    });
    listed.chain(items).map(str::to_owned).collect()
}

/// The compiler finds what is unused in one crate. It does not see what another member of the workspace shows and nobody uses, nor
/// what the list for tests shows.
fn nothing_is_shown_that_nobody_uses() {
    let holds =
        |source: &Source, name: &String| source.lines.iter().any(|(_, line)| names(line).any(|word| word == name));
    let tests: Vec<_> = sources("tests/assay").into_iter().chain(sources("benches")).collect();
    let list = source(&root().join(INSIDE));
    let idle = |name: &String| !tests.iter().any(|source| holds(source, name));
    let mut found: Vec<_> = shown(&list).into_iter().filter(idle).map(|name| format!("{INSIDE}: {name}")).collect();
    let (agent, library) = (sources("sandboxes/agent/src"), code("src"));
    for member in &agent {
        for name in shown(member) {
            let elsewhere = agent.iter().filter(|other| other.path != member.path).chain(&library);
            let own = member.lines.iter().filter(|(_, line)| line.contains(&name)).count();
            if own < 2 && !elsewhere.into_iter().any(|other| holds(other, &name)) {
                found.push(format!("{}: {name}", member.path));
            }
        }
    }
    assert!(found.is_empty(), "nobody uses these:\n{}", found.join("\n"));
}

fn the_design_names_every_folder_and_no_other() {
    let design = fs::read_to_string(root().join("DESIGN.md")).unwrap();
    let cells = design.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/` |"));
    let named: BTreeSet<_> = cells.flat_map(|(cell, _)| cell.split("/`, `")).map(str::to_owned).collect();
    let folders = fs::read_dir(root().join("src")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let there: BTreeSet<_> = folders.map(|folder| folder.file_name().into_string().unwrap()).collect();
    assert_eq!(named, there, "left: the table of DESIGN.md; right: the folders of src");
}
