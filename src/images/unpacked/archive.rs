//! Images in files: what `docker save` writes and OCI image layouts, as a folder or as a tar.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::folders::{inside, refused};
use super::layer::decompressed;
use super::manifest::{Config, Descriptor, Document, Saved, for_this_machine, hex_of};
use super::source::{Blob, Contents, Source};
use super::{UnpackError, canonical};
use crate::model::digest::Digest;

/// A text of an archive is never longer.
const LONGEST_TEXT: u64 = 64 << 20;

/// An archive, opened.
#[derive(Debug)]
pub struct Archive {
    place: String,
    members: Members,
}

#[derive(Debug)]
enum Members {
    Folder(PathBuf),
    Tar { file: File, members: BTreeMap<PathBuf, Member> },
}

#[derive(Clone, Debug)]
enum Member {
    File { at: u64, len: u64 },
    Link(PathBuf),
}

/// An image in an archive, before its configuration is read.
struct Listed {
    names: Vec<String>,
    config: String,
    layers: Vec<Blob>,
    /// The digest that the configuration must have.
    id: Option<String>,
}

impl Archive {
    /// Opens a folder or a tar, compressed or not.
    pub fn open(path: &Path) -> Result<Self, UnpackError> {
        let place = path.display().to_string();
        let io = |source| UnpackError::Io { doing: "open", path: path.to_owned(), source };
        if path.is_dir() {
            return Ok(Self { place, members: Members::Folder(path.to_owned()) });
        }
        Self::of_file(File::open(path).map_err(io)?, &place)
    }

    /// A tar in a file, compressed or not. `place` is what people know it by.
    pub fn of_file(mut file: File, place: &str) -> Result<Self, UnpackError> {
        let io = |source| UnpackError::Io { doing: "read the archive", path: PathBuf::from(place), source };
        let mut magic = [0; 4];
        let known = file.read_at(&mut magic, 0).map_err(io)?;
        if magic[..known].starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd] {
            let mut plain = tempfile::tempfile().map_err(io)?;
            io::copy(&mut decompressed(&file).map_err(io)?, &mut plain).map_err(io)?;
            file = plain;
        }
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        let mut members = BTreeMap::new();
        let mut archive = tar::Archive::new(&file);
        for entry in archive.entries_with_seek().map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = inside(&entry.path().map_err(io)?).map_err(io)?;
            let member = match entry.header().entry_type() {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    Member::File { at: entry.raw_file_position(), len: entry.size() }
                }
                // `docker save` writes a layer that two images share once, and a link for the other.
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let Some(to) = entry.link_name().map_err(io)? else { continue };
                    let relative = entry.header().entry_type() == tar::EntryType::Symlink;
                    let to = if relative { path.parent().unwrap_or(Path::new("")).join(to) } else { to.into_owned() };
                    Member::Link(plain(&to))
                }
                _ => continue,
            };
            members.insert(path, member);
        }
        Ok(Self { place: place.to_owned(), members: Members::Tar { file, members } })
    }

    /// The names that images of the archive have.
    fn listed(&self) -> Result<Vec<Listed>, UnpackError> {
        if let Some(text) = self.text("manifest.json")? {
            let saved: Vec<Saved> =
                serde_json::from_slice(&text).map_err(|e| self.wrong(format!("manifest.json: {e}")))?;
            let listed = saved.into_iter().map(|saved| Listed {
                id: saved.config.strip_suffix(".json").map(str::to_owned),
                names: saved.repo_tags.unwrap_or_default(),
                config: saved.config,
                layers: saved.layers.into_iter().map(|name| Blob { name, digest: None }).collect(),
            });
            return Ok(listed.collect());
        }
        let Some(text) = self.text("index.json")? else {
            return Err(self.wrong("it has neither manifest.json (docker save) nor index.json (OCI layout)".to_owned()));
        };
        let mut listed = Vec::new();
        let Document::Index(manifests) =
            Document::read(&text).map_err(|why| self.wrong(format!("index.json: {why}")))?
        else {
            return Err(self.wrong("index.json: it is not an index".to_owned()));
        };
        for descriptor in for_this_machine(&manifests) {
            let names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];
            let names = names.iter().filter_map(|name| descriptor.annotations.get(*name)).cloned().collect();
            listed.extend(self.follow(descriptor, names, 0)?);
        }
        Ok(listed)
    }

    /// The image behind a descriptor, which may be another index.
    fn follow(&self, descriptor: &Descriptor, names: Vec<String>, depth: u8) -> Result<Option<Listed>, UnpackError> {
        let text = self.checked(&descriptor.digest)?;
        match Document::read(&text).map_err(|why| self.wrong(format!("{}: {why}", descriptor.digest)))? {
            Document::Manifest { config, layers } => {
                let blob =
                    |layer: Descriptor| Ok(Blob { name: self.path_of(&layer.digest)?, digest: Some(layer.digest) });
                Ok(Some(Listed {
                    names,
                    config: self.path_of(&config.digest)?,
                    layers: layers.into_iter().map(blob).collect::<Result<_, UnpackError>>()?,
                    id: hex_of(&config.digest).ok().map(str::to_owned),
                }))
            }
            Document::Index(manifests) if depth < 4 => match for_this_machine(&manifests).first() {
                Some(first) => self.follow(first, names, depth + 1),
                None => Ok(None),
            },
            Document::Index(_) => Err(self.wrong("an index in an index in an index".to_owned())),
        }
    }

    fn path_of(&self, digest: &str) -> Result<String, UnpackError> {
        Ok(format!("blobs/sha256/{}", hex_of(digest).map_err(|why| self.wrong(why))?))
    }

    /// A text blob that holds what its name says.
    fn checked(&self, digest: &str) -> Result<Vec<u8>, UnpackError> {
        let path = self.path_of(digest)?;
        let text = self.text(&path)?.ok_or_else(|| self.wrong(format!("it has no {path}")))?;
        if path.strip_prefix("blobs/sha256/") != Some(Digest::of(&text).as_str()) {
            return Err(self.wrong(format!("{path} does not hold what its name says")));
        }
        Ok(text)
    }

    fn text(&self, name: &str) -> Result<Option<Vec<u8>>, UnpackError> {
        let Some(reader) = self.member(name)? else { return Ok(None) };
        let mut text = Vec::new();
        let read = reader.take(LONGEST_TEXT).read_to_end(&mut text);
        read.map_err(|source| UnpackError::Io { doing: "read", path: Path::new(&self.place).join(name), source })?;
        Ok(Some(text))
    }

    fn member(&self, name: &str) -> Result<Option<Box<dyn Read + '_>>, UnpackError> {
        let io = |source| UnpackError::Io { doing: "read", path: Path::new(&self.place).join(name), source };
        let mut path = inside(Path::new(name)).map_err(io)?;
        match &self.members {
            Members::Folder(folder) => match File::open(folder.join(&path)) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io(error)),
            },
            Members::Tar { file, members } => {
                for _ in 0..8 {
                    match members.get(&path) {
                        None => return Ok(None),
                        Some(Member::File { at, len }) => {
                            return Ok(Some(Box::new(Section { file, at: *at, end: at + len })));
                        }
                        Some(Member::Link(to)) => path = to.clone(),
                    }
                }
                Err(io(refused(&path, "links that lead in a circle")))
            }
        }
    }

    fn wrong(&self, why: String) -> UnpackError {
        UnpackError::Archive { place: self.place.clone(), why }
    }
}

