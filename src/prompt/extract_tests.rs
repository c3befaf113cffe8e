use proptest::prelude::*;

use super::*;
use crate::model::candidate::{Edit, WholeFile};

fn payload(skill: Skill, completion: &str) -> Result<Payload, MalformedReason> {
    extract(skill, completion, None).payload.map_err(|malformed| malformed.why)
}

fn edit(path: &str, search: &str, replace: &str) -> Edit {
    Edit { path: path.into(), search: search.into(), replace: replace.into() }
}

const EDIT: &str = "### a/b.py\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n";
const DIFF: &str = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n";

#[test]
fn file_lists_are_read_from_fences_and_bare_lines_in_order_and_once() {
    for (answer, expected) in [
        ("```\nsrc/a.py\nsrc/b.py\n```", &["src/a.py", "src/b.py"][..]),
        ("The files are:\n```text\n./src/a.py\n\nsrc/a.py\n```\nDone.", &["src/a.py"]),
        ("1. `src/a.py`\n2) **b.py**\n- c.cfg\n* ./d/e.py:", &["src/a.py", "b.py", "c.cfg", "d/e.py"]),
        ("src/a.py\r\nsrc/b.py\r\n", &["src/a.py", "src/b.py"]),
        ("```\nold/x.py\n```\nNo, rather:\n```\nnew/y.py\n```", &["new/y.py"]),
        ("### src/a.py\nSee https://example.org/a.py and e.g. this.\nMakefile.am", &["src/a.py", "Makefile.am"]),
        ("../x.py\n/etc/passwd", &["../x.py", "/etc/passwd"]),
    ] {
        let files = expected.iter().map(|&path| path.to_owned()).collect();
        assert_eq!(payload(Skill::Localization, answer), Ok(Payload::FileList { files }), "{answer:?}");
    }
    for answer in ["I do not know.", "```\n```", "Version 3.1.6 is e.g. affected.", "3.1.6"] {
        assert_eq!(payload(Skill::Localization, answer), Err(MalformedReason::NoAnswer), "{answer:?}");
    }
    assert_eq!(payload(Skill::Localization, "```\nsrc/a.py\nsrc/"), Err(MalformedReason::BadFormat));
}

#[test]
fn edits_are_read_with_their_path_wherever_it_stands() {
    let one = vec![edit("a/b.py", "old\n", "new\n")];
    for answer in [
        format!("```python\n{EDIT}```"),
        format!("Prose.\n\n```\n{EDIT}```\nMore."),
        EDIT.to_owned(),
        EDIT.replace('\n', "\r\n"),
        format!("{EDIT}{EDIT}"),
        EDIT.replace("### a/b.py\n", "### a/b.py\n```python\n") + "```\n",
        EDIT.replace("### ", ""),
        EDIT.replace("### a/b.py\n", "```python:a/b.py\n") + "```\n",
        EDIT.replace("### a/b.py\n", "## Fix\n```python a/b.py\n") + "```\n",
        EDIT.replace("### a/b.py\n", "```a/b.py\n") + "```\n",
        EDIT.replace("### a/b.py\n", "```python title=\"a/b.py\"\n") + "```\n",
        EDIT.replace("### a/b.py", "**`./a/b.py`**"),
        EDIT.replace("<<<<<<<", "<<<<").replace("=======", "====").replace(">>>>>>>", ">>>>"),
    ] {
        assert_eq!(payload(Skill::Repair, &answer), Ok(Payload::SearchReplace { edits: one.clone() }), "{answer}");
    }
}

#[test]
fn a_path_carries_over_in_its_fence_and_no_further() {
    let second = "<<<<<<< SEARCH\nx\n=======\n>>>>>>> REPLACE\n";
    let both = vec![edit("a/b.py", "old\n", "new\n"), edit("a/b.py", "x\n", "")];
    let answer = format!("```python\n{EDIT}\n{second}```");
    assert_eq!(payload(Skill::Repair, &answer), Ok(Payload::SearchReplace { edits: both }));
    let apart = format!("```python\n{EDIT}```\n```python\n{second}```");
    assert_eq!(payload(Skill::Repair, &apart), Err(MalformedReason::BadFormat));
}

#[test]
fn edit_text_is_kept_exactly_fences_and_underlines_included() {
    let answer = "### d.rst\n<<<<<<< SEARCH\n\n...\nTitle\n=====\n```\n=======\n  T\n==========\n>>>>>>> REPLACE\n";
    let edits = vec![edit("d.rst", "\n...\nTitle\n=====\n```\n", "  T\n==========\n")];
    assert_eq!(payload(Skill::Repair, answer), Ok(Payload::SearchReplace { edits }));
    let creates = "### n.py\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n";
    let edits = vec![edit("n.py", "", "x = 1\n")];
    assert_eq!(payload(Skill::Repair, creates), Ok(Payload::SearchReplace { edits }));
}

