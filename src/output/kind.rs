//! What a file of ours holds, told from its first bytes: a file of another kind is never replaced.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde_json::Value;

use crate::model::format;

/// Longest beginning that is looked at: a line of an instance or a prompt may be long.
const MOST: u64 = 64 << 20;

/// A kind of file that a command makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON Lines of `prompt.v1`.
    Prompts,
    /// JSON Lines of instances, in any of the shapes that are read.
    Instances,
    /// JSON Lines of `quarantine.v1`.
    Quarantine,
    /// JSON Lines of candidates that an export held back.
    HeldBack,
    /// JSON Lines of graded logs.
    Grades,
    /// Rows that were chosen out of others: JSON Lines or Parquet, by the name.
    Rows,
    /// A `curriculum.v1` report.
    Curriculum,
    /// A page of `assay report`.
    Page,
    /// SARIF of `assay audit`.
    Sarif,
    /// A JSON Schema.
    Schema,
    /// A bundle of `assay pack`.
    Bundle,
}

impl Kind {
    /// For messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prompts => "a prompts file",
            Self::Instances => "an instances file",
            Self::Quarantine => "a quarantine of assay",
            Self::HeldBack => "a list of candidates that an export held back",
            Self::Grades => "a file of grades",
            Self::Rows => "a file of rows in the format of its name",
            Self::Curriculum => "a report of `assay curriculum`",
            Self::Page => "a page of `assay report`",
            Self::Sarif => "a SARIF file of assay",
            Self::Schema => "a JSON Schema",
            Self::Bundle => "a bundle of `assay pack`",
        }
    }

    /// Whether a file holds this. An empty file holds nothing that could be lost.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_of(self, path: &Path) -> std::io::Result<bool> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(true);
        }
        let reader = BufReader::new(file.take(MOST));
        Ok(match self {
            Self::Prompts => first_line(reader, |row| of_format(row, format::PROMPT)),
            Self::Instances => first_line(reader, |row| row.get("instance_id").is_some()),
            Self::Quarantine => first_line(reader, |row| of_format(row, format::QUARANTINE)),
            Self::HeldBack => first_line(reader, |row| has(row, &["candidate_id", "finding", "kind"])),
            Self::Grades => first_line(reader, |row| has(row, &["instance_id", "log", "grade"])),
            Self::Rows => rows(path, reader),
            Self::Curriculum => whole(reader, |value| of_format(value, format::CURRICULUM)),
            Self::Page => page(reader)?,
            Self::Sarif => whole(reader, |value| value["runs"][0]["tool"]["driver"]["name"] == "assay"),
            Self::Schema => whole(reader, |value| value.get("$schema").is_some()),
            Self::Bundle => zstd::Decoder::new(reader).is_ok_and(|plain| {
                first_line(BufReader::new(plain.take(MOST)), |line| of_format(line, format::BUNDLE))
            }),
        })
    }
}

/// A version of our format, this one or another.
fn of_format(value: &Value, known: &str) -> bool {
    let name = |format: &str| format.rsplit_once(".v").map(|(name, _)| name.to_owned());
    value.get("format").and_then(Value::as_str).is_some_and(|found| name(found) == name(known))
}

fn has(row: &Value, fields: &[&str]) -> bool {
    fields.iter().all(|field| row.get(field).is_some())
}

fn first_line(reader: impl std::io::BufRead, fits: impl Fn(&Value) -> bool) -> bool {
    for line in reader.lines() {
        match line {
            // Not text, or not what its compression says: nothing of ours.
            Err(_) => return false,
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => return serde_json::from_str(&line).is_ok_and(|row| fits(&row)),
        }
    }
    true
}

fn whole(reader: impl Read, fits: impl Fn(&Value) -> bool) -> bool {
    serde_json::from_reader::<_, Value>(reader).is_ok_and(|value| fits(&value))
}

fn page(reader: impl Read) -> std::io::Result<bool> {
    let mut head = Vec::new();
    reader.take(4096).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).contains("<meta name=\"generator\" content=\"assay "))
}

fn rows(path: &Path, mut reader: impl std::io::BufRead) -> bool {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => {
            let mut magic = [0; 4];
            reader.read_exact(&mut magic).is_ok() && &magic == b"PAR1"
        }
        Some("zst") => {
            zstd::Decoder::new(reader).is_ok_and(|plain| first_line(BufReader::new(plain), Value::is_object))
        }
        _ => first_line(reader, Value::is_object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_ours_are_told_from_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.jsonl");
        let table = [
            (Kind::Prompts, "\n{\"format\":\"prompt.v1\"}\n", "{\"format\":\"generation.v1\"}\n"),
            (Kind::Instances, "{\"instance_id\":\"a\"}\n", "{\"id\":1}\n"),
            (Kind::Quarantine, "{\"format\":\"quarantine.v1\"}\n", "{\"format\":\"prompt.v1\"}\n"),
            (Kind::HeldBack, "{\"candidate_id\":\"\",\"finding\":\"secret\",\"kind\":\"key\"}\n", "{\"kind\":1}\n"),
            (Kind::Grades, "{\"instance_id\":\"\",\"log\":\"l\",\"grade\":\"passes\"}\n", "notes\n"),
            (Kind::Rows, "{}\n", "# notes\n"),
            (Kind::Curriculum, "{\"format\":\"curriculum.v1\"}", "{\"version\": 1}"),
            (Kind::Page, "<!DOCTYPE html>\n<meta name=\"generator\" content=\"assay 0.1\">", "<!DOCTYPE html>"),
            (Kind::Sarif, "{\"runs\":[{\"tool\":{\"driver\":{\"name\":\"assay\"}}}]}", "{\"runs\":[]}"),
            (Kind::Schema, "{\"$schema\":\"x\"}", "{}"),
        ];
        for (kind, ours, other) in table {
            for (text, expected) in [(ours, true), (other, false), ("", true)] {
                std::fs::write(&path, text).unwrap();
                assert_eq!(kind.is_of(&path).unwrap(), expected, "{kind:?} {text}");
            }
        }
        for (format, expected) in [("admission-bundle.v2", true), ("blob.v1", false)] {
            let text = format!("{{\"format\":\"{format}\"}}\n{{}}\n");
            std::fs::write(&path, zstd::encode_all(text.as_bytes(), 1).unwrap()).unwrap();
            assert_eq!(Kind::Bundle.is_of(&path).unwrap(), expected, "{format}");
        }
        std::fs::write(&path, b"\xff\xd8 a picture").unwrap();
        for kind in [Kind::Prompts, Kind::Instances, Kind::Grades, Kind::Rows, Kind::Bundle] {
            assert!(!kind.is_of(&path).unwrap(), "{kind:?}");
        }
        let table = folder.path().join("a.parquet");
        std::fs::write(&table, "{}\n").unwrap();
        assert!(!Kind::Rows.is_of(&table).unwrap());
    }
}
