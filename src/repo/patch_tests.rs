use super::*;
use MalformedReason::{BadFormat, OddMode};

const HUNK: &str = "@@ -1 +1 @@\n-a\n+b\n";

fn one(diff: &str) -> Result<FilePatch, MalformedReason> {
    let mut files = parse(diff).map_err(|malformed| malformed.why)?;
    assert_eq!(files.len(), 1, "{diff}");
    Ok(files.remove(0))
}

fn names(diff: &str) -> (Option<String>, Option<String>) {
    let file = one(diff).unwrap_or_else(|why| panic!("{why:?}: {diff}"));
    (file.old, file.new)
}

#[test]
fn names_are_read_with_prefixes_times_blanks_and_quotes() {
    let same = |name: &str| (Some(name.to_owned()), Some(name.to_owned()));
    for (header, expected) in [
        ("--- a/x.py\n+++ b/x.py\n", same("x.py")),
        ("--- x.py\n+++ x.py\n", same("x.py")),
        ("--- a/x.py\t2020-01-01 00:00:00\n+++ b/x.py\t2020-01-01\n", same("x.py")),
        ("--- a/x y.py\t\n+++ b/x y.py\t\n", same("x y.py")),
        ("--- \"a/\\303\\244.py\"\n+++ \"b/\\303\\244.py\"\n", same("ä.py")),
        ("--- a/x.py\r\n+++ b/x.py\r\n", same("x.py")),
        ("--- /dev/null\n+++ b/x.py\n", (None, Some("x.py".into()))),
        ("--- a/x.py\n+++ /dev/null\n", (Some("x.py".into()), None)),
        ("diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n+++ b/x.py\n", same("x.py")),
        (
            "diff --git i/x.py w/y.py\nrename from x.py\nrename to y.py\n--- i/x.py\n+++ w/y.py\n",
            (Some("x.py".into()), Some("y.py".into())),
        ),
        (
            "diff --git c/x.py w/x.py\nrename from c/x.py\nrename to w/x.py\n--- c/x.py\n+++ w/x.py\n",
            (Some("c/x.py".into()), Some("w/x.py".into())),
        ),
        ("diff --git i/x.py w/x.py\n--- i/x.py\n+++ w/x.py\n", same("x.py")),
        ("diff --git c/x.py i/x.py \n--- c/x.py\n+++ i/x.py \n", same("x.py")),
        ("diff --git src/x.py src/x.py\n--- src/x.py\n+++ src/x.py\n", same("src/x.py")),
        ("diff --git x.py x.py\n--- a/x.py\n+++ b/x.py\n", same("x.py")),
        ("diff --git a/x.py a/x.py\n--- a/x.py\n+++ a/x.py\n", same("a/x.py")),
        ("diff --git i/x.py w/x.py\nnew file mode 100644\n--- /dev/null\n+++ w/x.py\n", (None, Some("x.py".into()))),
        ("--- /dev/null\n+++ w/x.py\n", (None, Some("w/x.py".into()))),
        (
            "diff --git a/x.py b/y.py\nrename from x.py\nrename to y.py\n--- a/x.py\n+++ b/y.py\n",
            (Some("x.py".into()), Some("y.py".into())),
        ),
    ] {
        assert_eq!(names(&format!("Some prose.\n{header}{HUNK}\n- a list\n-- \n2.40\n")), expected, "{header}");
    }
    for header in [
        "diff --git a/a b b/a b\nold mode 100644\nnew mode 100755\n",
        "diff --git a/a b b/a b\nnew file mode 100644\nindex 0000000..e69de29\n",
        "diff --git a/a b b/a b\ndeleted file mode 100644\n",
    ] {
        let (old, new) = names(header);
        assert!(old.iter().chain(&new).all(|name| name == "a b"), "{header}");
    }
}

