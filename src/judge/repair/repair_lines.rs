//! Which places are a repair's own: a file that the repair changes, or a line that it adds. In: the repair's diff and
//! the place where an exception was raised. Out: whether the place is one of them.

use crate::model::candidate::Prepared;
use crate::model::trial::Raised;
use crate::repo::patch::{Change, LineKind, parse};

/// Whether the repair changes the file.
pub(crate) fn changes(repair: &Prepared, place: &Raised) -> bool {
    repair.files.contains(&place.file)
}

/// Whether the repair adds the line. A diff that cannot be read adds no line.
pub(crate) fn adds(repair: &Prepared, place: &Raised) -> bool {
    let wanted = place.line as usize;
    for file in parse(&repair.diff).unwrap_or_default() {
        let Change::Text(hunks) = file.change else { continue };
        if file.new.as_ref() != Some(&place.file) {
            continue;
        }
        let (mut added, mut removed) = (0, 0);
        for hunk in hunks {
            let after = hunk.lines.iter().all(|line| line.kind == LineKind::Added);
            let mut at = hunk.old_start + usize::from(after) + added - removed;
            for line in hunk.lines {
                match line.kind {
                    LineKind::Context => at += 1,
                    LineKind::Removed => removed += 1,
                    LineKind::Added if at == wanted => return true,
                    LineKind::Added => {
                        added += 1;
                        at += 1;
                    }
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n@@ -10,0 +11,2 @@\n\
                        +eleven\n+twelve\n@@ -20,2 +22,1 @@\n twenty\n-gone\n@@ -30,1 +31,2 @@\n thirty\n+last\n\
                        diff --git a/b.py b/b.py\nnew file mode 100644\n--- /dev/null\n+++ b/b.py\n@@ -0,0 +1,2 @@\n+x\n+y\n";

    fn lines(diff: &str, file: &str) -> Vec<u32> {
        let repair = serde_json::json!({"tree": "t", "diff": diff, "files": ["a.py", "b.py"]});
        let repair: Prepared = serde_json::from_value(repair).unwrap();
        (0..40).filter(|line| adds(&repair, &Raised { file: file.to_owned(), line: *line })).collect()
    }

    #[test]
    fn added_lines_have_the_numbers_of_the_new_file() {
        assert_eq!(lines(DIFF, "a.py"), [2, 11, 12, 32]);
        assert_eq!(lines(DIFF, "b.py"), [1, 2]);
        assert_eq!(lines(DIFF, "c.py"), [0; 0]);
        assert_eq!(lines("no diff", "a.py"), [0; 0]);
    }
}
