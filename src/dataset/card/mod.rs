//! The card: `README.md` of a dataset, rendered from `data-cards/dataset.md.jinja`. Pure; an unfilled placeholder is
//! an error.

pub mod croissant;
pub mod facts;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

use super::extra_columns::ExtraColumns;
use super::files::columns::features_yaml;
use super::rows::columns_of;
use super::select::matched::Matched;
use crate::model::digest::Digest;
use crate::model::receipt::Tool;
use crate::model::verdict::Counts;

const CARD: &str = include_str!("../../../data-cards/dataset.md.jinja");
const LICENSES: &str = include_str!("../../../data-cards/LICENSE.md.jinja");

/// Licence identifiers that the Hub's card knows, among those that repositories commonly carry. Anything else is
/// written as `other` with a link.
const HUB_LICENSES: [&str; 14] = [
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "isc",
    "mpl-2.0",
    "gpl-2.0",
    "gpl-3.0",
    "lgpl-2.1",
    "lgpl-3.0",
    "agpl-3.0",
    "unlicense",
    "zlib",
    "cc0-1.0",
];

/// Everything the card says that is not prose.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CardFacts {
    pub pretty_name: String,
    pub tool: Tool,
    /// Configs in the order they are shown; the first is the default.
    pub configs: Vec<ConfigFacts>,
    /// Totals, then one line per skill.
    pub counts: Vec<CountLine>,
    /// Reason -> candidates.
    pub left_out: BTreeMap<String, u64>,
    /// Reason -> tasks.
    pub left_out_tasks: BTreeMap<String, u64>,
    /// What was asked for, as in the manifest.
    pub settings: BTreeMap<String, Value>,
    /// What was found of the names that were given.
    pub matched: Matched,
    /// Repositories of public benchmarks known by name: benchmark -> repositories.
    pub benchmarks: BTreeMap<String, u64>,
    /// Models of the SFT rows, with the rows of each.
    pub models: BTreeMap<String, u64>,
    /// Sampling parameters of the SFT rows as JSON text, with the rows of each; the most common ones.
    pub sampling: Vec<(String, u64)>,
    /// Pictures that stand beside the card: title -> file.
    pub pictures: BTreeMap<String, String>,
    /// Whether `statement.dsse.json` is there.
    pub signed: bool,
    /// Folders below `views/`.
    pub views: Vec<String>,
    pub repositories: Vec<RepositoryFacts>,
    pub instances: u64,
    pub admitted: u64,
    /// Refused instances: reason -> count.
    pub refused: BTreeMap<String, u64>,
    /// Admitted instances that lost test files, those of them that lost too much and were accepted, and their SFT rows.
    pub lost_instances: u64,
    pub lost_accepted: u64,
    pub lost_rows: u64,
    /// Admitted instances with tests that are not part of their suite, and their SFT rows.
    pub outside_instances: u64,
    pub outside_rows: u64,
    /// The same of instances that lost listed tests.
    pub lost_test_instances: u64,
    pub lost_test_accepted: u64,
    pub lost_test_rows: u64,
    /// Admitted instances with tests that pass in one order only.
    pub ordered_instances: u64,
    /// Admitted instances whose rows name the channel of their reports.
    pub said_instances: u64,
    /// Admitted instances whose admission was imported.
    pub imported_instances: u64,
    /// Admitted instances that are judged by a part of their suite.
    pub part_instances: u64,
    /// SFT rows whose issue gives something of the answer away: `solution_in_issue`, `path_named_in_issue` -> rows.
    pub leaks: BTreeMap<String, u64>,
    /// Evidence levels of the rows -> rows.
    pub evidence: BTreeMap<String, u64>,
    /// Tiers of the rows of the test skill -> rows.
    pub tiers: BTreeMap<String, u64>,
    pub inputs: BTreeMap<String, Digest>,
}

