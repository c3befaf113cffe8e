//! Renders the prompt of a skill: issue, repository tree and files into chat messages. Pure.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use thiserror::Error;

use crate::digest::Digest;
use crate::generation::{Message, Skill};

/// Spaces per level of the repository tree.
const INDENT: usize = 4;

/// What a prompt is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptContext {
    pub problem_statement: String,
    /// Paths of all files at base, relative, with `/`.
    pub paths: Vec<String>,
    /// Files shown whole, in the order they appear in the prompt.
    pub files: Vec<PromptFile>,
}

/// A file as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptFile {
    pub path: String,
    pub content: String,
}

/// A template of ours does not fit its context: a bug of ours.
#[derive(Debug, Error)]
#[error("prompt template {template}: {source}")]
pub struct RenderError {
    template: &'static str,
    source: minijinja::Error,
}

struct Template {
    name: &'static str,
    text: &'static str,
}

fn template(skill: Skill) -> Template {
    match skill {
        Skill::Localization => {
            Template { name: "localization.v1", text: include_str!("templates/localization.v1.jinja") }
        }
        Skill::Test => Template { name: "test.v1", text: include_str!("templates/test.v1.jinja") },
        Skill::Repair => Template { name: "repair.v1", text: include_str!("templates/repair.v1.jinja") },
    }
}

/// Names the prompt of a skill by template and content, e.g. `repair.v1@0a1b2c3d4e5f`.
pub fn prompt_id(skill: Skill) -> String {
    let template = template(skill);
    format!("{}@{}", template.name, Digest::of(template.text.as_bytes()).short())
}

/// The prompt of a skill: one user message.
///
/// Localization sees the tree, test and repair see the files; the answer formats are those of the SWE-Swiss recipe.
pub fn render(skill: Skill, context: &PromptContext) -> Result<Vec<Message>, RenderError> {
    let template = template(skill);
    let files: Vec<_> = context
        .files
        .iter()
        .map(|file| context! { path => file.path.clone(), content => closed(&file.content), fence => fence(&file.content) })
        .collect();
    let context =
        context! { problem_statement => context.problem_statement.trim(), tree => tree(&context.paths), files };
    let content = fill(&template, context).map_err(|source| RenderError { template: template.name, source })?;
    Ok(vec![Message { role: "user".to_owned(), content, reasoning_content: None }])
}

fn fill(template: &Template, context: Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.render_named_str(template.name, template.text, context)
}

/// The text with a final newline.
fn closed(content: &str) -> String {
    if content.is_empty() || content.ends_with('\n') { content.to_owned() } else { format!("{content}\n") }
}

/// A fence longer than any run of backticks in the text, so that the text cannot end it.
fn fence(content: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for character in content.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest.max(2) + 1)
}

#[derive(Default)]
struct Directory<'a> {
    entries: BTreeMap<&'a str, Option<Directory<'a>>>,
}

/// The listing of a repository: one name a line, four spaces a level, directories with a slash.
fn tree(paths: &[String]) -> String {
    let mut root = Directory::default();
    for path in paths {
        let mut directory = &mut root;
        let mut names = path.split('/').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                directory.entries.entry(name).or_insert(None);
            } else {
                directory = directory.entries.entry(name).or_insert(None).get_or_insert_with(Directory::default);
            }
        }
    }
    let mut text = String::new();
    list(&root, 0, &mut text);
    text
}

fn list(directory: &Directory<'_>, level: usize, text: &mut String) {
    for (name, below) in &directory.entries {
        text.extend(std::iter::repeat_n(' ', level * INDENT));
        text.push_str(name);
        text.push_str(if below.is_some() { "/\n" } else { "\n" });
        if let Some(below) = below {
            list(below, level + 1, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> PromptContext {
        PromptContext {
            problem_statement: "Division by zero {{ not a placeholder }}\n".to_owned(),
            paths: ["src/a.py", "setup.cfg", "src/inner/b.py", "README"].map(str::to_owned).to_vec(),
            files: vec![PromptFile { path: "src/a.py".to_owned(), content: "x = '````'".to_owned() }],
        }
    }

    #[test]
    fn the_tree_lists_every_file_once_below_its_directory() {
        assert_eq!(tree(&example().paths), "README\nsetup.cfg\nsrc/\n    a.py\n    inner/\n        b.py\n");
        assert_eq!(tree(&[]), "");
    }

    #[test]
    fn every_skill_renders_the_issue_verbatim_and_asks_for_its_own_format() {
        let wanted = [
            (Skill::Localization, vec!["at most 5", "    inner/"]),
            (Skill::Test, vec!["Issue reproduced", "Issue resolved", "Other issues", "### src/a.py"]),
            (Skill::Repair, vec!["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "### src/a.py"]),
        ];
        for (skill, phrases) in wanted {
            let messages = render(skill, &example()).unwrap();
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].role, "user");
            for phrase in phrases.into_iter().chain(["Division by zero {{ not a placeholder }}"]) {
                assert!(messages[0].content.contains(phrase), "{skill}: {phrase}\n{}", messages[0].content);
            }
        }
    }

    #[test]
    fn a_file_full_of_backticks_cannot_end_its_own_fence() {
        let messages = render(Skill::Repair, &example()).unwrap();
        assert!(messages[0].content.contains("`````\nx = '````'\n`````\n"), "{}", messages[0].content);
    }

    #[test]
    fn prompt_ids_name_template_and_content() {
        let ids = Skill::ALL.map(prompt_id);
        for (id, skill) in ids.iter().zip(Skill::ALL) {
            assert!(id.starts_with(&format!("{skill}.v1@")), "{id}");
            assert_eq!(id.len(), format!("{skill}.v1@").len() + 12);
        }
    }
}
