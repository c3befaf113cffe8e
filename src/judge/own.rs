//! The lines that a repair adds: an exception that one of them raises is the repair's own.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::patch::{Change, LineKind, parse};
use crate::trial::Raised;

/// Added lines by path, as they are numbered in the repair's tree.
#[derive(Clone, Debug, Default)]
pub(super) struct Own(BTreeMap<String, BTreeSet<usize>>);

impl Own {
    /// Of a canonical diff. One that cannot be read adds nothing.
    pub fn of(diff: &str) -> Self {
        let mut own = Self::default();
        for file in parse(diff).unwrap_or_default() {
            let (Some(path), Change::Text(hunks)) = (file.new, file.change) else { continue };
            let lines = own.0.entry(path).or_default();
            let (mut added, mut removed) = (0, 0);
            for hunk in hunks {
                let old = hunk.lines.iter().any(|line| line.kind != LineKind::Added);
                let mut at = hunk.old_start + usize::from(!old) + added - removed;
                for line in hunk.lines {
                    match line.kind {
                        LineKind::Context => at += 1,
                        LineKind::Removed => removed += 1,
                        LineKind::Added => {
                            lines.insert(at);
                            added += 1;
                            at += 1;
                        }
                    }
                }
            }
        }
        own
    }

    pub fn raised(&self, place: &Raised) -> bool {
        self.0.get(&place.file).is_some_and(|lines| lines.contains(&(place.line as usize)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n@@ -10,0 +11,2 @@\n\
                        +eleven\n+twelve\n@@ -20,2 +22,1 @@\n twenty\n-gone\n@@ -30,1 +31,2 @@\n thirty\n+last\n\
                        diff --git a/b.py b/b.py\nnew file mode 100644\n--- /dev/null\n+++ b/b.py\n@@ -0,0 +1,2 @@\n+x\n+y\n";

    #[test]
    fn added_lines_have_the_numbers_of_the_new_file() {
        let own = Own::of(DIFF);
        let of = |file: &str| -> Vec<u32> {
            (0..40).filter(|line| own.raised(&Raised { file: file.to_owned(), line: *line })).collect()
        };
        assert_eq!(of("a.py"), [2, 11, 12, 32]);
        assert_eq!(of("b.py"), [1, 2]);
        assert_eq!(of("c.py"), [0; 0]);
        assert!(!Own::of("no diff").raised(&Raised { file: "a.py".to_owned(), line: 2 }));
    }
}
