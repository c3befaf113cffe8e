//! Test files of an instance's suite of which nothing runs here, or whose failure on base says nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an instance loses of its suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// Test files of the suite, the lost ones included.
    pub of: u64,
    /// By path.
    pub files: BTreeMap<String, LostFile>,
    /// More is lost than an instance may lose, and `--accept-lost` admitted it all the same: its rows reach E1 at most.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted: bool,
}

/// One test file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostFile {
    pub why: Loss,
    /// Exception type; empty where nothing was raised.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// First line of what was raised, or the reason of a skip.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The service or program that is missing, if the error tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// What could not be loaded, if it is not the file itself: a class of it, a file of fixtures, a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Gold or its tests change the file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
}

/// How a file is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// It cannot be imported or collected on gold.
    DoesNotLoad,
    /// It loads on gold and not on base, and gold changes neither it nor the line that failed.
    NotOnBase,
    /// It loads on gold and not on base, where a file that gold changes failed: gold made it load.
    MadeToLoad,
    /// It skips itself as a whole because a module is missing.
    MissingModule,
    /// It skips itself as a whole.
    Skipped,
    /// The runner's configuration takes all of its tests out.
    Deselected,
    /// Nothing can be judged by it, and the runner would leave it out if nobody named it.
    Ignored,
    /// It defines tests, and the run says nothing of it.
    Silent,
    /// Its tests fail on gold, and none passes or comes to an expectation.
    NonePasses,
}

impl LostFile {
    /// Whether the instance loses by it. A skip and a configuration are the project's own word that the suite is whole without
    /// the file. That does not hold where a module is missing and gold changes the file: then tests of the change are gone.
    pub fn counts(&self) -> bool {
        match self.why {
            Loss::DoesNotLoad | Loss::NotOnBase | Loss::Silent | Loss::NonePasses => true,
            Loss::MissingModule => self.changed,
            Loss::MadeToLoad | Loss::Skipped | Loss::Deselected | Loss::Ignored => false,
        }
    }

    /// Error and first line of it, or what else there is to say.
    pub fn reason(&self) -> String {
        let raised = raised(&self.error, &self.message);
        let raised = match &self.place {
            Some(place) if !raised.is_empty() => format!("{raised} (in {place})"),
            _ => raised,
        };
        let what = match self.why {
            Loss::DoesNotLoad => "",
            Loss::NotOnBase => "loads on gold and not on base, though gold does not change it",
            Loss::MadeToLoad => "loads on gold and not on base, where a file that gold changes failed",
            Loss::MissingModule => "skips itself because a module is missing",
            Loss::Skipped => "skips itself",
            Loss::Deselected => "all of its tests are deselected by the runner's configuration",
            Loss::Ignored => "the project's own configuration or plugin leaves it out",
            Loss::Silent => "neither a test nor an error came of it",
            Loss::NonePasses => "no test of it passes on gold",
        };
        let raised = match &self.needs {
            Some(service) if raised.is_empty() => format!("needs {service}"),
            Some(service) => format!("{raised}; needs {service}"),
            None => raised,
        };
        match (what, raised.as_str()) {
            ("", "") => "does not load".to_owned(),
            ("", raised) => raised.to_owned(),
            (what, "") => what.to_owned(),
            (what, raised) => format!("{what}: {raised}"),
        }
    }
}

/// An exception type and the first line of what it says, e.g. `KeyError: 'a'`.
pub fn raised(error: &str, message: &str) -> String {
    match (error, message) {
        ("", message) => message.to_owned(),
        (error, "") => error.to_owned(),
        (error, message) => format!("{error}: {message}"),
    }
}

impl Lost {
    /// Paths with their reasons: `path: error: message`.
    pub fn lines(&self) -> Vec<String> {
        self.files.iter().map(|(path, file)| format!("{path}: {}", file.reason())).collect()
    }

    /// How many of how many, for a heading.
    pub fn count(&self) -> String {
        format!("{} of {} test files", self.files.len(), self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_file_is_told_with_error_first_line_and_place() {
        let file = LostFile {
            why: Loss::DoesNotLoad,
            error: "ModuleNotFoundError".to_owned(),
            message: "No module named 'x'".to_owned(),
            needs: None,
            place: None,
            changed: false,
        };
        assert_eq!(file.reason(), "ModuleNotFoundError: No module named 'x'");
        let above = LostFile { place: Some("tests/conftest.py".to_owned()), ..file.clone() };
        assert_eq!(above.reason(), "ModuleNotFoundError: No module named 'x' (in tests/conftest.py)");
        let base = LostFile { why: Loss::NotOnBase, message: String::new(), ..file.clone() };
        assert!(base.reason().ends_with("does not change it: ModuleNotFoundError"), "{}", base.reason());
        let database = LostFile { needs: Some("PostgreSQL".to_owned()), ..file.clone() };
        assert_eq!(database.reason(), "ModuleNotFoundError: No module named 'x'; needs PostgreSQL");
        let silent = LostFile { why: Loss::Silent, error: String::new(), message: String::new(), ..file };
        assert_eq!(silent.reason(), "neither a test nor an error came of it");
    }

    #[test]
    fn a_skip_counts_only_where_gold_changes_the_file_and_a_module_is_missing() {
        let table = [
            (Loss::DoesNotLoad, [true, true]),
            (Loss::NotOnBase, [true, true]),
            (Loss::Silent, [true, true]),
            (Loss::NonePasses, [true, true]),
            (Loss::MissingModule, [false, true]),
            (Loss::MadeToLoad, [false, false]),
            (Loss::Skipped, [false, false]),
            (Loss::Deselected, [false, false]),
            (Loss::Ignored, [false, false]),
        ];
        for (why, expected) in table {
            let counts = [false, true].map(|changed| {
                LostFile { why, error: String::new(), message: String::new(), needs: None, place: None, changed }
                    .counts()
            });
            assert_eq!(counts, expected, "{why:?}");
        }
    }
}