#[test]
fn a_diff_that_breaks_its_grammar_is_refused() {
    for (diff, why) in [
        (String::new(), BadFormat),
        ("prose".into(), BadFormat),
        (HUNK.into(), BadFormat),
        ("--- a/x\n+++ b/x\n".into(), BadFormat),
        (format!("--- a/x\n+++ b/y\n{HUNK}"), BadFormat),
        (format!("--- /dev/null\n+++ /dev/null\n{HUNK}"), BadFormat),
        (format!("diff --git a/x b/x\n--- a/y\n+++ b/y\n{HUNK}"), BadFormat),
        (format!("diff --git a/x b/x\nnew file mode 100644\n--- a/x\n+++ b/x\n{HUNK}"), BadFormat),
        ("diff --git a/x b/x\nindex 1..2\n".into(), BadFormat),
        ("diff --git a/x b/x\nindex 1..2\nBinary files a/x and b/x differ\n".into(), BadFormat),
        ("diff --git a/x b/y\nrename from x\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a\n+b\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n+c\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\n+c\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n-b\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -1,99999999999 +1 @@\n-a\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ ... @@\n-a\n+b\n".into(), BadFormat),
        ("--- a/x\n+++ b/x\n@@ -0,1 +1 @@\n-a\n+b\n".into(), BadFormat),
        ("--- \"a/\\777\"\n+++ \"b/\\777\"\n@@ -1 +1 @@\n-a\n+b\n".into(), BadFormat),
        (
            format!("diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n{HUNK}")
                .replace("@@ -1 +1", "@@ -0,0 +1")
                .replace("-a\n", ""),
            BadFormat,
        ),
        (format!("diff --git a/x b/x\nnew file mode 160000\n--- /dev/null\n+++ b/x\n{HUNK}"), OddMode),
        (format!("diff --git a/x b/x\nold mode 100644\nnew mode 104755\n{HUNK}"), OddMode),
    ] {
        if diff.contains("120000") {
            // A link is read; whether it is allowed depends on whose diff it is.
            assert_eq!(one(&diff).map(|file| file.mode), Ok(Some(Mode::Link)));
        } else {
            assert_eq!(parse(&diff).map_err(|malformed| malformed.why), Err(why), "{diff}");
        }
    }
}

#[test]
fn a_cut_diff_is_refused_with_the_line_of_its_hunk() {
    let diff = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b";
    let malformed = parse(diff).unwrap_err();
    assert_eq!(malformed.why, BadFormat);
    assert!(malformed.detail.contains("line 3"), "{}", malformed.detail);
}

#[test]
fn trimmed_blank_context_and_missing_newlines_are_read() {
    let file = one("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n\n-b\n\\ No newline at end of file\n+c\n").unwrap();
    let Change::Text(hunks) = file.change else { panic!("text") };
    let lines: Vec<_> = hunks[0].lines.iter().map(|line| (line.kind, line.text.as_str(), line.newline)).collect();
    use LineKind::*;
    assert_eq!(lines, [(Context, "a", true), (Context, "", true), (Removed, "b", false), (Added, "c", true)]);
}

