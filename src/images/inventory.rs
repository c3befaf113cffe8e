//! The stock of prepared images: what is there, how much room it takes, what uses it, and what goes if there is too
//! little room.
//!
//! `assay image gc` and `--image-budget` remove the least recently used images that nobody holds. Of the originals they
//! remove only what this tool pulled or unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use walkdir::WalkDir;

use super::cache::{Cache, CacheError};
use super::seal_foreign_host::SEALED;
use super::seal_host::LAYERS as BASE_LAYERS;
use super::unpacked::{self, UnpackError, lease_name};
use crate::model::digest::Digest;
use crate::sandbox::SandboxError;
use crate::sandbox::docker::Docker;

/// Something that takes room and is there once, however many images share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Device and number of a file.
    File(u64, u64),
    /// A layer of the Docker engine, with all that is below it.
    Layer(String),
}

/// What an image is to the stock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sealed, in the Docker engine.
    Docker,
    /// Sealed, in the cache, from an image of others.
    Cell,
    /// Sealed, in the cache, from a recipe.
    Layer,
    /// As its maker left it, in the engine, if this tool pulled it.
    Pulled,
    /// As its maker left it, in the cache.
    Unpacked,
}

/// A prepared image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prepared {
    pub digest: Digest,
    pub kind: Kind,
    /// Tag in the engine, or folder in the cache.
    pub name: String,
    /// The image of others that it is or was made from.
    pub reference: Option<String>,
    /// Tool and test runner that were chosen.
    #[serde(rename = "python")]
    pub tool: Option<String>,
    pub runner: Option<String>,
    /// What was taken out of it.
    pub removed: Vec<String>,
    /// Instances that used it.
    pub instances: BTreeSet<String>,
    /// Seconds since 1970; when it was made, if nobody has used it since.
    pub last_use: u64,
    /// A process that lives holds it.
    pub in_use: bool,
    /// All that it is made of, and the part that other images of the stock are made of, too.
    pub bytes: u64,
    pub shared_bytes: u64,
    #[serde(skip)]
    pub pieces: BTreeMap<Piece, u64>,
}

/// Why the stock cannot be looked at or reduced.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
}

/// All prepared images of a cache and, if there is an engine, those that it has there, least recently used first.
pub fn list(cache: &Cache, docker: Option<&Docker>) -> Result<Vec<Prepared>, StockError> {
    let mut stock = Vec::new();
    for (kind, folder) in [(Kind::Cell, SEALED), (Kind::Layer, BASE_LAYERS)] {
        for name in cache.names(folder)? {
            let path = cache.path(folder, &name);
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            stock.push(prepared(
                cache,
                digest,
                kind.clone(),
                path.display().to_string(),
                made(&path),
                files(&[&path]),
            )?);
        }
    }
    for image in unpacked::all(cache)? {
        let folders = image.folders(cache);
        let pieces = files(&folders.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>());
        let at = folders.first().map(|path| path.display().to_string()).unwrap_or_default();
        let since = folders.first().map_or(0, |path| made(path));
        let mut found = prepared(cache, lease_name(&image.id), Kind::Unpacked, at, since, pieces)?;
        found.reference = Some(image.reference);
        stock.push(found);
    }
    if let Some(docker) = docker {
        for image in docker.stock(cache)? {
            let kind = if image.pulled { Kind::Pulled } else { Kind::Docker };
            let mut found = prepared(cache, image.digest, kind, image.tag.clone(), image.created, image.layers)?;
            if image.pulled {
                found.reference = Some(image.tag);
            }
            stock.push(found);
        }
    }
    let mut uses: BTreeMap<Piece, u32> = BTreeMap::new();
    stock.iter().flat_map(|one| one.pieces.keys()).for_each(|piece| *uses.entry(piece.clone()).or_default() += 1);
    for one in &mut stock {
        let shared = one.pieces.iter().filter(|(piece, _)| uses.get(*piece).is_some_and(|count| *count > 1));
        one.shared_bytes = shared.map(|(_, bytes)| bytes).sum();
    }
    stock.sort_by(|a, b| (a.last_use, &a.name).cmp(&(b.last_use, &b.name)));
    Ok(stock)
}

