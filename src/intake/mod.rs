//! Other people's rows to instances and generations. In: files, package releases, commit ranges. Out: instances and
//! generations of ours, and a quarantine of what could not be used.

mod answers;
mod clone_notes;
mod directory;
mod generations;
mod git;
mod license;
mod named;
mod one_sided;
mod outcome;
mod parquet;
mod predictions;
mod pypi;
mod quarantine;
mod records;
mod rollout_logs;
mod rollouts;
mod rows;

pub use answers::{Answer, read_answers};
pub use directory::{Incoming, write_import};
pub use generations::read_generations;
pub use git::{Wanted, import_folders, import_pair, import_range, repository_in, repository_path};
pub use license::spdx_ids;
pub use outcome::Rewards;
pub use pypi::{PypiError, ReleasePair, fetch_pair};
pub use quarantine::{Quarantined, quarantine_lines, write_quarantine};
pub use records::{Record, each_record};
pub use rollout_logs::logs_of;
pub use rollouts::{ReadRollouts, Rollouts, read_tasks};
pub use rows::{Intake, read_instances, settled};
