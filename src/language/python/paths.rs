//! Paths of a repository: the folders that they are in, and what is in a folder. Pure.

/// The folder of a path, empty at the top.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The folder that a folder is in. `None`: it is the top.
pub(super) fn up(dir: &str) -> Option<&str> {
    (!dir.is_empty()).then(|| folder(dir))
}

/// The folders that a path is in, the nearest first, the top last.
pub(super) fn above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder(path)), |dir| up(dir))
}

/// The path of a name in a folder.
pub(crate) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
