use super::*;
use crate::consensus::normal::Normaliser;

fn keys(diffs: &[&str]) -> Vec<String> {
    let changes = read_together(diffs.iter().copied());
    diffs
        .iter()
        .map(|diff| {
            Normaliser::default().key(&changes[diff].as_ref().unwrap_or_else(|why| panic!("{why:?}: {diff}")).edits())
        })
        .collect()
}

fn one_key(diffs: &[&str]) {
    let keys = keys(diffs);
    assert!(!keys[0].is_empty());
    for (key, diff) in keys.iter().zip(diffs) {
        assert_eq!(key, &keys[0], "{diff}");
    }
}

const HUNK: &str = "@@ -10,7 +10,7 @@\n one\n two\n three\n-four\n+FOUR\n five\n six\n seven\n";

#[test]
fn prefixes_index_lines_and_blanks_behind_headers_are_no_change() {
    let plain = format!("diff --git a/x.txt b/x.txt\n--- a/x.txt\n+++ b/x.txt\n{HUNK}");
    let mut all = vec![
        plain.clone(),
        plain.replace("--- a", "index 1234567..89abcde 100644\n--- a"),
        format!("--- a/x.txt\n+++ b/x.txt\n{HUNK}"),
        format!("--- x.txt\n+++ x.txt\n{HUNK}"),
        format!("diff --git x.txt x.txt\n--- x.txt\n+++ x.txt\n{HUNK}"),
        format!(
            "diff --git a/x.txt b/x.txt\n--- a/x.txt\t\n+++ b/x.txt  \n{}",
            HUNK.replace("10,7 @@", "10,7 @@ def f():")
        ),
        plain.replace('\n', "\r\n"),
    ];
    for (old, new) in [("i", "w"), ("c", "i"), ("c", "w"), ("o", "w"), ("w", "i"), ("1", "2")] {
        let header = format!("diff --git {old}/x.txt {new}/x.txt\n--- {old}/x.txt\n+++ {new}/x.txt\n");
        all.push(format!("{header}{HUNK}"));
    }
    one_key(&all.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_order_of_files_is_no_change() {
    let file = |name: &str| format!("diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n{HUNK}");
    let (a, b) = (file("a.txt"), file("b.txt"));
    one_key(&[&format!("{a}{b}"), &format!("{b}{a}")]);
    assert_ne!(keys(&[&a])[0], keys(&[&b])[0]);
}

#[test]
fn hunks_split_or_joined_and_more_or_less_context_are_no_change() {
    let diff = |hunks: &str| format!("--- a/x.txt\n+++ b/x.txt\n{hunks}");
    let joined = diff("@@ -1,9 +1,9 @@\n a\n b\n c\n-d\n+D\n e\n-f\n+F\n g\n h\n i\n");
    let touching = diff("@@ -1,5 +1,5 @@\n a\n b\n c\n-d\n+D\n e\n@@ -6,4 +6,4 @@\n-f\n+F\n g\n h\n i\n");
    let sections = diff("@@ -1,5 +1,5 @@\n a\n b\n c\n-d\n+D\n e\n") + &diff("@@ -6,4 +6,4 @@\n-f\n+F\n g\n h\n i\n");
    let bare = diff("@@ -4 +4 @@\n-d\n+D\n@@ -6 +6 @@\n-f\n+F\n");
    let one = diff("@@ -3,3 +3,3 @@\n c\n-d\n+D\n e\n@@ -6,2 +6,2 @@\n-f\n+F\n g\n");
    let long = diff("@@ -1,11 +1,11 @@\n a\n b\n c\n-d\n+D\n e\n-f\n+F\n g\n h\n i\n j\n k\n");
    one_key(&[&joined, &touching, &sections, &bare, &one, &long]);
    // Far apart, git makes two hunks of them.
    let lines = |from: usize, to: usize| (from..=to).map(|n| format!(" {n}\n")).collect::<String>();
    let far = diff(&format!("@@ -1,12 +1,12 @@\n-1\n+x\n{}-12\n+y\n", lines(2, 11)));
    let two = diff(&format!("@@ -1,4 +1,4 @@\n-1\n+x\n{}@@ -9,4 +9,4 @@\n{}-12\n+y\n", lines(2, 4), lines(9, 11)));
    one_key(&[&far, &two]);
}

#[test]
fn the_same_lines_at_another_place_are_another_change() {
    let diff = |hunk: &str| format!("--- a/x.txt\n+++ b/x.txt\n{hunk}");
    let (here, there) = (diff("@@ -4 +4 @@\n-d\n+D\n"), diff("@@ -40 +40 @@\n-d\n+D\n"));
    let known = keys(&[&here, &there]);
    assert_ne!(known[0], known[1]);
    // What another diff shows around one of them says which one it is.
    let shown = diff("@@ -1,7 +1,7 @@\n a\n b\n c\n-d\n+D\n e\n f\n g\n");
    let known = keys(&[&here, &there, &shown]);
    assert_eq!(known[0], known[2]);
    assert_ne!(known[1], known[2]);
    // Diffs that show different trees lend each other nothing.
    let other = diff("@@ -2,3 +2,3 @@\n other\n-lines\n+here\n than\n");
    let known = keys(&[&here, &shown, &other]);
    assert_ne!(known[0], known[1]);
}

#[test]
fn a_rename_is_part_of_the_change_and_modes_and_empty_files_are_one() {
    let renamed =
        format!("diff --git a/x.txt b/y.txt\nrename from x.txt\nrename to y.txt\n--- a/x.txt\n+++ b/y.txt\n{HUNK}");
    let edited = format!("--- a/y.txt\n+++ b/y.txt\n{HUNK}");
    let known = keys(&[&renamed, &edited]);
    assert_ne!(known[0], known[1]);
    let mode = |old: &str| format!("diff --git a/x b/x\nold mode {old}\nnew mode 100755\n");
    let known = keys(&[&mode("100644"), &mode("100755")]);
    assert!(!known[0].is_empty() && known[1].is_empty(), "{known:?}");
    one_key(&[
        "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n",
        "diff --git x x\nnew file mode 100644\n",
    ]);
}

#[test]
fn what_no_tree_takes_cannot_be_applied() {
    let stub = "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n";
    for diff in [
        "not a diff",
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n",
        "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n a\n-b\n+c\n",
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b",
        stub,
        "--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n",
        "--- /dev/null\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
        "--- a/x\n+++ /dev/null\n@@ -1,2 +1 @@\n a\n-b\n",
        "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+b\n",
    ] {
        assert!(Change::read(diff).is_err(), "{diff}");
    }
}

#[test]
fn what_changes_nothing_has_no_key() {
    let same = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n+b\n";
    let context = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n b\n";
    assert_eq!(keys(&[same, context]), ["", ""]);
}

#[test]
fn what_is_bridged_where_an_answer_is_applied_is_bridged_here_too() {
    let whole = "diff --git a/x.txt b/x.txt\n--- a/x.txt\n+++ b/x.txt\n@@ -1,4 +1,4 @@\n a\n-b\n+c\n \n \n";
    let stub = "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n";
    one_key(&[
        whole,
        whole.trim_end(),
        &format!("{stub}{whole}"),
        &format!("{whole}{stub}"),
        &format!("Binary files a/x.png and b/x.png differ\n{}", whole.trim_end()),
    ]);
    let deleted = "diff --git a/x.png b/x.png\ndeleted file mode 100644\nBinary files a/x.png and /dev/null differ\n";
    let known = keys(&[whole, &format!("{whole}{deleted}")]);
    assert_ne!(known[0], known[1], "a file that is gone is part of the change");
    let many: String = (0..1001).map(|n| format!("diff --git a/{n} b/{n}\nnew file mode 100644\n")).collect();
    assert!(Change::read(&many).is_err(), "too large to be applied");
}