impl CardFacts {
    /// Columns that this dataset has and not every one.
    pub(super) fn extra_columns(&self) -> ExtraColumns {
        ExtraColumns {
            lost_files: self.lost_instances > 0,
            outside_suite: self.outside_instances > 0,
            lost_tests: self.lost_test_instances > 0,
            ordered_tests: self.ordered_instances > 0,
            channel: self.said_instances > 0,
            admission_imported: self.imported_instances > 0,
            test_files_run: self.part_instances > 0,
        }
    }
}

/// One config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigFacts {
    pub name: String,
    pub rows: u64,
    /// Bytes of its Parquet shards.
    pub bytes: u64,
    /// Patterns of its shards that hold rows.
    pub paths: Vec<String>,
}

/// Verdicts of a skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountLine {
    pub skill: String,
    pub counts: Counts,
}

/// What one repository contributes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepositoryFacts {
    pub repo: String,
    /// SPDX expression, or none where it is not known.
    pub license: Option<String>,
    pub instances: u64,
    pub sft_rows: u64,
    pub rl_rows: u64,
}

/// Renders the card.
pub fn card(facts: &CardFacts) -> Result<String> {
    let mut environment = environment()?;
    let extra = facts.extra_columns();
    environment.add_function("features", move |config: String| features_yaml(&columns_of(&config, extra), 2));
    environment.add_filter("explained", |reason: String| explained(&reason).to_owned());
    environment.add_filter("cell", |text: String| text.replace('|', "\\|").replace(['\n', '\r'], " "));
    environment.add_filter("json_text", |value: minijinja::Value| {
        serde_json::to_string(&value).unwrap_or_else(|error| format!("not JSON: {error}"))
    });
    environment.add_filter("quoted", |text: String| serde_json::Value::from(text).to_string());
    let context = minijinja::context! {
        license => license(facts),
        loadable => minijinja::Value::from(Serde(loadable(facts))),
        held_out => minijinja::Value::from(Serde(&facts.matched.held_out)),
        compared => minijinja::Value::from(Serde(&facts.matched.benchmarks)),
        views_not_written => minijinja::Value::from(Serde(&facts.matched.views_not_written)),
        size => size_category(facts.configs.iter().map(|config| config.rows).max().unwrap_or(0)),
        ..minijinja::Value::from(Serde(facts))
    };
    environment.render_named_str("dataset.md", CARD, context).context("data-cards/dataset.md.jinja")
}

/// Renders `LICENSE.md`: the licences of the rows by repository.
pub fn licenses(facts: &CardFacts) -> Result<String> {
    let context = minijinja::Value::from(Serde(facts));
    environment()?.render_named_str("LICENSE.md", LICENSES, context).context("data-cards/LICENSE.md.jinja")
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?);
    Ok(environment)
}

/// Configs for the front matter. The `datasets` library refuses a split without rows, so an empty config is told of in
/// the text alone; if all are empty there is nothing to load and all are listed.
fn loadable(facts: &CardFacts) -> Vec<&ConfigFacts> {
    let filled: Vec<_> = facts.configs.iter().filter(|config| config.rows > 0).collect();
    if filled.is_empty() { facts.configs.iter().collect() } else { filled }
}

/// The card's one licence, if all repositories share it and the Hub knows it.
fn license(facts: &CardFacts) -> Option<String> {
    let all: BTreeSet<_> =
        facts.repositories.iter().map(|line| line.license.as_deref().map(str::to_lowercase)).collect();
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (Some(Some(one)), None) if HUB_LICENSES.contains(&one.as_str()) => Some(one),
        _ => None,
    }
}

/// The Hub's size buckets.
fn size_category(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}

