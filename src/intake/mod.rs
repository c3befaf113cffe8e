//! Other people's rows to instances and generations. In: files, package releases, commit ranges. Out: instances and
//! generations of ours, and a quarantine of what could not be used.

mod generations;
mod parquet;
mod quarantine;
mod records;
mod rows;

pub use generations::{GenerationIntake, read_generations};
pub use quarantine::{Quarantined, write_quarantine};
pub use rows::{Intake, read_instances};
