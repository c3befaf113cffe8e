//! Renders the prompt of a skill: issue, repository tree and files into chat messages. Pure.

use minijinja::context;

use super::listing::Listing;
use super::templates::{TemplateError, Templates};
use crate::model::generation::{Message, Skill};

/// What a prompt of ours is made from: everything, whatever its length.
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

impl PromptFile {
    /// Roughly what the file adds to a prompt: its heading, its fence and its text.
    pub fn block(&self) -> String {
        let fence = fence(&self.content);
        format!("### {}\n{fence}\n{}{fence}\n\n", self.path, closed(&self.content))
    }
}

/// Names our template of a skill by its version and text, e.g. `repair.v1@0a1b2c3d4e5f`.
pub fn prompt_id(skill: Skill) -> String {
    Templates::ours().id(skill).to_owned()
}

/// The prompt of a skill by our own template, with the whole tree; see [`fill`].
///
/// # Errors
/// A template of ours does not fit: a bug of ours.
pub fn render(skill: Skill, context: &PromptContext) -> Result<Vec<Message>, TemplateError> {
    let tree = Listing::whole(&context.paths);
    fill(&Templates::ours(), skill, &context.problem_statement, &tree, &context.files)
}

/// The prompt of a skill: one user message, after a system message if the templates have one.
///
/// Localization sees the tree, test and repair see the files too; the answer formats are those of the SWE-Swiss recipe.
///
/// # Errors
/// The template does not fit what it is filled with.
pub fn fill(
    templates: &Templates,
    skill: Skill,
    problem_statement: &str,
    tree: &Listing,
    files: &[PromptFile],
) -> Result<Vec<Message>, TemplateError> {
    let file = |file: &PromptFile| {
        context! { path => file.path.clone(), content => closed(&file.content), fence => fence(&file.content) }
    };
    let values = context! {
        problem_statement => problem_statement.trim(),
        tree => tree.text.clone(),
        tree_note => tree.note(),
        files => files.iter().map(file).collect::<Vec<_>>(),
    };
    let (system, user) = templates.fill(skill, &values)?;
    let message = |role: &str, content| Message { role: role.to_owned(), content, reasoning_content: None };
    let system = system.map(|content| message("system", content));
    Ok(system.into_iter().chain([message("user", user)]).collect())
}

/// The text with a final newline.
fn closed(content: &str) -> String {
    if content.is_empty() || content.ends_with('\n') { content.to_owned() } else { format!("{content}\n") }
}

/// A fence longer than any run of backticks in the text, so that the text cannot end it.
fn fence(content: &str) -> String {
    let (mut longest, mut run) = (0, 0);
    for byte in content.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    "`".repeat(longest.max(2) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::candidate::Payload;
    use crate::prompt::extract::extract;

    fn example() -> PromptContext {
        PromptContext {
            problem_statement: "Division by zero {{ not a placeholder }}\n".to_owned(),
            paths: ["src/a.py", "setup.cfg", "src/inner/b.py", "README"].map(str::to_owned).to_vec(),
            files: vec![PromptFile { path: "src/a.py".to_owned(), content: "x = '````'".to_owned() }],
        }
    }

    fn rendered(skill: Skill) -> String {
        let messages = render(skill, &example()).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].role, "user");
        messages[0].content.clone()
    }

    #[test]
    fn every_skill_renders_the_issue_verbatim_and_asks_for_its_own_format() {
        let wanted = [
            (Skill::Localization, vec!["at most 5", "    inner/"]),
            (Skill::Test, vec!["Issue reproduced", "Issue resolved", "Other issues", "### src/a.py"]),
            (Skill::Repair, vec!["<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "### src/a.py"]),
        ];
        for (skill, phrases) in wanted {
            let text = rendered(skill);
            for phrase in phrases.into_iter().chain(["Division by zero {{ not a placeholder }}"]) {
                assert!(text.contains(phrase), "{skill}: {phrase}\n{text}");
            }
        }
    }

    #[test]
    fn a_file_full_of_backticks_cannot_end_its_own_fence() {
        let text = rendered(Skill::Repair);
        assert!(text.contains("`````\nx = '````'\n`````\n"), "{text}");
        assert!(text.contains(&example().files[0].block()), "{text}");
    }

    #[test]
    fn a_tree_that_does_not_fit_leaves_no_empty_frame() {
        let text =
            &fill(&Templates::ours(), Skill::Repair, "x", &Listing::default(), &example().files).unwrap()[0].content;
        assert!(!text.contains("TREE") && text.contains("BEGIN FILES"), "{text}");
    }

    #[test]
    fn prompt_ids_name_template_and_content() {
        for skill in Skill::ALL {
            let id = prompt_id(skill);
            assert!(id.starts_with(&format!("{skill}.v1@")) && id.len() == format!("{skill}.v1@").len() + 12, "{id}");
        }
    }

    /// What the prompts show as an example is an answer that extraction understands.
    #[test]
    fn the_example_in_each_prompt_is_read_as_an_answer() {
        let example = |skill, from: &str| {
            let text = rendered(skill);
            let (_, example) = text.split_once(from).unwrap_or_else(|| panic!("{from:?} is not in {text}"));
            let end = example.rfind("```").unwrap() + 3;
            extract(skill, &example[..end], None).payload
        };
        let files = ["package/module.py", "package/other/module.py"].map(str::to_owned).to_vec();
        assert_eq!(example(Skill::Localization, "like this:\n"), Ok(Payload::FileList { files }));
        match example(Skill::Repair, "For example:\n") {
            Ok(Payload::SearchReplace { edits }) => {
                assert_eq!((edits.len(), edits[0].path.as_str()), (1, "package/module.py"));
                assert_eq!(edits[0].search, "def ratio(a, b):\n    return a / b\n");
            }
            other => panic!("{other:?}"),
        }
        let text = rendered(Skill::Test);
        let (_, answer) = text.split_once("tagged `python`:\n").unwrap();
        let answer = answer.split("B. A complete").next().unwrap();
        match extract(Skill::Test, answer, None).payload {
            Ok(Payload::TestFiles { files }) => assert_eq!(files[0].path, "tests/test_issue.py"),
            other => panic!("{other:?}"),
        }
        let script = "Here it is.\n\n```python\nprint('Issue reproduced')\n```\n";
        assert!(matches!(extract(Skill::Test, script, None).payload, Ok(Payload::Script { .. })));
    }
}
