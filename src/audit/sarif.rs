//! SARIF 2.1.0 (OASIS): what CI systems show beside the files that findings are about.

use serde_json::{Value, json};

use super::finding::{Finding, Level, Rule};
use super::report::AuditReport;
use crate::model::digest::Digest;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// An audit as one SARIF run. All rules are listed, found or not, so that a rule's number never depends on the dataset.
pub fn sarif(report: &AuditReport) -> Value {
    let rules: Vec<_> = Rule::ALL.iter().map(|rule| descriptor(*rule)).collect();
    let results: Vec<_> = report.findings.iter().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "assay",
                "version": report.tool.version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {"dataset": report.dataset, "counts": report.counts, "measures": report.measures},
        }],
    })
}

fn descriptor(rule: Rule) -> Value {
    json!({
        "id": rule.id(),
        "shortDescription": {"text": rule.what()},
        "help": {"text": rule.next()},
        "defaultConfiguration": {"level": level(rule.level())},
    })
}

fn result(finding: &Finding) -> Value {
    let place = &finding.place;
    let mut physical = json!({"artifactLocation": {"uri": uri(&place.file)}});
    // Rows of a Parquet file have no lines.
    if let Some(row) = place.row.filter(|_| !place.file.ends_with(".parquet")) {
        physical["region"] = json!({"startLine": row});
    }
    let name = place.to_string();
    json!({
        "ruleId": finding.rule.id(),
        "ruleIndex": Rule::ALL.iter().position(|rule| *rule == finding.rule),
        "level": level(finding.level),
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name}]}],
        "partialFingerprints": {"finding/v1": Digest::of_json(&(finding.rule, place, &finding.message))},
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Note => "note",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

/// A relative path as a URI reference: everything but unreserved characters and `/` is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::content::Measures;
    use super::super::finding::{Findings, Place};
    use super::*;
    use std::collections::BTreeMap;

    /// The parts of the SARIF schema that readers insist on.
    fn required() -> Value {
        let schema = r##"{
            "type": "object", "required": ["version", "runs"], "additionalProperties": false,
            "$defs": {
                "text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "rule": {
                    "type": "object", "required": ["id", "shortDescription", "help", "defaultConfiguration"],
                    "properties": {
                        "shortDescription": {"$ref": "#/$defs/text"}, "help": {"$ref": "#/$defs/text"},
                        "defaultConfiguration": {"properties": {"level": {"$ref": "#/$defs/level"}}}
                    }
                },
                "place": {
                    "required": ["artifactLocation"],
                    "properties": {
                        "artifactLocation": {"properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9._~/%-]+$"}}},
                        "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}}
                    }
                },
                "result": {
                    "type": "object", "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
                    "properties": {
                        "ruleIndex": {"type": "integer", "minimum": 0}, "level": {"$ref": "#/$defs/level"},
                        "message": {"$ref": "#/$defs/text"},
                        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                        "locations": {"type": "array", "minItems": 1,
                            "items": {"properties": {"physicalLocation": {"$ref": "#/$defs/place"}}}}
                    }
                }
            },
            "properties": {
                "$schema": {"type": "string"}, "version": {"const": "2.1.0"},
                "runs": {"type": "array", "minItems": 1, "items": {
                    "type": "object", "required": ["tool", "results"],
                    "properties": {
                        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                        "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                            "type": "object", "required": ["name", "rules"],
                            "properties": {"rules": {"type": "array", "uniqueItems": true, "items": {"$ref": "#/$defs/rule"}}}}}},
                        "results": {"type": "array", "items": {"$ref": "#/$defs/result"}}
                    }
                }}
            }
        }"##;
        serde_json::from_str(schema).unwrap()
    }

    #[test]
    fn the_structure_is_that_of_sarif_and_rules_are_numbered() {
        let mut findings = Findings::default();
        findings.add(Rule::Duplicate, Place::row("data/a b.jsonl", 3, Some("x")), "as a.jsonl:1");
        findings.add(Rule::FileChanged, Place::row("sft/train.parquet", 3, None), "other digest");
        let report = AuditReport::new("data", &findings, Measures::default(), BTreeMap::new());
        let log = sarif(&report);
        let validator = jsonschema::validator_for(&required()).unwrap();
        let errors: Vec<_> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let results = log["runs"][0]["results"].as_array().unwrap();
        for result in results {
            let index = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        let physical = &results[1]["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "data/a%20b.jsonl");
        assert_eq!(physical["region"]["startLine"], 3);
        assert!(results[0]["locations"][0]["physicalLocation"].get("region").is_none());
    }
}