/// Bytes that images take together; what they share counts once.
pub fn total<'a>(stock: impl IntoIterator<Item = &'a Prepared>) -> u64 {
    let pieces: BTreeMap<&Piece, u64> =
        stock.into_iter().flat_map(|one| one.pieces.iter().map(|(piece, bytes)| (piece, *bytes))).collect();
    pieces.values().sum()
}

/// Which images to remove, in this order, so that the rest fits into `budget` bytes: the least recently used first, none that
/// is in use. They may not be enough.
pub fn plan(stock: &[Prepared], budget: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..stock.len()).filter(|index| !stock[*index].in_use).collect();
    order.sort_by_key(|index| (stock[*index].last_use, &stock[*index].name));
    let mut uses: BTreeMap<&Piece, u32> = BTreeMap::new();
    stock.iter().flat_map(|one| one.pieces.keys()).for_each(|piece| *uses.entry(piece).or_default() += 1);
    let mut left = total(stock);
    let mut gone = Vec::new();
    for index in order {
        if left <= budget {
            break;
        }
        for (piece, bytes) in &stock[index].pieces {
            if let Some(count) = uses.get_mut(piece) {
                *count -= 1;
                if *count == 0 {
                    left -= bytes;
                }
            }
        }
        gone.push(index);
    }
    gone
}

/// Removes a prepared image. `false`: somebody uses it.
pub fn remove(cache: &Cache, docker: Option<&Docker>, image: &Prepared) -> Result<bool, StockError> {
    let Some(_claim) = cache.claim(&image.digest)? else { return Ok(false) };
    match (&image.kind, docker) {
        (Kind::Cell, _) => cache.discard(SEALED, image.digest.as_str())?,
        (Kind::Layer, _) => cache.discard(BASE_LAYERS, image.digest.as_str())?,
        (Kind::Unpacked, _) => unpacked::forget(cache, image.reference.as_deref().unwrap_or_default())?,
        (Kind::Docker | Kind::Pulled, Some(docker)) => return docker.discard(cache, image),
        (Kind::Docker | Kind::Pulled, None) => return Ok(false),
    }
    Ok(true)
}

/// Removes the least recently used images until the rest fits. Gives what was removed, and the bytes that are left.
pub fn keep_to(cache: &Cache, docker: Option<&Docker>, budget: u64) -> Result<(Vec<Prepared>, u64), StockError> {
    let mut stock = list(cache, docker)?;
    let mut removed = BTreeSet::new();
    for index in plan(&stock, budget) {
        if remove(cache, docker, &stock[index])? {
            removed.insert(index);
        }
    }
    let mut gone = Vec::new();
    for index in removed.into_iter().rev() {
        gone.push(stock.remove(index));
    }
    gone.reverse();
    Ok((gone, total(&stock)))
}

