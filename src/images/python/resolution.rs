//! What is installed: what the recipe, the instance and the project require, and of what the project declares for its tests as much as
//! can be resolved with that. Pure, but for the resolver that it is given.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::recipe::Recipe;
use crate::images::environment_error::EnvironmentError;
use crate::language::python::needs::locks::Constraint;
use crate::language::python::needs::requirement::{AN_ADDRESS, disjoint, is_address, name_of};
use crate::runner::python::pytest::KNOWN;

/// Attempts with parts of what is declared, at most. What was not tried by then is not installed.
const MOST_ATTEMPTS: usize = 24;

/// Raised when the same wishes are settled in another way.
const RULES: u32 = 2;

/// Everything that an environment is to have.
#[derive(Clone, Debug)]
pub struct Wishes<'a> {
    pub recipe: &'a Recipe,
    /// The instance's own requirement lines. They never give way.
    pub requirements: &'a [String],
    /// What the project itself requires. That does not give way either.
    pub own: &'a [String],
    /// What the project declares for its tests.
    pub(crate) declared: Vec<Line>,
    pub(crate) constraints: Vec<Constraint>,
}

/// A declared requirement, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub line: String,
    pub source: String,
}

/// What a resolver is asked: requirement lines and constraints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub lines: Vec<String>,
    pub constraints: Vec<String>,
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled<R> {
    pub question: Question,
    pub answer: R,
    /// What is not installed, each with its source and the reason.
    pub left_out: Vec<String>,
}

/// Resolves a question, or says why that is not possible.
pub(crate) type Resolver<'r, R> = dyn FnMut(&Question) -> Result<R, EnvironmentError> + 'r;

impl<'a> Wishes<'a> {
    /// With nothing that is declared.
    pub fn new(recipe: &'a Recipe, requirements: &'a [String], own: &'a [String]) -> Self {
        Self { recipe, requirements, own, declared: Vec::new(), constraints: Vec::new() }
    }

    /// Names everything that the answer depends on, but for the resolver.
    pub(crate) fn identity(&self) -> impl Serialize {
        let constraints: Vec<[String; 3]> = self
            .constraints
            .iter()
            .map(|Constraint { name, line, file }| [name, line, file].map(Clone::clone))
            .collect();
        let (runner, known) = KNOWN;
        let recipe = (self.recipe.requirements.clone(), self.recipe.older.clone());
        let asked = (self.requirements.to_vec(), self.own.to_vec(), self.declared.clone(), constraints);
        (RULES, runner, known.into_inner(), recipe, asked)
    }

    fn lines(&self, recipe: &[String], declared: &[Line]) -> Result<Vec<String>, EnvironmentError> {
        let declared = declared.iter().map(|declared| declared.line.clone());
        let extra: Vec<String> = self.requirements.iter().cloned().chain(declared).collect();
        requirement_lines(recipe.iter().chain(&extra).chain(self.named_own()))
    }

    /// What the project itself requires of the index. What its metadata names at an address is fetched only if the instance asks for it.
    fn named_own(&self) -> impl Iterator<Item = &String> {
        self.own.iter().filter(|line| !is_address(line))
    }

    fn own_addresses(&self) -> Vec<String> {
        let given = self.given();
        let taken =
            |line: &String| self.requirements.contains(line) || name_of(line).is_some_and(|name| given.contains(&name));
        let left_out = self.own.iter().filter(|line| is_address(line) && !taken(line));
        left_out.map(|line| format!("{line} (the project's metadata): {AN_ADDRESS}")).collect()
    }

    /// Distributions that the instance names, beyond what it repeats of the project.
    fn given(&self) -> BTreeSet<String> {
        self.requirements.iter().filter(|line| !self.own.contains(line)).filter_map(|line| name_of(line)).collect()
    }

    /// What the instance and the project itself require.
    fn firm(&self) -> impl Iterator<Item = &String> {
        self.requirements.iter().chain(self.named_own())
    }