impl Source for Archive {
    fn contents(&self, reference: &str) -> Result<Contents, UnpackError> {
        let listed = self.listed()?;
        let wanted = canonical(reference);
        let named = |image: &&Listed| {
            // An OCI layout may give the tag alone.
            let tag = |name: &str| !name.contains([':', '/']) && wanted.ends_with(&format!(":{name}"));
            image.names.iter().any(|name| canonical(name) == wanted || tag(name))
        };
        let image = match (listed.iter().find(named), listed.as_slice()) {
            (Some(image), _) | (None, [image]) => image,
            (None, []) => return Err(self.wrong("it has no image for this machine".to_owned())),
            (None, _) => {
                let names: Vec<&str> = listed.iter().flat_map(|image| &image.names).map(String::as_str).collect();
                return Err(self.wrong(format!("it has no image {reference}; it has {}", names.join(", "))));
            }
        };
        let text = self.text(&image.config)?.ok_or_else(|| self.wrong(format!("it has no {}", image.config)))?;
        let id = Digest::of(&text);
        // Older archives name the file by the digest, newer ones the blob.
        let hex = |id: &&String| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let named = image.config.strip_prefix("blobs/sha256/").map(str::to_owned);
        if let Some(wrong) = image.id.iter().chain(&named).filter(hex).find(|named| named.as_str() != id.as_str()) {
            return Err(self.wrong(format!("the configuration {wrong} is another one ({id})")));
        }
        let config = Config::read(&text).map_err(|why| self.wrong(why))?;
        Ok(Contents { id, config, layers: image.layers.clone() })
    }

    fn blob(&self, blob: &Blob) -> Result<Box<dyn Read + '_>, UnpackError> {
        self.member(&blob.name)?.ok_or_else(|| self.wrong(format!("it has no {}", blob.name)))
    }
}

/// A stretch of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..left], self.at)?;
        if read == 0 && left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// A relative path without `..`; what would lead out of the archive stays at its top.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::Normal(part) => plain.push(part),
            std::path::Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}