fn prepared(
    cache: &Cache,
    digest: Digest,
    kind: Kind,
    name: String,
    made: u64,
    pieces: BTreeMap<Piece, u64>,
) -> Result<Prepared, StockError> {
    let record = cache.sealed_record(&digest)?;
    Ok(Prepared {
        reference: record.as_ref().map(|record| record.reference.clone()),
        tool: record.as_ref().map(|record| format!("{} ({})", record.tool, record.tool_version)),
        runner: record.as_ref().map(|record| record.runner.clone()),
        removed: record.map(|record| record.removed).unwrap_or_default(),
        instances: cache.users(&digest)?.instances,
        last_use: cache.last_use(&digest).map_or(made, seconds),
        in_use: cache.claim(&digest)?.is_none(),
        bytes: pieces.values().sum(),
        shared_bytes: 0,
        digest,
        kind,
        name,
        pieces,
    })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn made(path: &Path) -> u64 {
    fs::metadata(path).and_then(|data| data.modified()).map_or(0, seconds)
}

/// Files below some folders, each once however many names it has. One that goes meanwhile counts no more.
fn files(folders: &[&Path]) -> BTreeMap<Piece, u64> {
    let mut files = BTreeMap::new();
    for entry in folders.iter().flat_map(WalkDir::new).filter_map(Result::ok) {
        if let Ok(data) = entry.metadata() {
            files.insert(Piece::File(data.dev(), data.ino()), data.blocks() * 512);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str, last_use: u64, in_use: bool, pieces: &[(&str, u64)]) -> Prepared {
        let pieces: BTreeMap<Piece, u64> =
            pieces.iter().map(|(layer, bytes)| (Piece::Layer((*layer).to_owned()), *bytes)).collect();
        Prepared {
            digest: Digest::of(name.as_bytes()),
            kind: Kind::Docker,
            name: name.to_owned(),
            reference: None,
            tool: None,
            runner: None,
            removed: Vec::new(),
            instances: BTreeSet::new(),
            last_use,
            in_use,
            bytes: pieces.values().sum(),
            shared_bytes: 0,
            pieces,
        }
    }

    #[test]
    fn the_least_recently_used_go_first_and_none_that_is_in_use() {
        let stock = [
            image("used", 1, true, &[("a", 50)]),
            image("old", 2, false, &[("b", 30)]),
            image("new", 9, false, &[("c", 20)]),
            image("older", 1, false, &[("d", 10)]),
        ];
        assert_eq!(total(&stock), 110);
        for (budget, gone) in
            [(110, vec![]), (109, vec![3]), (100, vec![3]), (99, vec![3, 1]), (60, vec![3, 1, 2]), (0, vec![3, 1, 2])]
        {
            assert_eq!(plan(&stock, budget), gone, "{budget}");
        }
    }

    #[test]
    fn what_images_share_counts_once_and_goes_with_the_last_of_them() {
        let stock = [
            image("a", 1, false, &[("base", 100), ("a", 1)]),
            image("b", 2, false, &[("base", 100), ("b", 1)]),
            image("c", 3, false, &[("c", 1)]),
        ];
        assert_eq!(total(&stock), 103);
        assert_eq!(plan(&stock, 102), [0]);
        assert_eq!(plan(&stock, 50), [0, 1]);
    }

    #[test]
    fn a_leased_image_stays_until_its_user_is_gone_whatever_the_budget() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let images = ["a", "b"].map(|name| Digest::of(name.as_bytes()));
        for image in &images {
            let path = cache.path(BASE_LAYERS, image.as_str());
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("file"), vec![1; 100_000]).unwrap();
        }
        let lease = cache.lease(&images[0]).unwrap();
        let (gone, left) = keep_to(&cache, None, 0).unwrap();
        assert_eq!(gone.iter().map(|image| &image.digest).collect::<Vec<_>>(), [&images[1]]);
        assert!(left >= 100_000);
        assert!(cache.path(BASE_LAYERS, images[0].as_str()).join("file").exists());
        drop(lease);
        assert_eq!(keep_to(&cache, None, left).unwrap(), (Vec::new(), left), "what fits stays");
        let (gone, left) = keep_to(&cache, None, left - 1).unwrap();
        assert_eq!((gone.len(), left), (1, 0));
        assert!(!cache.path(BASE_LAYERS, images[0].as_str()).exists());
    }

    #[test]
    fn names_of_one_file_are_one_piece() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 100_000]).unwrap();
        let alone = files(&[folder.path()]);
        fs::hard_link(folder.path().join("a"), folder.path().join("b")).unwrap();
        assert_eq!(files(&[folder.path()]).values().sum::<u64>(), alone.values().sum::<u64>());
    }
}
