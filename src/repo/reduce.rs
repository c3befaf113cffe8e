//! Gold in parts: its source changes hunk by hunk or file by file, and the trees without some of them.

use std::collections::{BTreeMap, BTreeSet};

use super::patch::{Change, Hunk, LineKind, parse};
use super::store::{Leaf, Repository};
use crate::model::admission::{GoldPart, Trees};
use crate::model::candidate::PathClass;

/// The parts of an instance's gold change.
pub struct GoldParts<'a> {
    repo: &'a Repository,
    trees: &'a Trees,
    files: Vec<File>,
    parts: Vec<GoldPart>,
}

/// A changed source file: with hunks if they are parts of their own, otherwise as a whole.
struct File {
    path: String,
    hunks: Vec<Hunk>,
    /// Number of its first part, and how many there are.
    first: usize,
    count: usize,
}

impl std::fmt::Debug for GoldParts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoldParts").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl<'a> GoldParts<'a> {
    /// Splits gold into at most `most` parts: hunks if they are that few, otherwise files; of more files, the first ones.
    pub fn of(repo: &'a Repository, trees: &'a Trees, most: usize) -> anyhow::Result<Self> {
        let diff = repo.diff(&trees.base, &trees.gold)?;
        let mut changed = BTreeMap::new();
        if !diff.is_empty() {
            let patches = parse(&diff).map_err(|malformed| {
                anyhow::anyhow!("our own diff of gold cannot be read ({}); this is a bug of assay", malformed.detail)
            })?;
            for patch in patches {
                let Some(path) = patch.old.clone().or(patch.new.clone()) else { continue };
                if trees.layout.class(&path) != PathClass::Source {
                    continue;
                }
                let hunks = match patch.change {
                    Change::Text(hunks) if patch.old.is_some() && patch.new == patch.old => hunks,
                    Change::Text(_) | Change::Binary(_) => Vec::new(),
                };
                let hunks = if rebuilds(repo, trees, &path, &hunks)? { hunks } else { Vec::new() };
                changed.insert(path, hunks);
            }
        }
        let by_hunk = changed.values().map(|hunks| hunks.len().max(1)).sum::<usize>() <= most;
        let mut this = Self { repo, trees, files: Vec::new(), parts: Vec::new() };
        for (path, hunks) in changed {
            let whole = !by_hunk || hunks.is_empty();
            let places = if whole { vec![(0, 0)] } else { hunks.iter().map(place).collect() };
            if this.parts.len() + places.len() > most {
                break;
            }
            let first = this.parts.len();
            let count = places.len();
            this.parts.extend(places.into_iter().map(|(start, lines)| GoldPart { path: path.clone(), start, lines }));
            this.files.push(File { path, hunks: if whole { Vec::new() } else { hunks }, first, count });
        }
        Ok(this)
    }

    pub fn parts(&self) -> &[GoldPart] {
        &self.parts
    }

    /// Gold with the trusted tests, without these parts.
    pub fn without(&self, left_out: &BTreeSet<usize>) -> anyhow::Result<String> {
        let base = self.repo.tree(&self.trees.base)?;
        let gold = self.repo.tree(&self.trees.tested_gold)?;
        let mut leaves: BTreeMap<String, Option<Leaf>> = BTreeMap::new();
        for file in &self.files {
            let of_file = file.first..file.first + file.count;
            if !of_file.clone().any(|part| left_out.contains(&part)) {
                continue;
            }
            let (old, new) = (self.repo.leaf(&base, &file.path)?, self.repo.leaf(&gold, &file.path)?);
            let leaf = match (old, new) {
                (Some(old), Some(new)) if !file.hunks.is_empty() => {
                    let text = String::from_utf8(self.repo.blob(old.oid)?)?;
                    let kept = of_file.zip(&file.hunks).filter(|(part, _)| !left_out.contains(part));
                    let text = applied(&text, kept.map(|(_, hunk)| hunk));
                    let oid = self.repo.store(text.as_bytes(), super::Mode::Plain)?.oid;
                    Some(Leaf { oid, mode: new.mode })
                }
                (old, _) => old,
            };
            leaves.insert(file.path.clone(), leaf);
        }
        Ok(self.repo.write_tree(&self.trees.tested_gold, &leaves)?)
    }
}

/// Whether base with all hunks is gold: otherwise the file is taken as a whole.
fn rebuilds(repo: &Repository, trees: &Trees, path: &str, hunks: &[Hunk]) -> anyhow::Result<bool> {
    let text = |tree: &str| anyhow::Ok(repo.read(tree, path)?.and_then(|bytes| String::from_utf8(bytes).ok()));
    Ok(match (text(&trees.base)?, text(&trees.tested_gold)?) {
        (Some(base), Some(gold)) => applied(&base, hunks.iter()) == gold,
        _ => false,
    })
}

