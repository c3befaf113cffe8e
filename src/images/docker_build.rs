//! What a Docker image of ours is built from, and the build context made of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::model::digest::Digest;
use crate::sandbox::docker::files::header;

/// What a Docker image is built from.
#[derive(Clone, Debug)]
pub struct DockerBuild {
    /// Names everything that goes into the image.
    pub digest: Digest,
    /// Part of the image's tag.
    pub name: String,
    /// Text of the Dockerfile. Its arguments are `BASE` and `WORKDIR`, and the tree is in the folder `tree` of its context.
    pub dockerfile: String,
    /// The Docker image that it starts from.
    pub base: String,
    /// What stands in the context beside Dockerfile and tree: paths, in the order in which they are packed.
    pub context: Vec<(String, Content)>,
    /// Absolute path, inside the image, of the program that tests are run with.
    pub tool: String,
    pub workdir: String,
}

/// An entry of a build context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Folder,
    Text(String),
    File(PathBuf),
}

/// The build context as a tar, in a file without a name.
pub(crate) fn pack(build: &DockerBuild, tree: &Path) -> io::Result<File> {
    let mut tar = tar::Builder::new(io::BufWriter::new(tempfile::tempfile()?));
    tar.follow_symlinks(false);
    let text = |tar: &mut tar::Builder<_>, path: &str, content: &str| {
        let mut header = header(tar::EntryType::Regular, 0o644, 0);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes())
    };
    text(&mut tar, "Dockerfile", &build.dockerfile)?;
    for (path, content) in &build.context {
        match content {
            Content::Folder => {
                let mut header = header(tar::EntryType::Directory, 0o755, 0);
                header.set_size(0);
                tar.append_data(&mut header, path, io::empty())?;
            }
            Content::Text(content) => text(&mut tar, path, content)?,
            Content::File(from) => {
                let mut header = header(tar::EntryType::Regular, 0o644, 0);
                header.set_size(fs::metadata(from)?.len());
                tar.append_data(&mut header, path, File::open(from)?)?;
            }
        }
    }
    for entry in WalkDir::new(tree).sort_by_file_name() {
        let entry = entry?;
        let inside = Path::new("tree").join(entry.path().strip_prefix(tree).unwrap_or(entry.path()));
        tar.append_path_with_name(entry.path(), inside)?;
    }
    let file = tar.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _};

    #[test]
    fn a_build_context_holds_the_dockerfile_its_files_and_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "tree").unwrap();
        let wheel = folder.path().join("a");
        let context = vec![
            ("environment".to_owned(), Content::Folder),
            ("environment/lock".to_owned(), Content::Text("pinned".to_owned())),
            ("environment/wheel".to_owned(), Content::File(wheel)),
        ];
        let build = DockerBuild {
            digest: Digest::of(b"image"),
            name: "name".to_owned(),
            dockerfile: "ARG BASE".to_owned(),
            base: "base".to_owned(),
            context,
            tool: "/tool".to_owned(),
            workdir: "/testbed".to_owned(),
        };
        let mut file = pack(&build, folder.path()).unwrap();
        file.rewind().unwrap();
        let mut held = Vec::new();
        for entry in tar::Archive::new(file).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            held.push((entry.path().unwrap().display().to_string().trim_end_matches('/').to_owned(), text));
        }
        let expected = [
            ("Dockerfile", "ARG BASE"),
            ("environment", ""),
            ("environment/lock", "pinned"),
            ("environment/wheel", "tree"),
            ("tree", ""),
            ("tree/a", "tree"),
        ];
        assert_eq!(held, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    }
}
