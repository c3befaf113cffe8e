//! Who uses a sealed image, and when. A process that uses one holds a lease, a shared lock on a file that ends with the
//! process. What is known of each image for people stands beside it.

use std::collections::BTreeSet;
use std::fs::{File, FileTimes, OpenOptions, TryLockError};
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::cache::{Cache, CacheError, io_error};
use super::foreign::SealedRecord;
use crate::model::digest::{Digest, canonical_json};
use crate::sandbox::Lease;

const LEASES: &str = "leases";
const USERS: &str = "image-users";
const SEALED: &str = "sealed-images";

/// Instances that used an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Users {
    pub instances: BTreeSet<String>,
}

impl Cache {
    /// A lease on a sealed image. Waits for a removal that is under way; the image has been used from now on.
    pub fn lease(&self, digest: &Digest) -> Result<Lease, CacheError> {
        let file = self.lease_file(digest)?;
        let failed = |source| io_error("lock", &self.path(LEASES, digest.as_str()), source);
        file.lock_shared().map_err(failed)?;
        let now = SystemTime::now();
        file.set_times(FileTimes::new().set_modified(now).set_accessed(now)).map_err(failed)?;
        Ok(Lease::of(file))
    }

    /// The right to remove a sealed image, until the file is dropped; `None` while somebody holds a lease.
    pub fn claim(&self, digest: &Digest) -> Result<Option<File>, CacheError> {
        let file = self.lease_file(digest)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &self.path(LEASES, digest.as_str()), source)),
        }
    }

    /// When a sealed image was last leased.
    pub fn last_use(&self, digest: &Digest) -> Option<SystemTime> {
        self.path(LEASES, digest.as_str()).metadata().and_then(|data| data.modified()).ok()
    }

    fn lease_file(&self, digest: &Digest) -> Result<File, CacheError> {
        let path = self.path(LEASES, digest.as_str());
        let folder = self.root().join(LEASES);
        std::fs::create_dir_all(&folder).map_err(|source| io_error("make", &folder, source))?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        options.open(&path).map_err(|source| io_error("open the lease", &path, source))
    }

    /// Remembers that an instance used an image.
    pub fn add_user(&self, digest: &Digest, instance_id: &str) -> Result<(), CacheError> {
        let _lock = self.lock(USERS, digest.as_str())?;
        let mut users = self.users(digest)?;
        if !users.instances.insert(instance_id.to_owned()) {
            return Ok(());
        }
        self.write(USERS, &format!("{digest}.json"), &canonical_json(&users))
    }

    /// Instances that used an image, as far as they are known.
    pub fn users(&self, digest: &Digest) -> Result<Users, CacheError> {
        let users = self.record(USERS, digest, "the names of the instances that used an image")?;
        Ok(users.unwrap_or_default())
    }

    /// A small JSON file about an image. One that is there and cannot be read is never taken for one that is not.
    fn record<T: DeserializeOwned>(
        &self,
        kind: &str,
        digest: &Digest,
        holds: &'static str,
    ) -> Result<Option<T>, CacheError> {
        let name = format!("{digest}.json");
        let Some(bytes) = self.read(kind, &name)? else { return Ok(None) };
        let damaged = |source| CacheError::Damaged { path: self.path(kind, &name), holds, source };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Keeps what is known of a sealed image.
    pub(crate) fn keep_record(&self, record: &SealedRecord) -> Result<(), CacheError> {
        self.write(SEALED, &format!("{}.json", record.digest), &canonical_json(record))
    }

    /// What is known of the image of a digest, if it was sealed from an image of others.
    pub fn sealed_record(&self, digest: &Digest) -> Result<Option<SealedRecord>, CacheError> {
        self.record(SEALED, digest, "what was removed from an image when it was sealed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_image_cannot_be_claimed_until_the_last_lease_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let digest = Digest::of(b"image");
        let lease = cache.lease(&digest).unwrap();
        let clone = lease.clone();
        drop(lease);
        assert!(cache.claim(&digest).unwrap().is_none());
        drop(clone);
        assert!(cache.claim(&digest).unwrap().is_some());
        assert!(cache.last_use(&digest).is_some());
    }

    #[test]
    fn users_of_an_image_are_remembered_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let digest = Digest::of(b"image");
        for instance in ["b", "a", "b"] {
            cache.add_user(&digest, instance).unwrap();
        }
        let users = cache.users(&digest).unwrap().instances;
        assert_eq!(users.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }
    #[test]
    fn a_damaged_list_of_users_is_an_error_that_names_it_and_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let digest = Digest::of(b"image");
        cache.add_user(&digest, "a").unwrap();
        let path = cache.path(USERS, &format!("{digest}.json"));
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], b"", b"{}", b"[]", &[0; 40]] {
            std::fs::write(&path, damaged).unwrap();
            for error in [cache.users(&digest).unwrap_err(), cache.add_user(&digest, "b").unwrap_err()] {
                let said = error.to_string();
                assert!(said.contains(path.to_str().unwrap()) && said.contains("move it away"), "{said}");
            }
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
        std::fs::remove_file(&path).unwrap();
        cache.add_user(&digest, "b").unwrap();
        assert_eq!(cache.users(&digest).unwrap().instances.into_iter().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_damaged_record_of_an_image_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let digest = Digest::of(b"image");
        assert!(cache.sealed_record(&digest).unwrap().is_none());
        cache.write(SEALED, &format!("{digest}.json"), b"{\"digest\":").unwrap();
        assert!(cache.sealed_record(&digest).unwrap_err().to_string().contains("is damaged"));
    }
}
