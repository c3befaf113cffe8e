//! The tables in the READMEs of the corpora say what the corpora hold.

use crate::harness::{Test, tests};
use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::corpora::{WORLDS, testdata};
use crate::support::lines;

const FAMILIES: [(&str, &str); 7] = [
    ("A", "content of tests"),
    ("B", "configuration of the runner"),
    ("C", "start-up, shadowing, bytecode"),
    ("D", "inside the test process"),
    ("E", "the result channel"),
    ("G", "wrong on purpose"),
    ("t", "paths, links, modes"),
];

fn rows(corpus: &str) -> Vec<Value> {
    let mut names: Vec<_> = WORLDS.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    names.iter().flat_map(|name| lines(&testdata().join(corpus).join(format!("{name}.jsonl")))).collect()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("{field} of {row}"))
}

fn cases(rows: &[Value]) -> String {
    let line = |row| {
        let [name, mechanism, reason, needs] = ["name", "mechanism", "expected_reason", "needs"].map(|f| text(row, f));
        format!("| `{name}` | {mechanism} | {reason} | {needs} |\n")
    };
    "| name | mechanism | expected | needs |\n| --- | --- | --- | --- |\n".to_owned()
        + &rows.iter().map(line).collect::<String>()
}

fn families(rows: &[Value]) -> String {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows {
        *counts.entry((&text(row, "mechanism")[..1], text(row, "needs"))).or_default() += 1;
    }
    let line = |(letter, name): (&str, &str)| {
        let [one, two, three] = ["e1", "e2", "e3"].map(|needs| counts.get(&(letter, needs)).copied().unwrap_or(0));
        format!("| {name} | {one} | {two} | {three} |\n")
    };
    let table = FAMILIES.map(line).concat();
    assert_eq!(counts.values().sum::<usize>(), rows.len());
    format!("| family | e1 | e2 | e3 |\n| --- | --- | --- | --- |\n{table}")
}

/// The text with the table that starts with `head` replaced.
fn with_table(readme: &str, head: &str, table: &str) -> String {
    let start = readme.find(head).unwrap_or_else(|| panic!("no table {head} in the README"));
    let end = readme[start..].find("\n\n").map_or(readme.len(), |end| start + end + 1);
    format!("{}{table}{}", &readme[..start], &readme[end..])
}

fn the_readmes_of_the_corpora_list_what_they_hold() {
    for corpus in ["cheats", "benign"] {
        let path = testdata().join(corpus).join("README.md");
        let readme = fs::read_to_string(&path).unwrap();
        let rows = rows(corpus);
        let mut wanted = with_table(&readme, "| name |", &cases(&rows));
        if corpus == "cheats" {
            wanted = with_table(&wanted, "| family |", &families(&rows));
        }
        if std::env::var_os("ASSAY_UPDATE").is_some() {
            fs::write(&path, &wanted).unwrap();
        } else {
            assert!(readme == wanted, "refresh with ASSAY_UPDATE=1 cargo test --release --test assay readmes");
        }
    }
}

pub const TESTS: &[Test] = tests![the_readmes_of_the_corpora_list_what_they_hold,];
