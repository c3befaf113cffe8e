//! Composes prompts per instance and skill: reads the base tree, finds files, and fits them into the token budget.
//!
//! The issue and the template take what they take. The listing of the repository may take all the rest in localization
//! prompts, and a share of it in the others. Files are shown whole: localized ones in their order, then retrieved ones.
//! If a file would overflow, it is noted in `left_out` and the next one is still tried. What is recorded as `tokens` is
//! the whole prompt, counted again.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::embed::Embedder;
use super::listing::{Listing, Listings};
use super::rank::{Query, rank};
use super::record::{Absent, LeftOut, Origin, Prompt, ShownFile, prompt_id};
use super::render::{PromptFile, fill};
use super::templates::Templates;
use crate::model::candidate::PathClass;
use crate::model::format;
use crate::model::generation::{Message, Skill};
use crate::model::instance::Instance;
use crate::model::layout::Layout;
use crate::repo::Repository;
use crate::tokens::Counter;

/// Files of more bytes than this are not searched: data, or written by a program.
const LARGEST_SEARCHED: usize = 1 << 20;

/// Retrieved files that are tried for each that is shown, before giving up on the budget.
const TRIES: usize = 4;

/// Share of the budget that the listing may take in prompts that show files.
const TREE_SHARE: u64 = 10;

/// How prompts are made.
#[derive(Debug)]
pub struct Recipe<'a> {
    pub templates: &'a Templates,
    pub counter: &'a Counter,
    /// Tokens that a prompt may have.
    pub budget: u64,
    /// Retrieved files to show after the localized ones, at most.
    pub retrieve: usize,
    /// Puts the files that BM25 finds in another order.
    pub embedder: Option<&'a Embedder>,
}

/// A prompt, or why there is none.
pub type Composed = Result<Prompt, String>;

/// What all prompts of an instance share, read once: the paths of base, and the files found by the words of the issue.
#[derive(Debug)]
pub struct Composer<'a> {
    recipe: &'a Recipe<'a>,
    instance: &'a Instance,
    repository: &'a Repository,
    base: String,
    layout: Layout,
    paths: Vec<String>,
    listings: Listings,
    /// Best first; `None` before they are needed.
    found: Option<Vec<String>>,
    /// Tokens of the files that were offered: two skills show the same ones.
    offered: BTreeMap<String, u64>,
}

impl<'a> Composer<'a> {
    /// # Errors
    /// The repository lacks the base commit, or cannot be read.
    pub fn new(recipe: &'a Recipe<'a>, instance: &'a Instance, repository: &'a Repository) -> anyhow::Result<Self> {
        let base = repository.tree_of(&instance.base_commit)?;
        let paths = repository.paths(&base)?;
        let layout = Layout::by_name(&instance.environment.framework);
        let (listings, offered) = (Listings::default(), BTreeMap::new());
        Ok(Self { recipe, instance, repository, base, layout, paths, listings, found: None, offered })
    }

    /// The prompt of a skill. Localized files come first, in their order, then retrieved ones; a file that would overflow the
    /// budget is left out and noted, and the ones after it are still tried. `localization` says where the files come from.
    ///
    /// # Errors
    /// The repository, the tokenizer, a template or the endpoint for embeddings fails.
    pub fn compose(&mut self, skill: Skill, localized: &[String], localization: &str) -> anyhow::Result<Composed> {
        let recipe = self.recipe;
        if self.instance.problem_statement.trim().is_empty() {
            return Ok(Err("the instance has no problem statement".to_owned()));
        }
        let frame = self.count(&self.render(skill, &Listing::default(), &[])?)?;
        if frame >= recipe.budget {
            return Ok(Err(format!("the issue alone takes {frame} tokens of {}; raise --budget", recipe.budget)));
        }
        let room = recipe.budget - frame;
        let with_files = skill != Skill::Localization;
        let tree = self.tree(if with_files { room / TREE_SHARE } else { room })?;
        if !with_files && tree.text.is_empty() {
            return Ok(Err(format!("not even the top of the tree fits into {} tokens; raise --budget", recipe.budget)));
        }
        let mut chosen = Choice::default();
        if with_files {
            self.choose(localized, room - tree.tokens, &mut chosen)?;
            if chosen.files.is_empty() {
                return Ok(Err(format!("no file can be shown: {}", chosen.why())));
            }
        }
        // Counted apart and counted together need not be the same; what is recorded is what the whole takes.
        loop {
            let messages = self.render(skill, &tree, &chosen.files)?;
            let tokens = self.count(&messages)?;
            if tokens <= recipe.budget {
                return Ok(Ok(self.prompt(skill, messages, tokens, &tree, chosen, localization)));
            }
            if chosen.files.len() <= usize::from(with_files) {
                return Ok(Err(format!("it takes {tokens} tokens of {}; raise --budget", recipe.budget)));
            }
            chosen.drop_last();
        }
    }

