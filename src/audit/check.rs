//! The audit itself: every check over one dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Map, Value};

use super::benchmarks::Benchmarks;
use super::content::{Content, Measures};
use super::evidence::check_verdicts;
use super::finding::{Findings, Place, Rule};
use super::integrity::{check_files, rows_of};
use super::receipts::Receipts;
use super::report::AuditReport;
use super::shape::{Facts, Shape, facts};
use super::source::{Source, Table, open};
use crate::dataset::seal::manifest::Manifest;
use crate::exit_code::Stop;
use crate::intake::{Record, each_record};
use crate::model::format;
use crate::model::near_names::nearest;

/// What to hold a dataset against.
#[derive(Debug, Default)]
pub struct Checks {
    /// Our name of a column -> theirs.
    pub columns: Vec<(String, String)>,
    pub benchmarks: Benchmarks,
    /// Public key that must have signed the statement.
    pub key: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Checked {
    pub findings: Findings,
    pub measures: Measures,
    /// Check -> things it was done to.
    pub done: BTreeMap<String, u64>,
}

/// Gets every row: table, number from 1, content, facts.
pub type EachRow<'a> = dyn FnMut(&str, u64, &Map<String, Value>, &Facts) + 'a;

/// The audit of a dataset by itself: what `assay publish` asks before it uploads one.
///
/// # Errors
/// As [`check`].
pub fn audit(name: &str) -> Result<AuditReport> {
    let checked = check(&open(name)?, &Checks::default(), &mut |_| {}, &mut |_, _, _, _| {})?;
    Ok(AuditReport::new(name, &checked.findings, checked.measures, checked.done))
}

/// Runs the checks. `progress` is told what comes next; `each` sees every row that could be read.
///
/// # Errors
/// What is wrong with the place or the machine, never with the dataset: that is a finding.
pub fn check(
    source: &Source,
    checks: &Checks,
    progress: &mut dyn FnMut(&str),
    each: &mut EachRow<'_>,
) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut ours = None;
    if source.ours {
        progress("files against the manifest");
        if let Some(manifest) = check_files(&source.root, checks.key.as_deref(), &mut checked.findings)? {
            checked.done.insert("files".to_owned(), manifest.files.len() as u64);
            let receipts = Receipts::read(&source.root, &manifest, &mut checked.findings);
            ours = Some((manifest, receipts));
        }
    } else if let Some(key) = &checks.key {
        let message = format!("there is no manifest that {} could have signed", key.display());
        checked.findings.add(Rule::SignatureWrong, Place::file(&source.name), message);
    }
    let tables = ours.as_ref().map_or_else(|| source.tables.clone(), |(manifest, _)| tables_of(source, manifest));
    let mut content = Content::new(&checks.benchmarks);
    let mut columns = Columns::new(checks);
    for table in &tables {
        progress(&table.name);
        let rows =
            read_rows(table, checks, &mut columns, &mut checked.findings, &mut |row, values, facts, findings| {
                content.add(&table.name, row, facts, findings);
                if let Some((_, receipts)) = &ours {
                    receipts.check_row(&Place::row(&table.name, row, facts.instance_id.as_deref()), facts, findings);
                }
                each(&table.name, row, values, facts);
            });
        let said = ours.as_ref().and_then(|(manifest, _)| rows_of(manifest, &table.name));
        if said.is_some_and(|said| said != rows) {
            let message = format!("{rows} rows could be read, the manifest says {said:?}");
            checked.findings.add(Rule::CountsDiffer, Place::file(&table.name), message);
        }
    }
    columns.all_found()?;
    checked.measures = content.finish();
    checked.done.insert("tables".to_owned(), tables.len() as u64);
    let damaged = checked.findings.count(Rule::TableUnreadable) + checked.findings.count(Rule::ManifestUnreadable) > 0;
    if checked.measures.rows == 0 && !damaged {
        checked.findings.add(Rule::EmptyDataset, Place::file(&source.name), "no table holds a row");
    }
    if let Some((manifest, receipts)) = ours {
        progress("verdicts from the evidence");
        checked.done.insert("verdicts".to_owned(), receipts.verdicts() as u64);
        let again = check_verdicts(&source.root, &manifest, &mut checked.findings)?;
        checked.done.insert("verdicts computed again".to_owned(), again);
    }
    Ok(checked)
}

/// Shards of the configs that hold rows of ours, each once; views for trainers say the same in other words.
fn tables_of(source: &Source, manifest: &Manifest) -> Vec<Table> {
    let configs = manifest.contents.configs.values();
    let rows = configs.filter(|config| [format::SFT_ROW, format::RL_ROW].contains(&config.row_format.as_str()));
    let names: BTreeSet<_> = rows.flat_map(|config| &config.data_files).collect();
    names.into_iter().map(|name| Table { name: name.clone(), path: source.root.join(name) }).collect()
}

/// The columns that were named, and those that there are.
struct Columns {
    missing: BTreeSet<String>,
    there: BTreeSet<String>,
}

impl Columns {
    /// Columns of tables of unknown kinds may be without end.
    const MOST: usize = 1000;

    fn new(checks: &Checks) -> Self {
        let missing = checks.columns.iter().map(|(_, theirs)| theirs.clone()).collect();
        Self { missing, there: BTreeSet::new() }
    }

    fn look_at(&mut self, values: &Map<String, Value>) {
        if self.missing.is_empty() {
            return;
        }
        self.missing.retain(|column| !values.contains_key(column));
        for name in values.keys() {
            if self.there.len() < Self::MOST && !self.there.contains(name) {
                self.there.insert(name.clone());
            }
        }
    }

    fn all_found(&self) -> Result<(), Stop> {
        let Some(column) = self.missing.first().filter(|_| !self.there.is_empty()) else { return Ok(()) };
        let known = nearest(column, self.there.iter().map(String::as_str));
        Err(Stop::Usage(format!("--column ...={column}: no row has a column of this name; of columns {known}")))
    }
}

type TakeRow<'a> = dyn FnMut(u64, &Map<String, Value>, &Facts, &mut Findings) + 'a;

/// Reads a table; gives the number of rows. The first row of unknown shape is a finding that names its columns.
fn read_rows(
    table: &Table,
    checks: &Checks,
    columns: &mut Columns,
    findings: &mut Findings,
    take: &mut TakeRow<'_>,
) -> u64 {
    let (mut rows, mut unknown) = (0, false);
    let read = each_record(&table.path, &mut |Record { line, row }| {
        rows += 1;
        let mut values = match row {
            Ok(values) => values,
            Err(why) => {
                findings.add(Rule::BadRow, Place::row(&table.name, line, None), why);
                return;
            }
        };
        columns.look_at(&values);
        for (ours, theirs) in &checks.columns {
            if let Some(value) = values.remove(theirs) {
                values.insert(ours.clone(), value);
            }
        }
        let facts = facts(values.clone());
        if facts.shape == Shape::Unknown && !std::mem::replace(&mut unknown, true) {
            let columns: Vec<_> = values.keys().take(20).map(String::as_str).collect();
            let message = format!("the columns are {}", columns.join(", "));
            findings.add(Rule::UnknownColumns, Place::file(&table.name), message);
        }
        take(line, &values, &facts, findings);
    });
    if let Err(error) = read {
        findings.add(Rule::TableUnreadable, Place::file(&table.name), format!("{error:#}"));
    }
    rows
}
