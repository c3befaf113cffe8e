//! Columns that only some datasets have: of what some of their instances lost, and where their evidence came from.

use super::files::columns::Column;

/// Columns that only some datasets have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraColumns {
    /// Some instance lost test files.
    pub lost_files: bool,
    /// Some instance has tests that are not part of its suite.
    pub outside_suite: bool,
    /// Some instance lost listed tests.
    pub lost_tests: bool,
    /// Some instance has tests that pass in one order only.
    pub ordered_tests: bool,
    /// Some instance is judged by a channel that rows must name.
    pub channel: bool,
    /// The admission of some instance was imported.
    pub admission_imported: bool,
    /// Some instance is judged by a part of its suite.
    pub test_files_run: bool,
}

impl ExtraColumns {
    /// Puts them behind the columns that every dataset has.
    pub fn add_to(self, columns: &mut Vec<Column>) {
        if self.lost_files {
            columns.push(Column { optional: true, ..Column::texts("lost_files") });
        }
        if self.outside_suite {
            columns.push(Column { optional: true, ..Column::texts("outside_suite") });
        }
        if self.lost_tests {
            columns.push(Column { optional: true, ..Column::texts("lost_tests") });
        }
        if self.ordered_tests {
            columns.push(Column { optional: true, ..Column::texts("ordered_tests") });
        }
        if self.channel {
            columns.push(Column::optional_text("channel"));
        }
        if self.admission_imported {
            columns.push(Column::optional_text("admission_imported"));
        }
        if self.test_files_run {
            columns.push(Column::optional_text("test_files_run"));
        }
    }
}
