//! What the static screen finds in Python source ([`crate::language::screen`] says what counts). Pure.
//!
//! `os._exit` in the block of the main program does not count, because it ends only that program's process ([`main_block`]).
//!
//! It reads syntax, so comments and doc strings never count. Names are seen through imports, aliases, `getattr`,
//! `__import__`, `__dict__`, and sums, joins and reversals of literals.

pub mod equality;
pub mod literals;
pub mod main_block;
pub mod names;
pub mod posing;
pub mod syntax;
pub mod tokens;

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