    fn prompt(
        &self,
        skill: Skill,
        messages: Vec<Message>,
        tokens: u64,
        tree: &Listing,
        chosen: Choice,
        localization: &str,
    ) -> Prompt {
        let (templates, id) = (self.recipe.templates, &self.instance.instance_id);
        Prompt {
            format: format::PROMPT.to_owned(),
            prompt_id: prompt_id(templates.name(skill), id, &messages),
            instance_id: id.clone(),
            skill,
            messages,
            template: templates.id(skill).to_owned(),
            tokens,
            counter: self.recipe.counter.name().to_owned(),
            tree: tree.shown,
            files: chosen.shown,
            left_out: chosen.left_out,
            localization: if skill == Skill::Localization { String::new() } else { localization.to_owned() },
        }
    }

    fn render(&self, skill: Skill, tree: &Listing, files: &[PromptFile]) -> anyhow::Result<Vec<Message>> {
        let statement = &self.instance.problem_statement;
        fill(self.recipe.templates, skill, statement, tree, files).with_context(|| self.instance.instance_id.clone())
    }

    fn count(&self, messages: &[Message]) -> anyhow::Result<u64> {
        let mut tokens = 0;
        for message in messages {
            tokens += self.recipe.counter.count(&message.content)?;
        }
        Ok(tokens)
    }

    fn tree(&mut self, room: u64) -> anyhow::Result<Listing> {
        let layout = &self.layout;
        let is_source = |path: &str| layout.class(path) == PathClass::Source;
        Ok(self.listings.fitting(&self.paths, is_source, room, self.recipe.counter)?)
    }

    fn choose(&mut self, localized: &[String], room: u64, chosen: &mut Choice) -> anyhow::Result<()> {
        chosen.room = room;
        for path in localized {
            self.offer(path, Origin::Localized, chosen)?;
        }
        if self.recipe.retrieve == 0 {
            return Ok(());
        }
        let mut wanted = self.recipe.retrieve;
        let tries = wanted.saturating_mul(TRIES);
        let found = self.found()?.to_vec();
        let further = found.iter().filter(|path| !localized.contains(path)).take(tries);
        for path in further {
            if wanted == 0 {
                break;
            }
            wanted -= usize::from(self.offer(path, Origin::Retrieved, chosen)?);
        }
        Ok(())
    }

    /// Takes a file if it fits; says whether it did.
    fn offer(&mut self, path: &str, origin: Origin, chosen: &mut Choice) -> anyhow::Result<bool> {
        let mut absent = |why, tokens| {
            chosen.left_out.push(LeftOut { path: path.to_owned(), origin, why, tokens });
            Ok(false)
        };
        let Some(bytes) = self.repository.read(&self.base, path)? else { return absent(Absent::NotAtBase, None) };
        let Ok(content) = String::from_utf8(bytes) else { return absent(Absent::NotText, None) };
        let file = PromptFile { path: path.to_owned(), content };
        let tokens = match self.offered.get(path) {
            Some(tokens) => *tokens,
            None => self.recipe.counter.count(&file.block())?,
        };
        self.offered.insert(path.to_owned(), tokens);
        if tokens > chosen.room {
            return absent(Absent::OverBudget, Some(tokens));
        }
        chosen.room -= tokens;
        chosen.shown.push(ShownFile { path: path.to_owned(), origin, tokens });
        chosen.files.push(file);
        Ok(true)
    }

    /// Source files that speak of the issue, best first.
    fn found(&mut self) -> anyhow::Result<&[String]> {
        if self.found.is_none() {
            let query = Query::of(&self.instance.problem_statement);
            let wanted = |path: &str| self.layout.class(path) == PathClass::Source;
            let profiles = self.repository.look_at_files(&self.base, wanted, LARGEST_SEARCHED, |path, content| {
                // Binary files have no words worth anything.
                let text = if content.contains(&0) { &[][..] } else { content };
                query.profile(path, text)
            })?;
            let mut found: Vec<String> = rank(&profiles).into_iter().map(|(path, _)| path.to_owned()).collect();
            if let Some(embedder) = self.recipe.embedder {
                let read = |path: &str| Ok(self.repository.read(&self.base, path)?);
                found = embedder.order(&self.instance.problem_statement, found, &read)?;
            }
            self.found = Some(found);
        }
        Ok(self.found.as_deref().unwrap_or_default())
    }
}

/// Files that a prompt shows, and those that it does not.
#[derive(Debug, Default)]
struct Choice {
    /// Tokens left.
    room: u64,
    files: Vec<PromptFile>,
    shown: Vec<ShownFile>,
    left_out: Vec<LeftOut>,
}

impl Choice {
    fn drop_last(&mut self) {
        self.files.pop();
        if let Some(ShownFile { path, origin, tokens }) = self.shown.pop() {
            self.left_out.push(LeftOut { path, origin, why: Absent::OverBudget, tokens: Some(tokens) });
        }
    }

    /// Why nothing is shown.
    fn why(&self) -> String {
        let one = |left: &LeftOut| match left.why {
            Absent::OverBudget => format!("{} takes {} tokens", left.path, left.tokens.unwrap_or_default()),
            Absent::NotAtBase => format!("{} is not at base", left.path),
            Absent::NotText => format!("{} is no text", left.path),
        };
        match self.left_out.as_slice() {
            [] => "none was named, and none has a word of the issue; use --localization or --retrieve".to_owned(),
            some => some.iter().take(3).map(one).collect::<Vec<_>>().join(", "),
        }
    }
}
