//! What lets others check a dataset. In: written files. Out: manifest, Merkle tree, signature, statement, proofs.

pub mod checks;
pub mod entries;
pub mod file_names;
pub mod manifest;
pub mod merkle;
pub mod proof;
pub mod signature;
pub mod statement;
mod write;
