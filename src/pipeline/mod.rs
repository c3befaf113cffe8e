//! The pipeline: what `validate`, `verify`, `serve`, `demo`, `image` and `audit --rerun` share. In: files of instances and
//! generations, and options. Out: a run directory with admissions, verdicts and what is derived from them. It parses no
//! arguments and prints no results; it says on the console what it does.

mod bundles;
mod input;
mod interrupt;
mod run;
mod session;
mod summary;

pub use bundles::{Bundle, run_sample};
pub use input::Input;
pub use interrupt::interrupt_flag;
pub use run::{Admitted, admit_into, admit_offered, exit_code, lab, verify_into};
pub use session::{SandboxChoice, Session, SessionOptions, default_cache};
pub use summary::Summary;