    /// Resolves as much as possible.
    ///
    /// # Errors
    /// What never gives way cannot be resolved, or the resolver cannot be asked.
    pub(crate) fn settle<R>(&self, resolver: &mut Resolver<'_, R>) -> Result<Settled<R>, EnvironmentError> {
        let mut left_out = self.own_addresses();
        let declared = self.usable(&mut left_out);
        let mut search = Search { wishes: self, resolver, attempts: 0, any_version: false };
        let constraints = self.free_constraints(&declared);
        let first = search.attempt(&declared, &constraints);
        let refused = match first {
            Ok((question, answer)) => return Ok(Settled { question, answer, left_out }),
            Err(refused) => reason(refused)?,
        };
        if constraints.is_empty() && declared.is_empty() {
            return Err(refused.0);
        }
        if !constraints.is_empty() {
            match search.attempt(&declared, &[]) {
                Ok((question, answer)) => {
                    left_out.push(versions_left_out(&constraints, &refused.1));
                    return Ok(Settled { question, answer, left_out });
                }
                Err(refused) => drop(reason(refused)?),
            }
        }
        // Without what is declared, nothing may be lost.
        let mut best = search.attempt(&[], &[])?;
        let mut kept: Vec<Line> = Vec::new();
        search.grow(&mut kept, &declared, &mut best, &mut left_out)?;
        if !constraints.is_empty() {
            match search.attempt(&kept, &self.free_constraints(&kept)) {
                Ok(found) => best = found,
                Err(refused) => left_out.push(versions_left_out(&constraints, &reason(refused)?.1)),
            }
        }
        let (question, answer) = best;
        Ok(Settled { question, answer, left_out })
    }

    /// Declared lines without those that a requirement of the instance takes the place of, and without versions of the runner that its
    /// reporter does not know.
    fn usable(&self, left_out: &mut Vec<String>) -> Vec<Line> {
        let given = self.given();
        let (runner, known) = KNOWN;
        let range = format!("{runner}>={},<{}", known.start(), known.end() + 1);
        let mut usable = self.declared.clone();
        usable.retain(|declared| {
            let name = name_of(&declared.line);
            if name.as_deref() == Some(runner) && disjoint([range.as_str(), declared.line.as_str()]) {
                left_out.push(declared.not_installed(&format!(
                    "the reporter knows {runner} {} to {}",
                    known.start(),
                    known.end()
                )));
                return false;
            }
            if is_address(&declared.line) && !name.as_ref().is_some_and(|name| given.contains(name)) {
                left_out.push(declared.not_installed(AN_ADDRESS));
                return false;
            }
            name.is_some_and(|name| !given.contains(&name))
        });
        usable
    }

    /// Constraints without those of distributions that the instance names, and without versions of the runner that the recipe would not
    /// take: nobody asked for them by name.
    fn free_constraints(&self, declared: &[Line]) -> Vec<Constraint> {
        let given = self.given();
        let recipe = self.recipe_lines(declared);
        let fits = |constraint: &&Constraint| {
            let mut own = recipe.iter().filter(|line| name_of(line).as_ref() == Some(&constraint.name));
            !given.contains(&constraint.name) && own.all(|line| !disjoint([line.as_str(), constraint.line.as_str()]))
        };
        self.constraints.iter().filter(fits).cloned().collect()
    }

    /// Lines of older versions in the place of the recipe's that are in force.
    fn older_lines(&self, recipe: &[String]) -> Vec<String> {
        let older = |line: &String| {
            let name = name_of(line);
            let found = self.recipe.older.iter().find(|older| name_of(older) == name);
            // One that gave way already has no bounds.
            found.filter(|_| name.as_ref() != Some(line)).unwrap_or(line).clone()
        };
        recipe.iter().map(older).collect()
    }

    /// The recipe's lines. One that contradicts what somebody asks for by name gives way, but for the name.
    fn recipe_lines(&self, declared: &[Line]) -> Vec<String> {
        let lines = self.recipe.requirements.iter().map(|line| {
            let Some(name) = name_of(line) else { return line.clone() };
            let asked = self.firm().map(String::as_str).chain(declared.iter().map(|declared| declared.line.as_str()));
            let same: Vec<&str> = asked.filter(|asked| name_of(asked).as_ref() == Some(&name)).collect();
            if disjoint(same.into_iter().chain([line.as_str()])) { name } else { line.clone() }
        });
        lines.collect()
    }
}

