//! Croissant: the dataset described as JSON-LD (Croissant 1.0) with the fields of its responsible-AI vocabulary (RAI 1.0).
//! Pure. The Hub makes a description of its own from the Parquet files; this one says what only the export knows.

use serde_json::{Map, Value, json};

use super::CardFacts;
use crate::dataset::extra_columns::ExtraColumns;
use crate::dataset::files::columns::{Column, Kind};
use crate::dataset::rows::columns_of;
use crate::dataset::seal::entries::FileEntry;

/// Name of the file in a dataset directory.
pub const CROISSANT: &str = "croissant.json";

/// Describes a dataset. `shards` are the Parquet files that hold rows.
pub fn croissant(facts: &CardFacts, shards: &[FileEntry]) -> Value {
    let mut licenses: Vec<_> = facts.repositories.iter().filter_map(|line| line.license.clone()).collect();
    licenses.sort();
    licenses.dedup();
    let left_out: u64 = facts.left_out.values().sum();
    let named = |name: &str| facts.counts.iter().find(|line| line.skill == name).map(|line| line.counts);
    let counts = named("all").unwrap_or_default();
    json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": facts.pretty_name,
        "description": "Answers of language models to software-engineering tasks, kept only where running the repository's \
            own tests in a sealed sandbox proved them right; each row names the receipt of its proof.",
        "license": licenses,
        "version": "1.0.0",
        "keywords": ["code", "software-engineering", "sft", "rl", "execution-verified"],
        "isLiveDataset": false,
        "creator": {"@type": "sc:Organization", "name": format!("{} {}", facts.tool.name, facts.tool.version)},
        "citeAs": format!("{}, made with {} {}", facts.pretty_name, facts.tool.name, facts.tool.version),
        "rai:dataCollection": format!(
            "{} answers of language models to tasks from {} instances were run; {} were verified, {} rejected, and of {} \
             nothing can be said.",
            counts.candidates, facts.instances, counts.verified, counts.rejected, counts.inconclusive
        ),
        "rai:dataCollectionType": ["Secondary Data Analysis", "Software Collection"],
        "rai:dataCollectionRawData": "Issues, patches and tests of public repositories, and completions of language models.",
        "rai:dataPreprocessingProtocol": [
            "Each answer is put on the base tree exactly; its own edits to tests, fixtures, runner configuration and start-up \
             files are taken back; trusted tests are laid over it last.",
            format!("{left_out} candidates were left out; the card counts them by reason."),
        ],
        "rai:dataAnnotationProtocol": "No person labelled anything: a row is verified if every expected test passed in a \
            sealed sandbox, and rejected candidates are negative samples only where a run showed them wrong.",
        "rai:dataLimitations": [
            "Passing the tests is not being right: the evidence level of a row says how hard the check was.",
            "Reasoning in an answer was not checked, only what came out of it.",
        ],
        "rai:dataBiases": ["Tasks are those with stable tests: what a repository does not test is not in the dataset."],
        "rai:dataUseCases": ["Fine-tuning, preference training and reinforcement learning of models that write code."],
        "rai:personalSensitiveInformation": [match facts.settings.get("scan").and_then(Value::as_bool) {
            Some(false) => "Nothing was searched for secrets or personal data.",
            _ => "Issues, accepted changes and answers with keys, e-mail addresses or home directories were left out, by their shape.",
        }],
        "distribution": shards.iter().map(file).collect::<Vec<_>>(),
        "recordSet": shards.iter().map(|shard| record_set(shard, shards, facts.extra_columns())).collect::<Vec<_>>(),
    })
}

fn file(shard: &FileEntry) -> Value {
    json!({
        "@type": "cr:FileObject",
        "@id": shard.path,
        "name": shard.path,
        "contentUrl": shard.path,
        "contentSize": format!("{} B", shard.bytes),
        "encodingFormat": "application/x-parquet",
        "sha256": shard.sha256,
    })
}

/// One record set per shard: `sft-repair`, or `sft-repair-00000` if the config has several. Nested columns are left to
/// the features of the card: `mlcroissant` reads no structs out of Parquet.
fn record_set(shard: &FileEntry, shards: &[FileEntry], extra: ExtraColumns) -> Value {
    let (config, name) = shard.path.split_once('/').unwrap_or(("", &shard.path));
    let alone =
        shards.iter().filter(|other| other.path.split_once('/').is_some_and(|(of, _)| of == config)).count() == 1;
    let number = name.split('-').nth(1).unwrap_or_default();
    let id = if alone { config.to_owned() } else { format!("{config}-{number}") };
    let columns = columns_of(config, extra);
    let flat = columns.iter().filter_map(|column| Some((column, kind(&column.kind)?)));
    let fields: Vec<_> = flat.map(|(column, kind)| field(&id, &shard.path, column, kind)).collect();
    json!({"@type": "cr:RecordSet", "@id": id, "name": id, "field": fields})
}

/// Data type of a column, and whether it is a list.
fn kind(kind: &Kind) -> Option<(&'static str, bool)> {
    match kind {
        Kind::Text | Kind::Json => Some(("sc:Text", false)),
        Kind::Flag => Some(("sc:Boolean", false)),
        Kind::Integer => Some(("sc:Integer", false)),
        Kind::Float => Some(("sc:Float", false)),
        Kind::Texts => Some(("sc:Text", true)),
        Kind::Struct(_) | Kind::Structs(_) => None,
    }
}

fn field(set: &str, path: &str, column: &Column, (kind, repeated): (&str, bool)) -> Value {
    let mut field = Map::new();
    let id = format!("{set}/{}", column.name);
    field.insert("@type".to_owned(), json!("cr:Field"));
    field.insert("@id".to_owned(), json!(id));
    field.insert("name".to_owned(), json!(id));
    field.insert("dataType".to_owned(), json!(kind));
    if repeated {
        field.insert("repeated".to_owned(), json!(true));
    }
    field.insert("source".to_owned(), json!({"fileObject": {"@id": path}, "extract": {"column": column.name}}));
    Value::Object(field)
}

/// The context that the specification asks every description to carry.
fn context() -> Value {
    json!({
        "@language": "en",
        "@vocab": "https://schema.org/",
        "citeAs": "cr:citeAs",
        "column": "cr:column",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "equivalentProperty": "cr:equivalentProperty",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "extract": "cr:extract",
        "field": "cr:field",
        "fileProperty": "cr:fileProperty",
        "fileObject": "cr:fileObject",
        "fileSet": "cr:fileSet",
        "format": "cr:format",
        "includes": "cr:includes",
        "isLiveDataset": "cr:isLiveDataset",
        "jsonPath": "cr:jsonPath",
        "key": "cr:key",
        "md5": "cr:md5",
        "parentField": "cr:parentField",
        "path": "cr:path",
        "recordSet": "cr:recordSet",
        "references": "cr:references",
        "regex": "cr:regex",
        "repeated": "cr:repeated",
        "replace": "cr:replace",
        "samplingRate": "cr:samplingRate",
        "sc": "https://schema.org/",
        "separator": "cr:separator",
        "source": "cr:source",
        "subField": "cr:subField",
        "transform": "cr:transform",
    })
}