#[test]
fn a_hunk_that_lacks_only_blank_context_at_its_end_is_completed_in_answers() {
    let first = "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n a\n-b\n+c";
    let second = "--- a/y\n+++ b/y\n@@ -1,2 +1,2 @@\n-b\n+c\n";
    for diff in [
        first.to_owned(),
        format!("{first}\n"),
        format!("{first}\n{second}"),
        format!("{first}\n@@ -9 +9 @@\n-d\n+e\n"),
    ] {
        assert!(parse(&diff).is_err(), "a diff of an instance is not completed: {diff}");
        let read = parse_answer(&diff).unwrap_or_else(|why| panic!("{why:?}: {diff}"));
        assert!(read.bridged.completed && !read.bridged.left_out_binary, "{diff}");
        let Change::Text(hunks) = &read.files[0].change else { panic!("text") };
        let added: Vec<_> = hunks[0].lines[3..].iter().map(|line| (line.kind, line.text.as_str())).collect();
        assert_eq!(added, [(LineKind::Context, ""); 2], "{diff}");
        assert_whole(&read);
    }
    let whole = parse_answer("--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n a\n--- b\n\n").unwrap();
    assert!(!whole.bridged.completed);
    for cut in [
        // A change is missing too.
        "--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@\n a\n-b\n+c",
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b",
        // More than the context that git writes.
        "--- a/x\n+++ b/x\n@@ -1,6 +1,6 @@\n a\n-b\n+c",
        "--- a/x\n+++ b/x\n@@ -1,4000000000 +1,4000000000 @@\n a\n-b\n+c",
        // No change at all, the file ends before, or something else follows.
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n b",
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n-a\n+b\n\\ No newline at end of file\n",
        "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n+c\nThat is all.\n",
    ] {
        assert_eq!(parse_answer(cut).map_err(|malformed| malformed.why), Err(BadFormat), "{cut}");
    }
}

/// The text that was mended is whole, and says the same.
fn assert_whole(read: &AnswerDiff<'_>) {
    let mut files = parse(&read.text).unwrap_or_else(|why| panic!("{why:?}: {}", read.text));
    let hunks = |file: &mut FilePatch| match &mut file.change {
        Change::Text(hunks) => std::mem::take(hunks),
        Change::Binary(_) => Vec::new(),
    };
    let mut expected = read.files.clone();
    for hunk in expected.iter_mut().flat_map(hunks).zip(files.iter_mut().flat_map(hunks)) {
        assert_eq!(hunk.0.lines, hunk.1.lines, "{}", read.text);
    }
    assert_eq!(files, expected, "{}", read.text);
}

#[test]
fn a_completed_hunk_has_the_line_ends_of_its_other_lines() {
    let lines = |diff: &str| -> Vec<String> {
        let read = parse_answer(diff).unwrap_or_else(|why| panic!("{why:?}: {diff:?}"));
        assert!(read.bridged.completed, "{diff:?}");
        assert_whole(&read);
        let Change::Text(hunks) = &read.files[0].change else { panic!("text") };
        hunks[0].lines.iter().map(|line| line.text.clone()).collect()
    };
    let head = "--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@\n";
    let more = "diff --git a/y b/y\n--- a/y\n+++ b/y\n@@ -1 +1 @@\n-b\n+c\n";
    for diff in [
        format!("{head} a\r\n-b\r\n+c\r\n"),
        format!("{head} a\r\n-b\r\n+c\r\n\r"),
        format!("{head} a\r\n-b\r\n+c\r\n{more}"),
        // Trimming the end took the last carriage return too.
        format!("{head} a\r\n-b\r\n+c"),
        format!("{head} a\r\n-b\r\n+c\n"),
    ] {
        assert_eq!(lines(&diff), ["a\r", "b\r", "c\r", "\r", "\r"], "{diff:?}");
    }
    assert_eq!(lines(&format!("{head} a\n-b\r\n+c\n")), ["a", "b\r", "c", "", ""]);
}

const TEXT: &str = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn a_binary_stub_is_left_out_of_an_answer_and_nothing_else_goes_with_it() {
    for stub in [
        "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and b/p.png differ\n",
        "diff --git a/p.png b/p.png\nnew file mode 100644\nindex 0..2\nBinary files /dev/null and b/p.png differ\n",
        // As `diff` writes it, which has no header for such a file.
        "Binary files a/p.png and b/p.png differ\n",
    ] {
        for diff in [format!("{stub}{TEXT}"), format!("{TEXT}{stub}"), format!("{TEXT}{stub}Only in b: q\n")] {
            assert!(parse(&diff).is_err(), "an instance is not itself without the file: {diff}");
            let read = parse_answer(&diff).unwrap();
            assert!(read.bridged.left_out_binary && !read.bridged.completed && !read.bridged.deleted_binary, "{diff}");
            assert_eq!(read.files.len(), 1);
            assert_eq!(read.files[0].new.as_deref(), Some("x"));
            assert_eq!(read.text, diff.replace(stub, ""));
        }
        let malformed = parse_answer(stub).unwrap_err();
        assert_eq!(malformed.why, BadFormat, "nothing is left of {stub}");
        assert!(malformed.detail.contains("b/p.png"), "{malformed:?}");
    }
    let both = TEXT.replace("b/x\n---", "b/x\nBinary files a/x and b/x differ\n---");
    assert_eq!(parse_answer(&both).map_err(|malformed| malformed.why), Err(BadFormat), "{both}");
}

