//! Puts an answer on the base tree: what runs, and what is exported if it is verified.
//!
//! For a repair the protected classes (`policy`) are taken back to base first. The result is the policy tree, and its
//! diff is exported. If the policy tree fails and something was taken back, the answer also runs as it was submitted.
//! That tells `depends_on_infra_edit` from an ordinary failure.

use super::apply::{Normalised, Origin, apply_diff};
use super::draft::{Draft, Entry, Mode};
use super::edits::apply_edits;
use super::escaped;
use super::patch::MAX_PARTS;
use super::policy::{Policy, policy};
use super::store::Repository;
use super::{Stop, built, layered};
use crate::language::{self, Language};
use crate::model::admission::Trees;
use crate::model::candidate::{Malformed, MalformedReason, Payload, Prepared};
use crate::model::generation::Skill;

/// Puts an answer on the base tree.
///
/// Repair: the answer is applied, then every protected path is taken back to base; a candidate whose whole change is
/// taken back, or that changes nothing, has an empty diff. Test: files, edits or diff applied to base, nothing taken
/// back; a script becomes the file that its language gives it. Localization: the tree is base, and predicted files it lacks
/// are `missing`.
///
/// # Errors
/// A fault of the repository. Whatever is wrong with the answer is the inner [`Malformed`].
pub fn prepare(
    repo: &Repository,
    trees: &Trees,
    skill: Skill,
    payload: &Payload,
) -> anyhow::Result<Result<Prepared, Malformed>> {
    layered(match skill {
        Skill::Localization => localization(repo, trees, payload),
        Skill::Test => test(repo, trees, payload),
        Skill::Repair => repair(repo, trees, payload),
    })
}

fn localization(repo: &Repository, trees: &Trees, payload: &Payload) -> Result<Prepared, Stop> {
    let Payload::FileList { files } = payload else { return Err(wrong_form(Skill::Localization, payload)) };
    let mut missing = Vec::new();
    for path in files {
        if repo.read(&trees.base, path)?.is_none() {
            missing.push(path.clone());
        }
    }
    Ok(Prepared {
        tree: trees.base.clone(),
        submitted_tree: None,
        diff: String::new(),
        files: files.clone(),
        missing,
        stripped: Vec::new(),
        normalised: Vec::new(),
    })
}

fn test(repo: &Repository, trees: &Trees, payload: &Payload) -> Result<Prepared, Stop> {
    let mut draft = Draft::on(repo, &built::source(repo, trees)?)?;
    let mut notes = Normalised::new();
    match payload {
        Payload::TestFiles { files } => {
            if files.len() > MAX_PARTS {
                let detail = format!("the answer has {} files; the limit is {MAX_PARTS}", files.len());
                return Err(Malformed::new(MalformedReason::TooLarge, detail).into());
            }
            for file in files {
                write_file(&mut draft, &file.path, &file.content)?;
            }
        }
        Payload::Script { content } => {
            let runner = &trees.layout.framework;
            let none = || format!("tests of {runner} cannot be reproduction scripts; give a test file with its path");
            let script = match language::of_runner(runner) {
                Some(language) => language.script(),
                None => language::all().find_map(Language::script),
            };
            let script = script.ok_or_else(|| Malformed::new(MalformedReason::NoAnswer, none()))?;
            write_file(&mut draft, script.path, content)?;
        }
        Payload::UnifiedDiff { diff } => apply_diff(&mut draft, diff, Origin::Test, &mut notes)?,
        Payload::SearchReplace { edits } => apply_edits(&mut draft, edits, &mut notes)?,
        Payload::FileList { .. } => return Err(wrong_form(Skill::Test, payload)),
    }
    let tree = built::completed(repo, trees, draft.finish()?)?;
    prepared(repo, &trees.base, tree, notes)
}

fn repair(repo: &Repository, trees: &Trees, payload: &Payload) -> Result<Prepared, Stop> {
    let mut draft = Draft::on(repo, &built::source(repo, trees)?)?;
    let mut notes = Normalised::new();
    match payload {
        Payload::UnifiedDiff { diff } => apply_diff(&mut draft, diff, Origin::Repair, &mut notes)?,
        Payload::SearchReplace { edits } => apply_edits(&mut draft, edits, &mut notes)?,
        _ => return Err(wrong_form(Skill::Repair, payload)),
    }
    let answer = built::completed(repo, trees, draft.finish()?)?;
    let Policy { tree, submitted, stripped } = policy(repo, trees, answer, &mut notes)?;
    let mut prepared = prepared(repo, &trees.base, tree, notes)?;
    prepared.submitted_tree = (submitted != prepared.tree).then_some(submitted);
    prepared.stripped = stripped;
    Ok(prepared)
}

fn prepared(repo: &Repository, base: &str, tree: String, notes: Normalised) -> Result<Prepared, Stop> {
    Ok(Prepared {
        diff: repo.diff(base, &tree)?,
        files: repo.changed_paths(base, &tree)?,
        tree,
        submitted_tree: None,
        missing: Vec::new(),
        stripped: Vec::new(),
        normalised: notes.into_iter().map(str::to_owned).collect(),
    })
}

/// A whole file, over whatever file is there.
fn write_file(draft: &mut Draft<'_>, path: &str, content: &str) -> Result<(), Stop> {
    draft.check(path)?;
    escaped::check_text(path, &[content])?;
    let mode = match draft.get(path)?.map(|entry| entry.mode) {
        Some(Mode::Link) => {
            return Err(Malformed::new(MalformedReason::UnsafePath, format!("{path} is a symbolic link")).into());
        }
        Some(mode) => mode,
        None => Mode::Plain,
    };
    draft.put(path, Entry { mode, content: content.as_bytes().to_vec() })
}

fn wrong_form(skill: Skill, payload: &Payload) -> Stop {
    Malformed::new(MalformedReason::BadFormat, format!("a {} is no answer to {skill}", payload.form())).into()
}
