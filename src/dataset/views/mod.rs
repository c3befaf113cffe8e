//! Views: the rows of the canonical configs as a trainer's own loader wants them, as plain JSON Lines. Pure. A config that
//! a trainer reads as it is has no view: TRL and verl read the Parquet files of every config. LLaMA-Factory finds its view
//! through `dataset_info.json`; it pins a `datasets` (4.0) that fails at Parquet with columns of JSON.
//!
//! | view | files | made for |
//! | --- | --- | --- |
//! | `llama-factory` | `sft-localization`, `sft-test`, `sft-repair`, `preference`, a folder each | sharegpt; ranking rows |
//! | `ms-swift` | `sft`, `rl`, `preference` | standard keys; extra columns reach the reward function |
//! | `nemo-gym` | `rl` | `responses_create_params`, verifier fields beside it |
//! | `openrlhf` | `sft`, `rl`, `preference` | one label column of text |
//! | `skyrl` | `rl` | `env_class` and `reward_spec` |
//! | `slime` | `rl` | `metadata` as an object |
//! | `trl` | `sft` | prompt and completion apart, so that the loss is on the completion |
//! | `xtuner` | `sft`, `rl` | JSON Lines only; RL in verl's layout |
//! | `harbor` | task directories | [`harbor`] |

pub mod files;
pub mod harbor;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::rows::{PreferenceRow, RlRow, SftRow};
use crate::model::generation::Skill;

/// A trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum View {
    Harbor,
    LlamaFactory,
    MsSwift,
    NemoGym,
    Openrlhf,
    Skyrl,
    Slime,
    Trl,
    Xtuner,
}

impl View {
    /// Its folder below `views/`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Harbor => "harbor",
            Self::LlamaFactory => "llama-factory",
            Self::MsSwift => "ms-swift",
            Self::NemoGym => "nemo-gym",
            Self::Openrlhf => "openrlhf",
            Self::Skyrl => "skyrl",
            Self::Slime => "slime",
            Self::Trl => "trl",
            Self::Xtuner => "xtuner",
        }
    }

    /// Why it has no file, if it has none.
    pub fn without_rows(self) -> &'static str {
        match self {
            Self::Harbor => {
                "no task is of an instance that names a ready image (`environment.image`) and whose tests a task can run"
            }
            Self::Trl => "there is no SFT row",
            Self::NemoGym | Self::Skyrl | Self::Slime => "there is no RL row",
            Self::LlamaFactory => "there is no SFT row and no preference row",
            Self::Xtuner => "there is no SFT row and no RL row",
            Self::MsSwift | Self::Openrlhf => "there is no row",
        }
    }

    /// Folder of a table below `views/`. LLaMA-Factory is given folders and reads all that is in one.
    pub fn table_folder(self, table: &str) -> PathBuf {
        match self {
            Self::LlamaFactory => PathBuf::from(self.folder()).join(table),
            _ => PathBuf::from(self.folder()),
        }
    }

    /// Table of the fine-tuning samples of a skill. Datasets are mixed by name in LLaMA-Factory, so each skill has its own.
    pub fn sft_table(self, skill: Skill) -> &'static str {
        match (self, skill) {
            (Self::LlamaFactory, Skill::Localization) => "sft-localization",
            (Self::LlamaFactory, Skill::Test) => "sft-test",
            (Self::LlamaFactory, Skill::Repair) => "sft-repair",
            _ => "sft",
        }
    }

    /// A fine-tuning sample, if the view has a file for them.
    pub fn sft(self, row: &SftRow) -> Option<Value> {
        match self {
            Self::LlamaFactory | Self::MsSwift | Self::Openrlhf | Self::Xtuner => {
                Some(json!({"messages": row.messages}))
            }
            Self::Trl => {
                let (completion, prompt) = row.messages.split_last()?;
                Some(json!({"prompt": prompt, "completion": [completion]}))
            }
            Self::Harbor | Self::NemoGym | Self::Skyrl | Self::Slime => None,
        }
    }

    /// A task, if the view has a file for them.
    pub fn rl(self, row: &RlRow) -> Option<Value> {
        let truth = &row.reward_model.ground_truth;
        match self {
            Self::MsSwift => Some(json!({"messages": row.prompt, "solution": truth, "data_source": row.data_source})),
            Self::NemoGym => {
                let mut line = Map::new();
                line.insert("responses_create_params".to_owned(), json!({"input": row.prompt}));
                let fields = ["instance_id", "skill"];
                line.extend(fields.map(|field| (field.to_owned(), json!(row.extra_info)[field].clone())));
                line.insert("data_source".to_owned(), json!(row.data_source));
                line.insert("ground_truth".to_owned(), json!(truth));
                line.insert("split".to_owned(), json!(row.extra_info.split));
                Some(Value::Object(line))
            }
            Self::Openrlhf => Some(json!({"prompt": row.prompt, "label": truth, "datasource": row.data_source})),
            Self::Skyrl => Some(json!({
                "data_source": row.data_source,
                "prompt": row.prompt,
                "env_class": "assay",
                "reward_spec": {"method": "rule", "ground_truth": truth},
                "extra_info": row.extra_info,
                "instance": row.instance,
            })),
            Self::Slime => Some(json!({
                "prompt": row.prompt,
                "label": truth,
                "metadata": {"instance_id": row.extra_info.instance_id, "skill": row.extra_info.skill},
            })),
            Self::Xtuner => Some(json!({
                "data_source": row.data_source,
                "prompt": row.prompt,
                "ability": row.ability,
                "reward_model": row.reward_model,
                "extra_info": row.extra_info,
            })),
            Self::Harbor | Self::LlamaFactory | Self::Trl => None,
        }
    }

    /// A pair, if the view has a file for them.
    pub fn preference(self, row: &PreferenceRow) -> Option<Value> {
        let (chosen, rejected) = (row.chosen.first()?, row.rejected.first()?);
        match self {
            Self::LlamaFactory => Some(json!({"messages": row.prompt, "chosen": chosen, "rejected": rejected})),
            Self::MsSwift => {
                let mut messages = row.prompt.clone();
                messages.push(chosen.clone());
                Some(json!({"messages": messages, "rejected_response": rejected.content}))
            }
            Self::Openrlhf => Some(json!({"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected})),
            Self::Harbor | Self::NemoGym | Self::Skyrl | Self::Slime | Self::Trl | Self::Xtuner => None,
        }
    }
}

/// `dataset_info.json`, by which LLaMA-Factory finds its view of the SFT configs and of the preference config
/// (`dataset_dir` is the dataset's directory). Every tag is named, because what is left out does not fall back to a default
/// there.
pub fn dataset_info(configs: &[&str], preference: bool) -> Value {
    let tags = json!({
        "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
        "observation_tag": "tool", "function_tag": "function", "system_tag": "system",
    });
    let place = |config: &str| format!("views/{}/{config}", View::LlamaFactory.folder());
    let mut info = Map::new();
    for config in configs {
        info.insert(
            format!("assay-{config}"),
            json!({
                "file_name": place(config), "formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags,
            }),
        );
    }
    if preference {
        info.insert(
            "assay-preference".to_owned(),
            json!({
                "file_name": place("preference"), "formatting": "sharegpt", "ranking": true, "tags": tags,
                "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
            }),
        );
    }
    Value::Object(info)
}