#[test]
fn a_binary_stub_that_says_more_is_applied_where_that_is_all_there_is_to_know_or_refused_by_name() {
    let deleted =
        "diff --git a/p.png b/p.png\ndeleted file mode 100644\nindex 1..0\nBinary files a/p.png and /dev/null differ\n";
    for diff in [deleted.to_owned(), format!("{deleted}{TEXT}"), format!("{TEXT}{deleted}")] {
        assert!(parse(&diff).is_err(), "an instance is not itself without the file: {diff}");
        let read = parse_answer(&diff).unwrap();
        assert!(read.bridged.deleted_binary && !read.bridged.left_out_binary && !read.bridged.completed, "{diff}");
        let file = read.files.iter().find(|file| file.new.is_none()).unwrap();
        assert_eq!(file.old.as_deref(), Some("p.png"));
        assert_eq!(file.change, Change::Binary(BinaryChange::Literal(Vec::new())));
    }
    for stub in [
        "diff --git a/p.png b/q.png\nrename from p.png\nrename to q.png\nBinary files a/p.png and b/q.png differ\n",
        "diff --git a/p.png b/q.png\ncopy from p.png\ncopy to q.png\nBinary files a/p.png and b/q.png differ\n",
        "diff --git a/p.png b/p.png\nold mode 100644\nnew mode 100755\nBinary files a/p.png and b/p.png differ\n",
        // Deleted and not, in one breath.
        "diff --git a/p.png b/p.png\ndeleted file mode 100644\nBinary files a/p.png and b/p.png differ\n",
        "diff --git a/p.png b/p.png\nindex 1..2 100644\nBinary files a/p.png and /dev/null differ\n",
        "Binary files a/p.png and /dev/null differ\n",
    ] {
        let malformed = parse_answer(&format!("{TEXT}{stub}")).unwrap_err();
        assert_eq!(malformed.why, BadFormat, "{stub}");
        assert!(malformed.detail.contains("a/p.png"), "{malformed:?}");
    }
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_a_diff_or_malformed_and_never_a_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "diff --git ", "a/x", " b/x", "\"a/\\303", "\"", "\n", "\r\n", "--- ", "+++ ", "/dev/null", "@@ -1 +1 @@\n", "@@ -1,2 +0,0 @@",
            " a\n", "-a\n", "+b\n", "\\ No newline\n", "new file mode 100644\n", "deleted file mode 100644\n", "index 1..2 100644\n",
            "rename from x\n", "rename to y\n", "GIT binary patch\n", "literal 3\n", "delta 4\n", "zcmZ", "é", "Binary files a and b differ\n", "\\", "\0", "é/",
        ]), 0..30)) {
            let text = pieces.concat();
            if let (Ok(files), answer) = (parse(&text), parse_answer(&text)) {
                let text = (&*text).into();
                let whole = AnswerDiff { files, text, bridged: Bridged::default() };
                prop_assert_eq!(answer, Ok(whole), "a diff that is whole is read as it is");
            } else if let Ok(read) = parse_answer(&text) && !read.bridged.deleted_binary {
                assert_whole(&read);
            }
        }
    }
}
