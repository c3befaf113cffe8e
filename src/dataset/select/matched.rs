//! What the options of an export that name something found in the run: held-out repositories, benchmark files, licences.
//! A name that nothing has is a slip of the hand and ends the export before anything is written. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dataset::seal::checks::{CheckOptions, Licenses, license_key};
use crate::exit_code::Stop;
use crate::intake::spdx_ids;
use crate::model::instance::Instance;
use crate::model::near_names::nearest;
use crate::model::repository_name::RepositoryName;

/// What was found of the names that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Matched {
    /// Repositories held out, as the run names them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held_out: BTreeMap<String, HeldOut>,
    /// Benchmark files, in the order in which they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub benchmarks: Vec<BenchmarkMatch>,
    /// Licences asked for that no instance has, while another one of the list is there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent_licenses: BTreeSet<String>,
    /// Views asked for that have no file: view -> why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views_not_written: BTreeMap<String, String>,
}

/// What is held out of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldOut {
    pub instances: u64,
    pub candidates: u64,
}

/// What a benchmark's file has in common with the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenchmarkMatch {
    /// Bare name of the file.
    pub file: String,
    /// Instances that were compared with.
    pub instances: u64,
    /// Rows of the file that could not be read.
    pub unread_rows: u64,
    /// Instances of the run that are the benchmark's, by repository, id, commit, change or text.
    pub matched_instances: u64,
    /// Answers to other instances that are the change of one of the benchmark's.
    pub matched_answers: u64,
}

impl Matched {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Looks up the names of the options among the instances of a run.
    ///
    /// # Errors
    /// A repository or a licence that no instance has; the message offers the nearest ones that there are.
    pub fn find(named: &Named, options: &CheckOptions) -> Result<Self, Stop> {
        let mut this = Self { benchmarks: named.benchmarks(options), ..Self::default() };
        let names: BTreeSet<_> = named.repositories.keys().map(|repo| RepositoryName::of(repo)).collect();
        if let Some(name) = options.held_out.iter().find(|name| !names.contains(name)) {
            let known = nearest(name.as_str(), named.repositories.keys().map(String::as_str));
            return Err(Stop::Usage(format!(
                "--hold-out {name}: no instance of the run is of this repository, so nothing would be held out; {known}"
            )));
        }
        for (repo, count) in &named.repositories {
            if options.held_out.contains(&RepositoryName::of(repo)) {
                this.held_out.insert(repo.clone(), HeldOut { instances: *count, candidates: 0 });
            }
        }
        if let Licenses::Only(wanted) = &options.licenses {
            this.absent_licenses = absent_licenses(&named.licenses, wanted)?;
        }
        Ok(this)
    }
}

/// What the instances of a run have that options may name.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Repository -> instances.
    repositories: BTreeMap<String, u64>,
    /// By their [`license_key`].
    licenses: BTreeMap<String, String>,
    /// Instances that each of the benchmark files has.
    in_benchmarks: Vec<u64>,
}

impl Named {
    /// Takes one more instance in.
    pub fn see(&mut self, instance: &Instance, options: &CheckOptions) {
        *self.repositories.entry(instance.repo.clone()).or_default() += 1;
        if let Some(license) = &instance.license
            && let Some(key) = license_key(license)
        {
            self.licenses.insert(key, license.clone());
        }
        let files = options.benchmarks.files();
        self.in_benchmarks.resize(files.len(), 0);
        for (count, file) in self.in_benchmarks.iter_mut().zip(files) {
            *count += u64::from(file.has(instance));
        }
    }

    fn benchmarks(&self, options: &CheckOptions) -> Vec<BenchmarkMatch> {
        let files = options.benchmarks.files().iter().enumerate();
        let matched = files.map(|(number, file)| BenchmarkMatch {
            file: file.name.clone(),
            instances: file.instances as u64,
            unread_rows: file.unread.len() as u64,
            matched_instances: self.in_benchmarks.get(number).copied().unwrap_or_default(),
            matched_answers: 0,
        });
        matched.collect()
    }
}