#[test]
fn broken_edits_make_the_whole_answer_malformed() {
    for answer in [
        EDIT.replace("=======\n", ""),
        EDIT.replace(">>>>>>> REPLACE\n", ""),
        EDIT.replace("=======\n", "=======\n=======\n"),
        EDIT.replace("### a/b.py\n", ""),
        EDIT.replace("old\n", "old\n<<<<<<< SEARCH\n"),
        format!("{EDIT}{}", &EDIT[..40]),
        format!("{EDIT}1. And:\n{}", indented(EDIT)),
    ] {
        assert_eq!(payload(Skill::Repair, &answer), Err(MalformedReason::BadFormat), "{answer}");
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("   {line}\n")).collect()
}

#[test]
fn an_answer_in_another_format_is_refused_by_its_name() {
    for (answer, named) in [
        ("*** Begin Patch\n*** Update File: a/b.py\n@@\n-old\n+new\n*** End Patch\n".to_owned(), "*** Begin Patch"),
        (DIFF.replace("-a", "\x1b[31m-a\x1b[m").replace("--- ", "\x1b[1m--- "), "coloured"),
        ("`a/b.py`:\n```python\nnew\n```".to_owned(), "whole file"),
        ("```python a/b.py\nnew\n```".to_owned(), "whole file"),
        (format!("1. This:\n{}", indented(DIFF)), "indented"),
        (DIFF.lines().map(|line| format!("> {line}\n")).collect(), "quoted"),
        ("*** a/b.py\n--- b/b.py\n***************\n*** 1 ****\n! old\n--- 1 ----\n! new\n".to_owned(), "context diff"),
        ("```\n5c5\n< old\n---\n> new\n```".to_owned(), "without the names"),
        ("a/b.py\n<<<<<<< HEAD\nold\n=======\nnew\n>>>>>>> fix\n".to_owned(), "conflict"),
        (EDIT.replace("<<<<<<< SEARCH", "------- SEARCH").replace(">>>>>>>", "+++++++"), "------- SEARCH"),
        ("```python\nnew\n```".to_owned(), "code without"),
    ] {
        let malformed = extract(Skill::Repair, &answer, None).payload.unwrap_err();
        assert!(malformed.detail.contains(named), "{answer}\n{}", malformed.detail);
        assert_eq!(malformed.why, MalformedReason::NoAnswer, "{answer}");
    }
    let detail = extract(Skill::Repair, &indented(EDIT), None).payload.unwrap_err().detail;
    assert!(detail.contains("indented"), "{detail}");
    let plain = extract(Skill::Repair, "Change x to y.", None).payload.unwrap_err().detail;
    assert_eq!(plain, "neither SEARCH/REPLACE edits nor a unified diff was found");
}

#[test]
fn diffs_are_read_verbatim_raw_fenced_and_bare() {
    let diff = DIFF.to_owned();
    for answer in [
        DIFF.to_owned(),
        format!("\n{DIFF}"),
        format!("Here:\n```diff\n{DIFF}```\nDone."),
        format!("Here:\n~~~patch\n{DIFF}~~~"),
        format!("Here:\n```\n{DIFF}```"),
        format!("Here:\n\n{DIFF}"),
    ] {
        assert_eq!(payload(Skill::Repair, &answer), Ok(Payload::UnifiedDiff { diff: diff.clone() }), "{answer}");
    }
    let readme = "--- a/r.md\n+++ b/r.md\n@@ -1,3 +1,3 @@\n ```\n-a\n+b\n ```\n".to_owned();
    let fenced = format!("Here:\n```diff\n{readme}```\n");
    assert_eq!(payload(Skill::Repair, &fenced), Ok(Payload::UnifiedDiff { diff: readme }));
    assert_eq!(payload(Skill::Repair, &format!("```diff\n{DIFF}")), Err(MalformedReason::BadFormat));
    assert_eq!(payload(Skill::Repair, "Change x to y."), Err(MalformedReason::NoAnswer));
    assert_eq!(payload(Skill::Repair, "```python\nprint(1)\n```"), Err(MalformedReason::NoAnswer));
}

