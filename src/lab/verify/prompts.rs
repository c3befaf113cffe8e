//! The prompts of an instance, kept in the run directory so that an export needs nothing else. An exported row must
//! hold the prompt that the model saw. Samples name it by id only, because it is long; `verify --prompts` puts it back
//! into the generation before that is stored.

use serde::{Deserialize, Serialize};

use crate::lab::{Admissions, Lab, Located};
use crate::model::admission::{Admission, Trees};
use crate::model::generation::{Message, Skill};
use crate::prompt::render::{PromptContext, PromptFile, prompt_id, render};
use crate::repo::Repository;

/// One line of `prompts.jsonl`: the prompt of a skill as this tool renders it. Used for generations that came without
/// their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub instance_id: String,
    pub skill: Skill,
    pub prompt_id: String,
    pub messages: Vec<Message>,
}

/// Paths of base as people have it: without what the build adds.
fn paths_of(repository: &Repository, trees: &Trees) -> anyhow::Result<Vec<String>> {
    let mut paths = repository.paths(&trees.base)?;
    if let Some(built) = &trees.layout.built {
        paths.retain(|path| !built.files.contains(path));
    }
    Ok(paths)
}

impl Lab<'_> {
    /// Renders the prompts of admitted instances into `prompts.jsonl`. Repair and test see the files that gold changes, whole.
    pub fn write_prompts(&self, instances: &[Located], admissions: &Admissions) -> anyhow::Result<()> {
        let mut prompts = self.run.lines_writer("prompts.jsonl")?;
        for located in instances {
            let id = &located.instance_id;
            let admission = admissions.read(id)?.filter(Admission::admitted);
            let Some((admission, trees)) = admission.as_ref().and_then(|a| Some((a, a.trees.as_ref()?))) else {
                continue;
            };
            let repository = self.repository(&located.repository)?;
            let mut files = Vec::new();
            for path in &admission.gold_files {
                if let Some(bytes) = repository.read(&trees.base, path)? {
                    let content = String::from_utf8_lossy(&bytes).into_owned();
                    files.push(PromptFile { path: path.clone(), content });
                }
            }
            let context = PromptContext {
                problem_statement: located.instance.read()?.problem_statement,
                paths: paths_of(&repository, trees)?,
                files,
            };
            for skill in Skill::ALL {
                prompts.push(&Prompt {
                    instance_id: id.clone(),
                    skill,
                    prompt_id: prompt_id(skill),
                    messages: render(skill, &context)?,
                })?;
            }
        }
        prompts.finish()
    }
}
