//! What prompts cost over a large tree: `cargo bench --bench prompt`. 5,000 files of 8 KB, three skills per instance, a budget
//! of 60,000 tokens; prints seconds per instance and the most memory that was held.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use swe_assay::inside::model::generation::Skill;
use swe_assay::inside::model::instance::Instance;
use swe_assay::inside::prompt::compose::{Composer, Recipe};
use swe_assay::inside::prompt::templates::Templates;
use swe_assay::inside::repo::Repository;
use swe_assay::inside::tokens::Counter;

const FILES: usize = 5_000;
const INSTANCES: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let (repository, commit) = repository(folder.path());
    let templates = Templates::ours();
    let counter = match std::env::var_os("ASSAY_TOKENIZER") {
        Some(path) => Counter::from_file(Path::new(&path)).expect("a tokenizer"),
        None => Counter::estimate(),
    };
    let recipe = Recipe { templates: &templates, counter: &counter, budget: 60_000, retrieve: 20, embedder: None };
    let before = most_memory();
    let mut slowest = 0.0_f64;
    for number in 0..INSTANCES {
        let instance: Instance = serde_json::from_value(json!({
            "instance_id": format!("one-{number}"), "repo": "a/a", "base_commit": commit, "patch": "",
            "problem_statement": format!("`part_{}_{number}` of module_{} raises KeyError: 'delta' when the table of deltas is \
                empty. The cache in section_{number} is asked before it is filled. ", number * 7, number * 31).repeat(12),
        }))
        .expect("an instance");
        let started = Instant::now();
        let mut composer = Composer::new(&recipe, &instance, &repository).expect("a tree");
        let localized = [format!("pkg/area_3/section_{number}/module_{number}.py")];
        let tokens: Vec<u64> = Skill::ALL
            .iter()
            .map(|skill| {
                composer.compose(*skill, &localized, "generations").expect("it composes").expect("a prompt").tokens
            })
            .collect();
        let seconds = started.elapsed().as_secs_f64();
        slowest = slowest.max(seconds);
        println!("instance {number}: {seconds:.3} s, prompts of {tokens:?} tokens ({})", counter.name());
    }
    println!(
        "slowest {slowest:.3} s (bound 0.5); memory {} MB before, {} MB at most (bound 300)",
        before,
        most_memory()
    );
}

fn repository(folder: &Path) -> (Repository, String) {
    let source = folder.join("source");
    for number in 0..FILES {
        let path = source.join(format!("pkg/area_{}/section_{}/module_{number}.py", number % 25, number % 40));
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        let text: String = (0..80)
            .map(|part| {
                format!("def part_{part}_{number}(table, delta={part}):\n    value = table.lookup('{part}', delta) or {number}\n    return value\n\n")
            })
            .collect();
        std::fs::write(path, text).expect("a file");
    }
    let repository = Repository::create_bare(&folder.join("repo.git")).expect("a repository");
    let commit = repository.import_directory(&source, "base").expect("a commit");
    (repository, commit)
}

/// Most memory that this process held so far, in MB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") / 1024
}