#[test]
fn tests_are_whole_files_scripts_diffs_or_edits() {
    let file = |path: &str, content: &str| WholeFile { path: path.into(), content: content.into() };
    let files = vec![file("tests/test_a.py", "def test(): pass\n")];
    for answer in [
        "### tests/test_a.py\n```python\ndef test(): pass\n```",
        "### tests/test_a.py\n\n```python\r\ndef test(): pass\r\n```",
        "```python\n### tests/test_a.py\ndef test(): pass\n```",
        "```python\n# tests/test_a.py\ndef test(): pass\n```",
        "`tests/test_a.py`:\n```python\n# tests/test_a.py\ndef test(): pass\n```",
        "```python tests/test_a.py\ndef test(): pass\n```",
        "### tests/test_a.py\n```python\ndef test(): pass\n```\nAgain:\n### tests/test_a.py\n```python\ndef test(): pass\n```",
    ] {
        assert_eq!(payload(Skill::Test, answer), Ok(Payload::TestFiles { files: files.clone() }), "{answer}");
    }
    let script = "```python\nprint('Issue reproduced')\n```";
    let content = "print('Issue reproduced')\n".to_owned();
    assert_eq!(payload(Skill::Test, script), Ok(Payload::Script { content }));
    assert!(matches!(payload(Skill::Test, &format!("```diff\n{DIFF}```")), Ok(Payload::UnifiedDiff { .. })));
    assert!(matches!(payload(Skill::Test, EDIT), Ok(Payload::SearchReplace { .. })));

    let malformed = extract(Skill::Test, "```python\ndef test(): pass\n```", None).payload.unwrap_err();
    assert_eq!(malformed.why, MalformedReason::NoAnswer);
    assert!(malformed.detail.contains("path"), "{}", malformed.detail);
    assert_eq!(payload(Skill::Test, "### tests/test_a.py\n```python\ndef te"), Err(MalformedReason::BadFormat));
    let twice = "### t/a.py\n```\n1\n```\n### t/a.py\n```\n2\n```";
    assert_eq!(payload(Skill::Test, twice), Err(MalformedReason::BadFormat));
}

#[test]
fn reasoning_is_never_parsed_and_unfinished_reasoning_is_malformed() {
    let completion = format!("<think>\n{EDIT}</think>\n```\nsrc/a.py\n```");
    let extraction = extract(Skill::Localization, &completion, Some("before"));
    assert_eq!(extraction.payload, Ok(Payload::FileList { files: vec!["src/a.py".into()] }));
    assert_eq!(extraction.reasoning.as_deref(), Some(format!("before\n\n{}", EDIT.trim()).as_str()));
    assert_eq!(extraction.answer, "```\nsrc/a.py\n```");

    assert_eq!(payload(Skill::Repair, &format!("<think>\n{EDIT}")), Err(MalformedReason::UnfinishedReasoning));
    assert_eq!(payload(Skill::Repair, &format!("{EDIT}</think>")), Err(MalformedReason::Empty));
    for (open, close) in [
        ("◁think▷", "◁/think▷"),
        ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        ("[THINK]", "[/THINK]"),
        ("<seed:think>", "</seed:think>"),
    ] {
        let other = EDIT.replace("a/b.py", "a/c.py");
        let edits = vec![edit("a/b.py", "old\n", "new\n")];
        let completion = format!("{open}\n{other}{close}\n\n{EDIT}");
        assert_eq!(payload(Skill::Repair, &completion), Ok(Payload::SearchReplace { edits }), "{completion}");
    }
    // Neither of two edits is lost, and none is taken from a place that may be reasoning.
    let both = format!("<think>\nwhy\n</think>\n{}{EDIT}", EDIT.replace("new", "END = '</think>'"));
    assert!(matches!(payload(Skill::Repair, &both), Ok(Payload::SearchReplace { edits }) if edits.len() == 2));
    let unclear = format!("{EDIT}\n<think>\nno\n</think>\n{EDIT}");
    assert_eq!(payload(Skill::Repair, &unclear), Err(MalformedReason::BadFormat));
    assert_eq!(payload(Skill::Repair, ""), Err(MalformedReason::Empty));
}

#[test]
fn an_answer_over_a_mebibyte_is_too_large_and_long_reasoning_is_not() {
    let long = "x".repeat(MAX_ANSWER_BYTES + 1);
    assert_eq!(payload(Skill::Repair, &long), Err(MalformedReason::TooLarge));
    let completion = format!("<think>{long}</think>{EDIT}");
    assert!(payload(Skill::Repair, &completion).is_ok());
}