/// Requirement lines, sorted, each once.
fn requirement_lines<'l>(lines: impl Iterator<Item = &'l String>) -> Result<Vec<String>, EnvironmentError> {
    let mut lines: Vec<String> = lines.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    lines.sort();
    lines.dedup();
    match lines.iter().find(|line| line.starts_with('-')) {
        Some(option) => Err(EnvironmentError::Refused {
            tool: "pip",
            doing: "reading the requirements".to_owned(),
            why: format!("{option:?} is a pip option; give package names with versions"),
        }),
        None => Ok(lines),
    }
}

impl Line {
    fn not_installed(&self, why: &str) -> String {
        format!("{} ({}): {why}", self.line, self.source)
    }
}

fn versions_left_out(constraints: &[Constraint], why: &str) -> String {
    let files: BTreeSet<&str> = constraints.iter().map(|constraint| constraint.file.as_str()).collect();
    format!("the versions of {}: {why}", files.into_iter().collect::<Vec<_>>().join(", "))
}

/// A refusal with its reason in one line. Everything else says nothing about the requirements, and ends the search.
fn reason(error: EnvironmentError) -> Result<(EnvironmentError, String), EnvironmentError> {
    let line = match &error {
        EnvironmentError::Refused { why, .. } => told_by(why),
        EnvironmentError::AnswerInImage { .. } | EnvironmentError::UnknownRunner { .. } => error.to_string(),
        EnvironmentError::Missing(_)
        | EnvironmentError::Unreachable { .. }
        | EnvironmentError::NotBuilt { .. }
        | EnvironmentError::Unsupported(_)
        | EnvironmentError::Failed { .. }
        | EnvironmentError::Cache(_) => return Err(error),
    };
    Ok((error, line))
}

/// The line of pip's words that says most.
fn told_by(why: &str) -> String {
    const SIGNS: [&str; 5] =
        ["No matching distribution", "conflicting dependencies", "Failed to build", "Failed building wheel", "ERROR:"];
    let lines = || why.lines().map(str::trim).filter(|line| !line.is_empty());
    let found = SIGNS.iter().find_map(|sign| lines().find(|line| line.contains(sign)));
    let line = found.or_else(|| lines().next_back()).unwrap_or("pip gave no reason");
    line.trim_start_matches("ERROR: ").trim_end_matches('.').to_owned()
}

/// The distribution of `module of NAME-VERSION-....whl`.
fn distribution_of_wheel(path: &str) -> Option<String> {
    let (_, wheel) = path.rsplit_once(" of ")?;
    name_of(wheel.split('-').next()?)
}

/// Distributions that pip names as the ones that it cannot find or build.
fn culprits(why: &str) -> BTreeSet<String> {
    const BEFORE: [&str; 5] = [
        "No matching distribution found for ",
        "satisfies the requirement ",
        "Failed building wheel for ",
        "Failed to build ",
        "Could not build wheels for ",
    ];
    let mut names = BTreeSet::new();
    for line in why.lines() {
        let Some(rest) = BEFORE.iter().find_map(|before| line.split_once(before).map(|(_, rest)| rest)) else {
            continue;
        };
        let word = |text: &str| {
            let text = text.trim_start_matches(['\'', '"', ' ']);
            let end = text
                .find(|letter: char| !letter.is_ascii_alphanumeric() && !"._-".contains(letter))
                .unwrap_or(text.len());
            name_of(&text[..end])
        };
        names.extend(word(rest));
        // `bar==9 (from foo)`, `(from foo->baz)`.
        if let Some((_, from)) = rest.split_once("(from ")
            && !from.starts_with("versions")
        {
            let from = from.split(')').next().unwrap_or_default();
            names.extend(from.split("->").filter_map(word));
        }
    }
    names
}