/// Licences that no instance has. A list may be a standing rule, so a licence that the list of SPDX knows may be absent as
/// long as another one is there; what nobody knows is a mistake.
fn absent_licenses(there: &BTreeMap<String, String>, wanted: &BTreeSet<String>) -> Result<BTreeSet<String>, Stop> {
    let known: BTreeSet<_> = spdx_ids().map(|id| id.to_lowercase()).collect();
    let absent: BTreeSet<_> = wanted.iter().filter(|license| !there.contains_key(*license)).cloned().collect();
    let mistake = absent.iter().find(|license| absent.len() == wanted.len() || !known.contains(*license));
    match mistake {
        None => Ok(absent),
        Some(license) => Err(Stop::Usage(format!(
            "--license {license}: no instance of the run has this licence; of known licences {}. Give SPDX expressions, or \
             `any` for every licence, known or not",
            nearest(license, there.values().map(String::as_str))
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::select::contamination::Benchmarks;

    fn named(options: &CheckOptions) -> Named {
        let rows = [
            ("a", "Shop/Pricing", Some("MIT")),
            ("b", "shop/pricing", Some("Apache-2.0 OR  MIT")),
            ("c", "swesmith/tools__clock.0a1b2c3", None),
            ("d", "greeter", Some("BSD-3-Clause")),
        ];
        let mut named = Named::default();
        for (id, repo, license) in rows {
            let value = serde_json::json!({
                "instance_id": id, "repo": repo, "base_commit": "0", "license": license, "problem_statement": "p", "patch": "",
            });
            named.see(&serde_json::from_value(value).unwrap(), options);
        }
        named
    }

    fn find(held_out: &str, licenses: &[&str]) -> Result<Matched, String> {
        let held_out = if held_out.is_empty() { Vec::new() } else { RepositoryName::list(held_out).unwrap() };
        let licenses = match licenses {
            [] => Licenses::Known,
            named => Licenses::Only(named.iter().filter_map(|name| license_key(name)).collect()),
        };
        let options = CheckOptions { held_out: held_out.into_iter().collect(), licenses, ..CheckOptions::default() };
        Matched::find(&named(&options), &options).map_err(|stop| stop.to_string())
    }

    #[test]
    fn a_held_out_repository_is_found_under_each_of_its_names_and_counted() {
        for text in ["SHOP/PRICING", "https://github.com/shop/pricing.git", "git@example.org:shop/pricing"] {
            let matched = find(text, &[]).unwrap();
            let found: Vec<_> = matched.held_out.iter().map(|(repo, held)| (repo.as_str(), held.instances)).collect();
            assert_eq!(found, [("Shop/Pricing", 1), ("shop/pricing", 1)], "{text}");
        }
        let found = find("Greeter,tools/clock", &[]).unwrap().held_out.into_keys().collect::<Vec<_>>();
        assert_eq!(found, ["greeter", "swesmith/tools__clock.0a1b2c3"]);
        assert!(find("", &[]).unwrap().is_empty());
    }

    #[test]
    fn a_repository_that_no_instance_has_is_a_mistake_and_the_nearest_is_offered() {
        for (text, name) in
            [("shop/pricingx", "shop/pricingx"), ("greeter,shop/prcing", "shop/prcing"), ("shop/clock", "shop/clock")]
        {
            let why = find(text, &[]).unwrap_err();
            assert!(why.contains(&format!("--hold-out {name}:")) && why.contains("shop/pricing"), "{why}");
        }
        // Another owner is another repository, and a name without its owner may be anybody's.
        assert!(find("else/pricing", &[]).is_err() && find("pricing", &[]).is_err());
    }

    #[test]
    fn a_licence_that_no_instance_has_is_a_mistake_but_for_a_known_one_beside_one_that_is_there() {
        assert!(find("", &["mit"]).unwrap().is_empty());
        assert!(find("", &["apache-2.0 or mit"]).unwrap().is_empty());
        let matched = find("", &["MIT", "isc"]).unwrap();
        assert_eq!(matched.absent_licenses, BTreeSet::from(["isc".to_owned()]));
        for (wanted, name) in
            [(vec!["MIT", "Apach-2.0"], "apach-2.0"), (vec!["isc"], "isc"), (vec!["MIT License"], "mit license")]
        {
            let why = find("", &wanted).unwrap_err();
            assert!(why.contains(&format!("--license {name}:")) && why.contains("MIT"), "{why}");
        }
    }

    #[test]
    fn a_benchmark_file_says_how_many_instances_of_the_run_are_its_own_and_how_many_rows_it_could_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bench.jsonl");
        let row = |id: &str, repo: &str| {
            serde_json::json!({"instance_id": id, "repo": repo, "base_commit": "1".repeat(40), "patch": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n",
                "problem_statement": "q", "test_patch": "", "FAIL_TO_PASS": ["t"], "PASS_TO_PASS": []})
        };
        std::fs::write(&path, format!("{}\n{}\nnot JSON\n", row("x-1", "Tools/Clock"), row("x-2", "far/away")))
            .unwrap();
        let mut benchmarks = Benchmarks::none();
        benchmarks.add_file(&path).unwrap();
        let options = CheckOptions { benchmarks, ..CheckOptions::default() };
        let matched = Matched::find(&named(&options), &options).unwrap();
        let expected = BenchmarkMatch {
            file: "bench.jsonl".to_owned(),
            instances: 2,
            unread_rows: 1,
            matched_instances: 1,
            matched_answers: 0,
        };
        assert_eq!(matched.benchmarks, [expected]);
    }
}
