//! Git's name of a file's content.

use git2::{ObjectType, Oid};

/// The object id that git gives these bytes as a file: 40 hex digits.
pub fn blob_id(bytes: &[u8]) -> String {
    Oid::hash_object(ObjectType::Blob, bytes).map(|id| id.to_string()).expect("bytes in memory can be hashed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_is_that_of_git_hash_object() {
        assert_eq!(super::blob_id(b"test content\n"), "d670460b4b4aece5915caf5c68d12f560a9fe3e4");
    }
}