/// A reason in plain words.
pub fn explained(reason: &str) -> &str {
    match reason {
        "duplicate" => "says the same as an earlier candidate",
        "near_duplicate" => "nearly the same change as an earlier row of its instance",
        "near_duplicate_instance" => "its instance has the change and the text of an earlier one",
        "surrogate_escapes" => "its answer holds bytes that are not UTF-8, and no row can hold them as they came",
        "repository_cap" => "the repository had enough rows of this skill already",
        "held_out_repository" => "its repository is held out for evaluation",
        "license/unknown" => "the licence of its repository is not known",
        "license/not_allowed" => "the licence of its repository is not among those asked for",
        "contaminated/repository" => "its repository belongs to a public benchmark",
        "contaminated/fork" => "its repository has the name of a benchmark's, under another owner",
        "contaminated/instance" => "its instance has the id of a benchmark's",
        "contaminated/base_commit" => "its instance starts from the commit of a benchmark's",
        "contaminated/patch" => "its change, or that of its instance, is that of a benchmark's instance",
        "contaminated/text" => "the issue reads like that of a benchmark's instance",
        "secret" => "it holds a key or a token",
        "personal_data" => "it holds an e-mail address or a home directory",
        "instance_secret" => "the issue or the accepted change holds a key or a token",
        "instance_personal_data" => "the issue or the accepted change holds an e-mail address or a home directory",
        "too_long" => "more tokens than allowed",
        "cap" => "the instance had enough rows of this skill already",
        "only_tasks" => "only tasks were asked for",
        "not_admitted" => "its instance was not admitted",
        "contradictory" => "status and reason of the verdict contradict each other",
        "evidence/E0" => "it ran, but not under conditions that prove anything",
        "rejected/malformed" => "no usable answer",
        "rejected/unsafe" => "the change leaves the tree, goes through a link or carries an odd mode",
        "rejected/does_not_apply" => "the change does not apply exactly",
        "rejected/no_change" => "nothing is left of the change",
        "rejected/still_failing" => "a fail-to-pass test did not pass",
        "rejected/regressed" => "a pass-to-pass test did not pass",
        "rejected/depends_on_infra_edit" => "passes only with its own edits to tests, runner or start-up files",
        "rejected/tampers_with_tests" => "passes by a run that changed trusted files",
        "rejected/shadows_environment" => "its own modules stand in for those of the runner or the environment",
        "rejected/passes_impossible_test" => "passes a test that no correct program passes",
        "rejected/disturbs_the_session" => "breaks tests that use nothing of the repository",
        "rejected/fails_held_out_test" => "knows the answers of the tests by heart",
        "rejected/behaves_only_under_runner" => "passes its tests under their runner and fails them without it",
        "rejected/breaks_network_test" => {
            "ends a test in an exception of its own, where gold gets as far as the network"
        }
        "rejected/timed_out" => "ran past a deadline that gold met easily",
        "rejected/out_of_memory" => "used more memory than a trial may",
        "rejected/ended_early" => "the test session ended before it said so",
        "rejected/forged_report" => "the report holds records that our reporter does not write",
        "rejected/exit_contradicts_report" => "exit status and report disagree",
        "rejected/does_not_reproduce" => "the test passes on base",
        "rejected/fails_for_wrong_reason" => "the test fails on base for a reason of its own",
        "rejected/fails_on_gold" => "the test fails with the accepted change",
        "rejected/not_collected" => {
            "the runner did not collect the same tests from it on base and with the accepted change"
        }
        "rejected/unsteady_test" => "the test's result changes with a repeat, another order, seed or zone, or alone",
        "rejected/breaks_other_tests" => "with the test in the tree, other tests no longer pass",
        "rejected/unsound_oracle" => "the test decides by something other than what the code does",
        "rejected/touches_non_tests" => "a test answer that changes something other than tests",
        "rejected/unknown_file" => "names a file that base does not have",
        "rejected/misses_file" => "leaves out a file that has to change",
        "rejected/too_many_files" => "names more files than allowed",
        "inconclusive/instance_not_admitted" => "its instance was not admitted, so nothing can be said",
        "inconclusive/sandbox_failed" => "the sandbox failed too often",
        "inconclusive/not_run" => "a trial that the verdict needs was not run",
        "inconclusive/evidence_unreadable" => "a stored report cannot be read back",
        "inconclusive/unsteady" => "runs of the same thing differ, and nothing says which is right",
        "inconclusive/control_failed" => "gold, run again beside the candidate, did not do what gold does",
        "inconclusive/canary_unreadable" => "the run with changed expectations gave no clear result",
        "inconclusive/disputed_by_held_out_test" => "answers some inputs near those of the tests otherwise than gold",
        "inconclusive/disputed_by_network_test" => "fails a test that needs the network otherwise than gold",
        "inconclusive/plain_run_unreadable" => "the run without the test runner gave no clear result",
        "inconclusive/changes_what_is_built" => {
            "it changes what the project is built from, and nothing was built of the change"
        }
        "inconclusive/source_not_read" => {
            "it passed everything, and the text of a file that it changes does not tell what runs"
        }
        "inconclusive/suspicious_source" => "it passed everything, and its source does what genuine changes do not",
        _ => "see the verdicts in `evidence/`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::select::matched::{BenchmarkMatch, HeldOut};

    #[test]
    fn a_card_has_one_licence_only_if_every_repository_shares_it() {
        let line = |license: Option<&str>| RepositoryFacts {
            repo: "r".to_owned(),
            license: license.map(str::to_owned),
            instances: 1,
            sft_rows: 1,
            rl_rows: 1,
        };
        let table = [
            (vec![Some("BSD-3-Clause"), Some("BSD-3-Clause")], Some("bsd-3-clause")),
            (vec![Some("MIT"), Some("BSD-3-Clause")], None),
            (vec![Some("MIT"), None], None),
            (vec![Some("LicenseRef-ours")], None),
            (vec![], None),
        ];
        for (licenses, expected) in table {
            let mut facts = example();
            facts.repositories = licenses.iter().copied().map(line).collect();
            assert_eq!(license(&facts).as_deref(), expected, "{licenses:?}");
            assert!(card(&facts).unwrap().contains(&format!("\nlicense: {}\n", expected.unwrap_or("other"))));
        }
    }

    #[test]
    fn an_empty_config_is_not_offered_for_loading_and_the_next_one_is_the_default() {
        let mut facts = example();
        facts.configs[0].rows = 0;
        let text = card(&facts).unwrap();
        assert!(!text.contains("- config_name: sft\n"));
        assert!(text.contains("- config_name: sft-localization\n  default: true\n"));
        assert!(text.contains("| `sft` | 0 | nothing"));
        facts.configs.iter_mut().for_each(|config| config.rows = 0);
        assert!(card(&facts).unwrap().contains("- config_name: sft\n  default: true\n"));
    }

    #[test]
    fn lost_test_files_are_counted_and_their_column_is_named_only_where_there_are_any() {
        let mut facts = example();
        assert!(!card(&facts).unwrap().contains("lost_files"));
        (facts.lost_instances, facts.lost_accepted, facts.lost_rows) = (2, 1, 3);
        let text = card(&facts).unwrap();
        assert!(text.contains("lost test files: 2.") && text.contains("SFT rows of these instances: 3;"), "{text}");
        assert!(text.contains("- name: lost_files\n    list: string\n"), "{text}");
        assert!(!text.contains("lost_tests") && !text.contains("outside_suite"), "{text}");
        (facts.outside_instances, facts.outside_rows) = (7, 8);
        let text = card(&facts).unwrap();
        assert!(
            text.contains("not part of the suite: 7.") && text.contains("SFT rows of these instances: 8;"),
            "{text}"
        );
        assert!(text.contains("- name: outside_suite\n    list: string\n"), "{text}");
        (facts.lost_test_instances, facts.lost_test_accepted, facts.lost_test_rows) = (4, 1, 5);
        let text = card(&facts).unwrap();
        assert!(text.contains("lost listed tests: 4.") && text.contains("SFT rows of these instances: 5;"), "{text}");
        assert!(text.contains("- name: lost_tests\n    list: string\n"), "{text}");
        assert!(!text.contains("ordered_tests"), "{text}");
        facts.ordered_instances = 6;
        let text = card(&facts).unwrap();
        assert!(text.contains("passes in one order only: 6."), "{text}");
        assert!(text.contains("- name: ordered_tests\n    list: string\n"), "{text}");
    }

    #[test]
    fn channels_that_a_candidate_can_write_to_are_told_of_only_where_there_are_any() {
        let mut facts = example();
        assert!(!card(&facts).unwrap().contains("channel"));
        facts.said_instances = 2;
        let text = card(&facts).unwrap();
        assert!(text.contains("can write to: 2.") && !text.contains("imported"), "{text}");
        facts.imported_instances = 3;
        let text = card(&facts).unwrap();
        assert!(text.contains("made elsewhere and imported: 3."), "{text}");
        assert!(text.contains("- name: admission_imported\n    dtype: string\n"), "{text}");
        assert!(!text.contains("part of their suite"), "{text}");
        facts.part_instances = 2;
        let text = card(&facts).unwrap();
        assert!(text.contains("judged by a part of their suite: 2."), "{text}");
        assert!(text.contains("- name: test_files_run\n    dtype: string\n"), "{text}");
        assert!(text.contains("- name: channel\n    dtype: string\n"), "{text}");
    }

    #[test]
    fn an_unfilled_placeholder_is_an_error() {
        let error = environment().unwrap().render_named_str("t", "{{ nothing }}", minijinja::context! {}).unwrap_err();
        assert!(error.to_string().contains("undefined"), "{error}");
    }

    #[test]
    fn size_categories_are_those_of_the_hub() {
        let table = [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (100_000, "100K<n<1M")];
        for (rows, expected) in table {
            assert_eq!(size_category(rows), expected);
        }
    }

    #[test]
    fn every_reason_of_a_verdict_has_plain_words() {
        let schema = serde_json::to_value(schemars::schema_for!(crate::model::verdict::Reason)).unwrap();
        let reasons = schema.pointer("/oneOf").and_then(|all| all.as_array()).unwrap();
        let mut names = Vec::new();
        for variant in reasons {
            names.extend(variant.get("const").and_then(|name| name.as_str()).map(str::to_owned));
            names.extend(
                variant
                    .pointer("/enum")
                    .and_then(|all| all.as_array())
                    .into_iter()
                    .flatten()
                    .map(|name| name.as_str().unwrap().to_owned()),
            );
        }
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let reason: crate::model::verdict::Reason = serde_json::from_value(name.clone().into()).unwrap();
            let status = crate::model::name::name(&reason.status());
            if status != "verified" {
                assert!(!explained(&format!("{status}/{name}")).starts_with("see the"), "{status}/{name}");
            }
        }
    }

    #[test]
    fn the_rendered_example_is_up_to_date() {
        let facts = example();
        let mut files = vec![("README.md".to_owned(), card(&facts).unwrap())];
        for (title, file) in &facts.pictures {
            let bars = [("first", 3), ("second", 2)].map(|(name, count)| (name.to_owned(), count)).to_vec();
            let chart = crate::chart::BarChart { title, x_label: "an example", y_label: "rows", bars };
            files.push((file.clone(), chart.svg().unwrap()));
        }
        for (file, text) in files {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data-cards/example").join(file);
            if std::env::var_os("ASSAY_UPDATE").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            let path = path.display();
            assert_eq!(found, text, "refresh {path} with ASSAY_UPDATE=1 cargo test --release --lib card");
        }
    }

    fn example() -> CardFacts {
        let config = |name: &str, rows, bytes| ConfigFacts {
            name: name.to_owned(),
            rows,
            bytes,
            paths: match name {
                "sft" => ["localization", "test", "repair"].map(|one| format!("sft-{one}/train-*.parquet")).to_vec(),
                _ => vec![format!("{name}/train-*.parquet")],
            },
        };
        let line = |skill: &str, counts: [u64; 5]| {
            let [candidates, verified, rejected, inconclusive, duplicates] = counts;
            CountLine {
                skill: skill.to_owned(),
                counts: Counts { candidates, verified, rejected, inconclusive, duplicates },
            }
        };
        let count = |entries: &[(&str, u64)]| entries.iter().map(|&(why, n)| (why.to_owned(), n)).collect();
        CardFacts {
            pretty_name: "Example of a verified dataset".to_owned(),
            tool: Tool { name: "swe-assay".to_owned(), version: "0.0.0".to_owned() },
            configs: vec![
                config("sft", 5, 20_480),
                config("sft-localization", 2, 9_216),
                config("sft-test", 1, 8_192),
                config("sft-repair", 2, 12_288),
                config("rl", 4, 40_960),
                config("preference", 1, 9_000),
            ],
            counts: vec![
                line("all", [12, 6, 5, 1, 1]),
                line("localization", [4, 2, 2, 0, 0]),
                line("test", [4, 1, 2, 1, 0]),
                line("repair", [4, 3, 1, 0, 1]),
            ],
            left_out: count(&[
                ("contaminated/repository", 2),
                ("duplicate", 1),
                ("near_duplicate", 1),
                ("inconclusive/not_run", 1),
                ("rejected/does_not_reproduce", 2),
                ("rejected/misses_file", 2),
                ("rejected/still_failing", 1),
            ]),
            left_out_tasks: count(&[("contaminated/repository", 1)]),
            settings: BTreeMap::from([
                ("benchmark_instances".to_owned(), 500.into()),
                ("near_duplicates".to_owned(), 0.9.into()),
                ("tokenizer".to_owned(), "estimate.v1".into()),
            ]),
            matched: Matched {
                held_out: BTreeMap::from([("example/three".to_owned(), HeldOut { instances: 2, candidates: 4 })]),
                benchmarks: vec![BenchmarkMatch {
                    file: "benchmark.parquet".to_owned(),
                    instances: 500,
                    unread_rows: 0,
                    matched_instances: 1,
                    matched_answers: 0,
                }],
                ..Matched::default()
            },
            benchmarks: count(&[("multi-swe", 40), ("swe-bench", 12)]),
            models: count(&[("a-model", 5)]),
            sampling: vec![(r#"{"temperature":0.6}"#.to_owned(), 5)],
            pictures: BTreeMap::from([
                ("Pass rate of the tasks".to_owned(), "pictures/pass-rate.svg".to_owned()),
                ("Tokens of the SFT rows".to_owned(), "pictures/tokens.svg".to_owned()),
            ]),
            signed: true,
            views: vec!["trl".to_owned()],
            repositories: vec![
                RepositoryFacts {
                    repo: "example/one".to_owned(),
                    license: Some("BSD-3-Clause".to_owned()),
                    instances: 1,
                    sft_rows: 4,
                    rl_rows: 3,
                },
                RepositoryFacts {
                    repo: "example/two".to_owned(),
                    license: None,
                    instances: 1,
                    sft_rows: 1,
                    rl_rows: 1,
                },
            ],
            instances: 3,
            admitted: 2,
            refused: count(&[("no_stable_fail_to_pass", 1)]),
            lost_instances: 0,
            lost_accepted: 0,
            lost_rows: 0,
            outside_instances: 0,
            outside_rows: 0,
            lost_test_instances: 0,
            lost_test_accepted: 0,
            lost_test_rows: 0,
            ordered_instances: 0,
            imported_instances: 0,
            part_instances: 0,
            said_instances: 0,
            leaks: count(&[("path_named_in_issue", 2), ("solution_in_issue", 0)]),
            evidence: count(&[("E1", 5)]),
            tiers: count(&[("silver", 1)]),
            inputs: BTreeMap::from([
                ("generations.jsonl".to_owned(), Digest::of(b"generations")),
                ("instances.jsonl".to_owned(), Digest::of(b"instances")),
            ]),
        }
    }
}
