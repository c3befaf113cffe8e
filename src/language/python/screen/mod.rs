//! What the static screen finds in Python source ([`crate::language::screen`] says what counts). Pure.
//!
//! It reads syntax, so comments and doc strings never count. Names are seen through imports, aliases, `getattr`,
//! `__import__`, `__dict__`, and sums, joins and reversals of literals.

pub mod equality;
pub mod literals;
pub mod names;
pub mod syntax;
pub mod tokens;

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
