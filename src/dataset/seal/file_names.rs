//! Names of the files that seal a dataset directory. That of the signature is in `signature`.

/// The manifest.
pub const MANIFEST: &str = "manifest.json";

/// The statement. The manifest does not list it: it names the manifest.
pub const STATEMENT: &str = "statement.json";