/// The attempts of one settlement.
struct Search<'s, 'a, 'r, R> {
    wishes: &'s Wishes<'a>,
    resolver: &'s mut Resolver<'r, R>,
    attempts: usize,
    /// Something that never gives way needs other versions than the recipe's.
    any_version: bool,
}

impl<R> Search<'_, '_, '_, R> {
    /// Asks with the recipe's lines. If they are in conflict with something that is declared, older versions will do; if with something
    /// that never gives way, any.
    fn attempt(&mut self, declared: &[Line], constraints: &[Constraint]) -> Result<(Question, R), EnvironmentError> {
        self.attempts += 1;
        let recipe = self.wishes.recipe_lines(declared);
        let names: Vec<String> = recipe.iter().map(|line| name_of(line).unwrap_or_else(|| line.clone())).collect();
        let others = match (self.any_version, declared.is_empty()) {
            (false, false) => self.wishes.older_lines(&recipe),
            (true, _) | (_, true) => names.clone(),
        };
        let constraints: Vec<String> = constraints.iter().map(|constraint| constraint.line.clone()).collect();
        let question = Question { lines: self.wishes.lines(&recipe, declared)?, constraints };
        let error = match (self.resolver)(&question) {
            Ok(answer) => return Ok((question, answer)),
            Err(error) => error,
        };
        let in_conflict = |why: &str| why.contains("conflict") && names.iter().any(|name| why.contains(name.as_str()));
        match &error {
            EnvironmentError::Refused { why, .. } if others != recipe && in_conflict(why) => {
                let question = Question { lines: self.wishes.lines(&others, declared)?, ..question };
                match (self.resolver)(&question) {
                    Ok(answer) => {
                        self.any_version |= declared.is_empty();
                        Ok((question, answer))
                    }
                    // What it said first is about what was asked for.
                    Err(EnvironmentError::Refused { .. }) => Err(error),
                    Err(other) => Err(other),
                }
            }
            _ => Err(error),
        }
    }

    /// Adds to `kept` what resolves together with it: all of it, or else what is left without the distributions that pip names, or else
    /// half by half.
    fn grow(
        &mut self,
        kept: &mut Vec<Line>,
        more: &[Line],
        best: &mut (Question, R),
        left_out: &mut Vec<String>,
    ) -> Result<(), EnvironmentError> {
        if more.is_empty() {
            return Ok(());
        }
        if self.attempts >= MOST_ATTEMPTS {
            left_out.extend(more.iter().map(|line| line.not_installed("it was not tried, after many that failed")));
            return Ok(());
        }
        let together: Vec<Line> = kept.iter().chain(more).cloned().collect();
        let error = match self.attempt(&together, &[]) {
            Ok(found) => {
                (*kept, *best) = (together, found);
                return Ok(());
            }
            Err(error) => reason(error)?,
        };
        let (error, told) = error;
        let named = match &error {
            EnvironmentError::Refused { why, .. } => culprits(why),
            EnvironmentError::AnswerInImage { path } => distribution_of_wheel(path).into_iter().collect(),
            EnvironmentError::UnknownRunner { .. }
            | EnvironmentError::Missing(_)
            | EnvironmentError::Unreachable { .. }
            | EnvironmentError::NotBuilt { .. }
            | EnvironmentError::Unsupported(_)
            | EnvironmentError::Failed { .. }
            | EnvironmentError::Cache(_) => BTreeSet::new(),
        };
        let is_named = |line: &&Line| name_of(&line.line).is_some_and(|name| named.contains(&name));
        let (out, rest): (Vec<&Line>, Vec<&Line>) = more.iter().partition(is_named);
        if !out.is_empty() {
            left_out.extend(out.iter().map(|line| line.not_installed(&told)));
            let rest: Vec<Line> = rest.into_iter().cloned().collect();
            return self.grow(kept, &rest, best, left_out);
        }
        if let [only] = more {
            left_out.push(only.not_installed(&told));
            return Ok(());
        }
        let (front, back) = more.split_at(more.len() / 2);
        self.grow(kept, front, best, left_out)?;
        self.grow(kept, back, best, left_out)
    }
}
