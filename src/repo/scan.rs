//! Reading many files of a tree at once, on all cores, one file in memory per core.

use git2::Oid;
use rayon::prelude::*;

use super::RepoError;
use super::store::Repository;

impl Repository {
    /// Hands the bytes of every wanted plain file to `look` and gives what it made of each, in the order of the paths. Links
    /// and submodules are left out, and so are files of more than `largest` bytes.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn look_at_files<T: Send>(
        &self,
        tree: &str,
        wanted: impl Fn(&str) -> bool,
        largest: usize,
        look: impl Fn(&str, &[u8]) -> T + Sync,
    ) -> Result<Vec<T>, RepoError> {
        let plain = |mode: i32| mode & 0o170_000 == 0o100_000;
        let leaves = self.leaves(tree)?.into_iter().filter(|(path, leaf)| plain(leaf.mode) && wanted(path));
        let files: Vec<(String, Oid)> = leaves.map(|(path, leaf)| (path, leaf.oid)).collect();
        let repository = self.path();
        // A few shares per core: files differ in size. A repository cannot be shared, so each share opens its own.
        let share = files.len().div_ceil(rayon::current_num_threads() * 4).max(1);
        let looked = files.par_chunks(share).map(|share| {
            let own = Self::open(repository)?;
            let mut seen = Vec::with_capacity(share.len());
            for (path, oid) in share {
                let blob = own.git.find_blob(*oid).map_err(own.fault("reading a file"))?;
                if blob.size() <= largest {
                    seen.push(look(path, blob.content()));
                }
            }
            Ok(seen)
        });
        Ok(looked.collect::<Result<Vec<_>, RepoError>>()?.into_iter().flatten().collect())
    }
}
