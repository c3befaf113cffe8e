//! The one door through which commands make their outputs. In: what a command reads and what it is to write. Out: files and
//! directories in their places, or a refusal before the first byte is written.
//!
//! A [`Plan`] holds every place that a command reads and writes, also those that it finds itself, and refuses an output that
//! is an input, another output, or inside a place that is not the command's. Two names are one place if they are one file
//! on the disk, links included. Then each kind of output has its own rule for what is there already:
//!
//! | output | free | there and ours | there and not ours |
//! | --- | --- | --- | --- |
//! | a file (`prompt --out`, `report --out` ...) | written beside and renamed | replaced | refused: ours is told by what it holds ([`Kind`]) |
//! | a file that grows (`sample --out`) | made | appended to | refused |
//! | a file that is never replaced (`export --new-key`) | made | refused | refused |
//! | files in a folder (`curriculum --out DIR`, `select --out` ...: [`FileSet`]) | made | replaced, and what the earlier run wrote beside them goes | refused by name; other files stay |
//! | a whole directory (`export --out`: [`Directory`]) | written beside and renamed | exchanged | refused by name |
//! | a run directory (`verify --run` ...) | made | continued | refused |
//!
//! Run directories keep their own writers (`journal`). `docs/outputs.md` has the table of every command and option.

mod directory;
mod file_set;
mod identity;
mod kind;
mod listing;
mod new_file;
mod plan;
mod territory;

pub use directory::Directory;
pub use file_set::FileSet;
pub use kind::Kind;
pub use listing::Listing;
pub use new_file::{NewFile, write_file};
pub use plan::Plan;