/// Pieces that answers are made of, put together at random.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<think>",
        "</think>",
        "```",
        "```python\n",
        "````\n",
        "~~~",
        "\n",
        "\r\n",
        "\r",
        " ",
        "### a.py",
        "a/b.py\n",
        "# x.py\n",
        "<<<<<<< SEARCH\n",
        "=======\n",
        ">>>>>>> REPLACE\n",
        "<<<<",
        "--- a/x\n",
        "+++ b/x\n",
        "@@ -1 +1 @@\n",
        "-a\n",
        "+b\n",
        "diff --git a/x b/x\n",
        "```diff\n",
        "Issue reproduced",
        "1. ",
        "`",
        "./",
        "é",
        "\u{2028}",
        "\0",
    ]);
    prop::collection::vec(prop_oneof![4 => piece.prop_map(str::to_owned), 1 => any::<String>()], 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_an_answer_or_malformed_and_never_a_panic(text in pieces()) {
        for skill in Skill::ALL {
            let extraction = extract(skill, &text, Some(&text));
            prop_assert_eq!(&extraction, &extract(skill, &text, Some(&text)));
        }
    }

    #[test]
    fn an_edit_that_is_written_down_is_read_back(search in "([ a-z=<>`#.]{0,12}\n){0,4}", replace in "([ a-z=<>`#.]{0,12}\n){0,4}") {
        let marker = |text: &str| text.lines().any(|line| line.trim_end() == "=======");
        prop_assume!(!marker(&search) && !marker(&replace));
        let answer = format!("```python\n### a/b.py\n<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n```\n");
        prop_assert_eq!(
            payload(Skill::Repair, &answer),
            Ok(Payload::SearchReplace { edits: vec![edit("a/b.py", &search, &replace)] })
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_that_an_endpoint_may_send_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        for skill in Skill::ALL {
            extract(skill, &text, None).payload.ok();
        }
    }
}

/// A cut answer is malformed, or says less; never something else.
#[test]
fn an_answer_that_is_cut_says_nothing_that_the_whole_does_not() {
    let second = EDIT.replace("old", "older").replace("a/b.py", "ä/c.py");
    let whole =
        format!("<think>\nhm\n</think>\nFirst:\n```python\n{EDIT}```\nThen:\n````python\n{second}````\nDone.\n");
    let Ok(Payload::SearchReplace { edits: all }) = payload(Skill::Repair, &whole) else { panic!("{whole}") };
    for text in [whole.clone(), whole.replace('\n', "\r\n")] {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            match payload(Skill::Repair, &text[..end]) {
                Ok(Payload::SearchReplace { edits }) => assert!(all.starts_with(&edits), "{:?}", &text[..end]),
                Ok(other) => panic!("{other:?} from {:?}", &text[..end]),
                Err(_) => {}
            }
        }
        assert_eq!(payload(Skill::Repair, &text), Ok(Payload::SearchReplace { edits: all.clone() }));
    }
}

#[test]
fn a_fence_in_a_longer_fence_is_text() {
    let content = "def test():\n    '''\n    ```\n    x\n    ```\n    '''\n";
    let answer = format!("### tests/test_a.py\n````python\n{content}````\n");
    let files = vec![WholeFile { path: "tests/test_a.py".into(), content: content.into() }];
    assert_eq!(payload(Skill::Test, &answer), Ok(Payload::TestFiles { files }));
}

#[test]
fn an_indented_marker_that_is_text_of_a_diff_or_a_test_file_is_text() {
    let diff = "--- a/README.md\n+++ b/README.md\n@@ -1,3 +1,3 @@\n <<<<<<< SEARCH\n-x\n+y\n z\n";
    assert!(matches!(payload(Skill::Repair, &format!("Fix:\n```diff\n{diff}```\n")), Ok(Payload::UnifiedDiff { .. })));
    let content = "TEXT = \"\"\"\n    <<<<<<< SEARCH\n    old\n\"\"\"\n";
    let answer = format!("### tests/test_a.py\n```python\n{content}```\n");
    let files = vec![WholeFile { path: "tests/test_a.py".into(), content: content.into() }];
    assert_eq!(payload(Skill::Test, &answer), Ok(Payload::TestFiles { files }));
}

#[test]
fn ten_megabytes_of_anything_are_read_in_a_moment() {
    let started = std::time::Instant::now();
    for piece in
        ["`", "```\n", "<think>", "</think>", "<", "=", "=======\n", "### a.py\n", "1. ", "./", "- ", "--- a\n", "a/"]
    {
        let text = piece.repeat(10_000_000 / piece.len());
        for skill in Skill::ALL {
            let cut = &text[..MAX_ANSWER_BYTES.min(text.len())];
            extract(skill, &text, None).payload.ok();
            extract(skill, cut, None).payload.ok();
        }
    }
    assert!(started.elapsed().as_secs() < 60, "took {:?}", started.elapsed());
}
