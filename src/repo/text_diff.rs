//! The difference of two texts, as git writes it.

use git2::{DiffOptions, Patch};

/// Unified diff of a file's text before and after, with header, blob ids of seven digits and three lines of context.
/// Empty for equal texts. The path is part of the header; the file need not exist anywhere.
pub fn text_diff(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let mut options = DiffOptions::new();
    options.context_lines(3).force_text(true);
    let path = path.replace('\0', "\u{fffd}");
    let written = Patch::from_buffers(
        old.as_bytes(),
        Some(path.as_ref()),
        new.as_bytes(),
        Some(path.as_ref()),
        Some(&mut options),
    )
    .and_then(|mut patch| Ok(String::from_utf8_lossy(&patch.to_buf()?).into_owned()));
    // What libgit2 cannot compare (more than 2 GB) is shown whole, which is as good a name for the change.
    written.unwrap_or_else(|_| format!("diff --git a/{path} b/{path}\n-{old}\n+{new}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_the_way_git_writes_it() {
        let diff = text_diff("a b.py", "one\ntwo\n", "one\nthree\n");
        let expected = "diff --git a/a b.py b/a b.py\nindex 814f4a4..ffdc3c1 100644\n--- a/a b.py\n+++ b/a b.py\n\
                        @@ -1,2 +1,2 @@\n one\n-two\n+three\n";
        let digits =
            |text: &str| text.lines().filter(|line| !line.starts_with("index ")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(digits(&diff), digits(expected));
        assert!(diff.contains("\nindex 814f4a4.."), "{diff}");
        assert_eq!(text_diff("a", "x", "x"), "");
    }
}
