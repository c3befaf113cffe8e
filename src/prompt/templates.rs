//! Prompt templates: ours, or files of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value};
use thiserror::Error;

use crate::model::digest::Digest;
use crate::model::generation::Skill;

/// Ours, by name and version. A changed text is another id in any case; a changed answer form raises the version.
const OURS: [(Skill, &str, &str); 3] = [
    (Skill::Localization, "localization.v1", include_str!("templates/localization.v1.jinja")),
    (Skill::Test, "test.v1", include_str!("templates/test.v1.jinja")),
    (Skill::Repair, "repair.v1", include_str!("templates/repair.v1.jinja")),
];

const SUFFIX: &str = ".jinja";

/// Name of the file with the system message, `system.jinja`, if a directory has one.
const SYSTEM: &str = "system";

/// The templates of the three skills, ready to fill.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Environment<'static>,
    by_skill: BTreeMap<Skill, Named>,
    system: Option<String>,
}

#[derive(Clone, Debug)]
struct Named {
    name: String,
    id: String,
}

/// Templates that cannot be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} holds no template; name them SKILL.jinja or SKILL.NAME.jinja, with SKILL one of localization, test, repair", path.display())]
    None { path: PathBuf },
    #[error("{}: {first} and {second} are both for {skill}; leave one", path.display())]
    Two { path: PathBuf, first: String, second: String, skill: Skill },
    #[error("template {name}: {why}")]
    Broken { name: String, why: String },
}

impl Templates {
    /// Ours.
    pub fn ours() -> Self {
        Self::of(Vec::new()).unwrap_or_else(|error| panic!("a template of assay's own is broken: {error}"))
    }

    /// Those of a directory: `SKILL.jinja` or `SKILL.NAME.jinja` for a skill, `system.jinja` for a system message before each
    /// prompt, and whatever these include. Skills without a file keep ours.
    ///
    /// # Errors
    /// The directory cannot be read or has no template, has two for one skill, or one is not a template.
    pub fn from_directory(path: &Path) -> Result<Self, TemplateError> {
        let io = |source| TemplateError::Io { path: path.to_owned(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            let file = entry.map_err(io)?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(SUFFIX) {
                let text =
                    fs::read_to_string(&file).map_err(|source| TemplateError::Io { path: file.clone(), source })?;
                files.push((name.to_owned(), text));
            }
        }
        files.sort();
        if !files.iter().any(|(name, _)| skill_of(name).is_some()) {
            return Err(TemplateError::None { path: path.to_owned() });
        }
        for (at, (first, _)) in files.iter().enumerate() {
            let second =
                files[at + 1..].iter().find(|(name, _)| skill_of(name).is_some() && skill_of(name) == skill_of(first));
            if let (Some((second, _)), Some(skill)) = (second, skill_of(first)) {
                let (first, second) = (first.clone(), second.clone());
                return Err(TemplateError::Two { path: path.to_owned(), first, second, skill });
            }
        }
        Self::of(files)
    }

    fn of(files: Vec<(String, String)>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| broken("syntax", &error))?);
        let mut by_skill = BTreeMap::new();
        let ours = OURS.iter().map(|(_, name, text)| ((*name).to_owned(), (*text).to_owned()));
        let system = files.iter().find(|(name, _)| name == SYSTEM).map(|(_, text)| text.clone());
        let also = system.clone().unwrap_or_default();
        for (name, text) in ours.chain(files) {
            let id = format!("{name}@{}", Digest::of(format!("{also}{text}").as_bytes()).short());
            environment.add_template_owned(name.clone(), text).map_err(|error| broken(&name, &error))?;
            if let Some(skill) = skill_of(&name) {
                // Those of the directory come last and stand in the place of ours.
                by_skill.insert(skill, Named { name, id });
            }
        }
        Ok(Self { environment, by_skill, system: system.map(|_| SYSTEM.to_owned()) })
    }

    /// Names the template of a skill by name and content, e.g. `repair.v1@0a1b2c3d4e5f`.
    pub fn id(&self, skill: Skill) -> &str {
        &self.by_skill[&skill].id
    }

    /// The name alone, e.g. `repair.v1`.
    pub fn name(&self, skill: Skill) -> &str {
        &self.by_skill[&skill].name
    }

    /// The texts of the system message, if there is one, and of the user's.
    ///
    /// # Errors
    /// A template names a variable that there is not, or fails otherwise.
    pub fn fill(&self, skill: Skill, context: &Value) -> Result<(Option<String>, String), TemplateError> {
        let fill = |name: &str| {
            let template = self.environment.get_template(name).map_err(|error| broken(name, &error))?;
            template.render(context).map_err(|error| broken(name, &error))
        };
        Ok((self.system.as_deref().map(fill).transpose()?, fill(self.name(skill))?))
    }
}

