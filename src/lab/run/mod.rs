//! Running trials. In: a trial. Out: its outcome in the journal. Workers, their memory and what is known already.

pub mod facts;
pub mod memory;
pub mod pool;
mod settle;
pub mod trials;