/// A text with hunks applied at the very lines they name.
fn applied<'h>(text: &str, hunks: impl Iterator<Item = &'h Hunk>) -> String {
    let old: Vec<_> = text.split_inclusive('\n').collect();
    let (mut out, mut at) = (String::new(), 0);
    for hunk in hunks {
        let taken = hunk.lines.iter().filter(|line| line.kind != LineKind::Added).count();
        // With no old lines the header names the line before.
        let start = if taken == 0 { hunk.old_start } else { hunk.old_start.saturating_sub(1) };
        out.extend(old.get(at..start.min(old.len())).unwrap_or_default().iter().copied());
        for line in hunk.lines.iter().filter(|line| line.kind != LineKind::Removed) {
            out.push_str(&line.text);
            if line.newline {
                out.push('\n');
            }
        }
        at = start + taken;
    }
    out.extend(old.get(at..).unwrap_or_default().iter().copied());
    out
}

/// The changed lines of a hunk at base: the first, and how many; `None` for an insertion after that line.
fn place(hunk: &Hunk) -> (u32, u32) {
    let mut line = hunk.old_start;
    let mut changed: Option<(usize, usize)> = None;
    let mut inserted = None;
    for one in &hunk.lines {
        match one.kind {
            LineKind::Context => line += 1,
            LineKind::Removed => {
                let (first, _) = changed.unwrap_or((line, line));
                changed = Some((first, line));
                line += 1;
            }
            LineKind::Added => inserted = inserted.or(Some(line.saturating_sub(1))),
        }
    }
    match changed {
        Some((first, last)) => (first as u32, (last - first + 1) as u32),
        None => (inserted.unwrap_or(hunk.old_start) as u32, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::Layout;
    use crate::sandbox::FileChange;

    fn tree(repo: &Repository, files: &[(&str, &str)]) -> String {
        let empty = repo.empty_tree().unwrap().to_string();
        let write = |(path, text): &(&str, &str)| FileChange::Write {
            path: (*path).to_owned(),
            content: text.as_bytes().into(),
            executable: false,
        };
        repo.with(&empty, &files.iter().map(write).collect::<Vec<_>>()).unwrap()
    }

    const LONG: &str = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\nm\nn\n";

    #[test]
    fn every_choice_of_parts_gives_the_tree_with_the_others_applied() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::create_bare(folder.path()).unwrap();
        let changed = LONG.replace("b\n", "B\nBB\n").replace("m\n", "");
        let base = tree(&repo, &[("p/a.py", LONG), ("README.md", "x\n"), ("tests/test_a.py", "")]);
        let files =
            [("p/a.py", changed.as_str()), ("p/new.py", "n\n"), ("README.md", "y\n"), ("tests/test_a.py", "t\n")];
        let gold = tree(&repo, &files);
        let trees = Trees {
            base: base.clone(),
            gold: gold.clone(),
            tested_base: base.clone(),
            tested_gold: gold.clone(),
            layout: Layout::by_name("pytest"),
        };
        let parts = GoldParts::of(&repo, &trees, 8).unwrap();
        let places: Vec<_> = parts.parts().iter().map(|part| (part.path.as_str(), part.start, part.lines)).collect();
        assert_eq!(places, [("p/a.py", 2, 1), ("p/a.py", 13, 1), ("p/new.py", 0, 0)]);

        let read = |left_out: &[usize], path: &str| {
            let tree = parts.without(&left_out.iter().copied().collect()).unwrap();
            repo.read(&tree, path).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(parts.without(&BTreeSet::new()).unwrap(), gold);
        assert_eq!(read(&[0], "p/a.py").unwrap(), LONG.replace("m\n", ""));
        assert_eq!(read(&[1], "p/a.py").unwrap(), LONG.replace("b\n", "B\nBB\n"));
        assert_eq!(read(&[0, 1], "p/a.py").unwrap(), LONG);
        assert_eq!(read(&[2], "p/new.py"), None);
        assert_eq!(read(&[0, 1, 2], "README.md").unwrap(), "y\n", "only source is taken apart");
        assert_eq!(read(&[0, 1, 2], "tests/test_a.py").unwrap(), "t\n");

        let coarse = GoldParts::of(&repo, &trees, 2).unwrap();
        let paths: Vec<_> = coarse.parts().iter().map(|part| part.path.as_str()).collect();
        assert_eq!(paths, ["p/a.py", "p/new.py"]);
        let tree = coarse.without(&BTreeSet::from([0])).unwrap();
        assert_eq!(repo.read(&tree, "p/a.py").unwrap().unwrap(), LONG.as_bytes());
    }

    #[test]
    fn an_insertion_is_placed_after_a_line_and_a_missing_line_feed_survives() {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::create_bare(folder.path()).unwrap();
        let base = tree(&repo, &[("a.py", "one\ntwo\n")]);
        let gold = tree(&repo, &[("a.py", "one\ntwo\nthree")]);
        let trees = Trees {
            base: base.clone(),
            gold: gold.clone(),
            tested_base: base.clone(),
            tested_gold: gold.clone(),
            layout: Layout::by_name("pytest"),
        };
        let parts = GoldParts::of(&repo, &trees, 8).unwrap();
        assert_eq!((parts.parts()[0].start, parts.parts()[0].lines), (2, 0));
        assert_eq!(parts.without(&BTreeSet::new()).unwrap(), gold);
        assert_eq!(parts.without(&BTreeSet::from([0])).unwrap(), base);
    }
}