/// Our templates as they would stand in a directory: path and text.
pub fn ours(directory: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    OURS.iter().map(|(_, name, text)| (directory.join(format!("{name}{SUFFIX}")), *text))
}

/// Writes our templates into a directory, to be changed there; gives the paths. Files that are there already stay.
///
/// # Errors
/// The directory or a file cannot be written, or a file of the name exists.
pub fn write_ours(directory: &Path) -> Result<Vec<PathBuf>, TemplateError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| TemplateError::Io { path, source }
    };
    fs::create_dir_all(directory).map_err(io(directory))?;
    let mut paths = Vec::new();
    for (path, text) in ours(directory) {
        let mut file = fs::File::create_new(&path).map_err(io(&path))?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(io(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

fn skill_of(name: &str) -> Option<Skill> {
    let skill = name.split('.').next().unwrap_or_default();
    Skill::ALL.into_iter().find(|known| known.as_str() == skill)
}

/// The whole chain, with the line of the template.
fn broken(name: &str, error: &minijinja::Error) -> TemplateError {
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    TemplateError::Broken { name: format!("{name}{SUFFIX}{line}"), why: format!("{error:#}") }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_directory_replaces_the_skills_it_has_and_may_bring_a_system_message() {
        let folder = directory(&[
            ("repair.short.jinja", "Mend: {{ problem_statement }}{% include 'tail' %}"),
            ("tail.jinja", "!"),
            ("system.jinja", "You mend."),
            ("notes.txt", "no template"),
        ]);
        let templates = Templates::from_directory(folder.path()).unwrap();
        let context = context! { problem_statement => "x" };
        let filled = templates.fill(Skill::Repair, &context).unwrap();
        assert_eq!(filled, (Some("You mend.".to_owned()), "Mend: x!".to_owned()));
        assert!(templates.id(Skill::Repair).starts_with("repair.short@"), "{}", templates.id(Skill::Repair));
        assert_eq!(templates.name(Skill::Test), "test.v1");
        assert_ne!(
            templates.id(Skill::Test),
            Templates::ours().id(Skill::Test),
            "the system message is part of the prompt"
        );
    }

    #[test]
    fn templates_that_cannot_be_used_say_why() {
        for (files, why) in [
            (&[("notes.txt", "x")][..], "holds no template"),
            (&[("repair.a.jinja", ""), ("repair.b.jinja", "")], "repair.a and repair.b are both for repair"),
            (&[("repair.jinja", "one\n{% for %}")], "line 2"),
        ] {
            let folder = directory(files);
            let error = Templates::from_directory(folder.path()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let folder = directory(&[("repair.jinja", "\n{{ gold_patch }}")]);
        let templates = Templates::from_directory(folder.path()).unwrap();
        let error = templates.fill(Skill::Repair, &context! {}).unwrap_err().to_string();
        assert!(error.contains("repair.jinja (line 2)") && error.contains("undefined"), "{error}");
    }

    #[test]
    fn ours_are_written_out_once_and_read_back_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let paths = write_ours(folder.path()).unwrap();
        assert_eq!(paths.len(), 3);
        let back = Templates::from_directory(folder.path()).unwrap();
        for skill in Skill::ALL {
            assert_eq!(back.id(skill), Templates::ours().id(skill));
        }
        let error = write_ours(folder.path()).unwrap_err().to_string();
        assert!(error.contains("localization.v1.jinja"), "{error}");
    }
}
