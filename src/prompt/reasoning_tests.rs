use super::*;

fn answer(text: &str) -> Rest<'_> {
    Rest::Answer(text)
}

#[test]
fn reasoning_is_split_off_whether_or_not_its_opening_tag_is_there() {
    for (completion, reasoning, rest) in [
        ("<think>a</think>b", Some("a"), answer("b")),
        ("\n <think>\na\n</think>\n\nb\n", Some("a"), answer("b\n")),
        ("a</think>b", Some("a"), answer("b")),
        ("<think></think>b", Some(""), answer("b")),
        ("b", None, answer("b")),
        ("b <think> is a tag", None, answer("b <think> is a tag")),
        ("<think>a", Some("a"), Rest::Unfinished),
        ("<think>a</think><think>b", Some("a"), Rest::Unfinished),
        ("<think>x </think> y</think>b", Some("x </think> y"), answer("b")),
        ("", None, answer("")),
        // The tag is spoken of.
        ("<think>it ends with `</think>`, then\n</think>b", Some("it ends with `</think>`, then"), answer("b")),
        ("a \"</think>\" b", None, answer("a \"</think>\" b")),
        ("a\n<think>\nb\n", None, answer("a\n<think>\nb\n")),
    ] {
        assert_eq!(split(completion), Split { reasoning, rest }, "{completion:?}");
    }
}

#[test]
fn every_family_of_tags_holds_reasoning() {
    for (open, close) in TAGS {
        let close = close.to_uppercase().replace("◁/THINK▷", "◁/think▷");
        for (completion, opened) in [(format!("{open}\nwhy\n{close}\nso"), true), (format!("why\n{close}\nso"), false)]
        {
            let expected = Split { reasoning: Some("why"), rest: answer("so") };
            assert_eq!(split(&completion), expected, "{completion:?} {opened}");
        }
        assert_eq!(split(&format!("{open}\nwhy")).rest, Rest::Unfinished, "{open}");
    }
}

#[test]
fn harmony_channels_hold_reasoning_but_for_the_final_one() {
    let analysis = "<|channel|>analysis<|message|>why<|end|>";
    let last = "<|start|>assistant<|channel|>final<|message|>so<|return|>";
    let call = "<|start|>assistant<|channel|>commentary to=functions.run <|constrain|>json<|message|>{}<|call|>";
    for (completion, reasoning, rest) in [
        (format!("{analysis}{last}"), Some("why".to_owned()), answer("so")),
        (format!("<|start|>assistant{analysis}\n{last}"), Some("why".to_owned()), answer("so")),
        (
            format!("{analysis}{call}{last}"),
            Some(format!("why<|end|>{}", call.trim_end_matches("<|call|>"))),
            answer("so"),
        ),
        ("<|channel|>final<|message|>so".to_owned(), None, answer("so")),
        (analysis.to_owned(), Some("why<|end|>".to_owned()), Rest::Unfinished),
        (format!("{analysis}{call}"), Some(format!("why<|end|>{call}")), Rest::Unfinished),
        ("analysiswhyassistantfinalso".to_owned(), Some("why".to_owned()), answer("so")),
        (format!("{last}{last}").split_off("<|start|>assistant".len()), None, Rest::Unclear),
        // Two final messages, with a line break between them.
        (format!("{analysis}{last}\n{last}"), Some("why".to_owned()), Rest::Unclear),
        (format!("why<|end|>\n{last}"), None, Rest::Unclear),
        (format!("{DIFF} <|end|>{last}\n"), None, answer(&format!("{DIFF} <|end|>{last}\n"))),
        ("analysis of it".to_owned(), None, answer("analysis of it")),
    ] {
        assert_eq!(split(&completion), Split { reasoning: reasoning.as_deref(), rest }, "{completion:?}");
    }
}

/// Its last line is a line of context that goes on.
const DIFF: &str = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-x\n+y\n";

const EDIT: &str =
    "```python\n### a.py\n<<<<<<< SEARCH\nold\n=======\nEND = '</think>'\n</think>\n>>>>>>> REPLACE\n```\n";
const OTHER: &str = "```python\n### b.py\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n```\n";

#[test]
fn code_may_begin_in_the_line_of_a_tag() {
    for (open, close) in TAGS {
        let completion = format!("{open}{OTHER}{close}{OTHER}");
        assert_eq!(split(&completion), Split { reasoning: Some(OTHER.trim()), rest: answer(OTHER) }, "{completion}");
    }
    assert_eq!(split(&format!("<think>{OTHER}</think><think>{OTHER}</think>{EDIT}")).rest, answer(EDIT));
}

#[test]
fn a_tag_inside_code_is_code_and_no_edit_is_lost() {
    let diff = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n </think>\n-x\n+</think>\n";
    let file = "### tests/test_a.py\n```python\nTEXT = '''\n<think>\nx\n</think>\n'''\n```\n";
    for text in [format!("{EDIT}{OTHER}"), diff.to_owned(), format!("So:\n\n{diff}"), file.to_owned()] {
        assert_eq!(split(&text), Split { reasoning: None, rest: answer(&text) }, "{text}");
        for reasoning in ["why", "first\n```python\nx = '</think>'\n```\nno", OTHER.trim(), EDIT.trim()] {
            let completion = format!("<think>\n{reasoning}\n</think>\n\n{text}");
            assert_eq!(split(&completion), Split { reasoning: Some(reasoning), rest: answer(&text) }, "{completion}");
        }
    }
}

#[test]
fn reasoning_that_breaks_off_inside_code_ends_at_its_tag() {
    for reasoning in
        ["```python\nx = 1", "### a.py\n<<<<<<< SEARCH\nold", "<<<<<<< SEARCH\nold\n=======\nnew", "@@ -1 +1 @@\n-x"]
    {
        for text in [OTHER, "so", EDIT] {
            for open in ["<think>\n", ""] {
                let completion = format!("{open}{reasoning}\n</think>\n{text}");
                assert_eq!(
                    split(&completion),
                    Split { reasoning: Some(reasoning), rest: answer(text) },
                    "{completion}"
                );
            }
        }
    }
    let paths = "```\nsrc/a.py\n```";
    assert_eq!(split(&format!("<think>\n```python\nx\n</think>\n{paths}")).rest, answer(paths));
}

#[test]
fn where_code_could_be_reasoning_or_answer_nothing_is_read() {
    for (completion, rest) in [
        // Two ends with an edit between them.
        (format!("<think>why</think>\n{OTHER}It adds </think> to\n{OTHER}"), Rest::Unclear),
        // An edit before reasoning that comes later.
        (format!("{OTHER}\n<think>\nno\n</think>\n{EDIT}"), Rest::Unclear),
        // A tag that is a word of a sentence between two edits.
        (format!("{OTHER}It closes </think> again.\n{OTHER}"), Rest::Unclear),
        (format!("{OTHER}The <think> tag is read, and </think> too.\n{OTHER}"), Rest::Unclear),
        (format!("{OTHER}<|end|><|start|>assistant<|channel|>final<|message|>{OTHER}"), Rest::Unclear),
        // A lone tag in a block that is whole, and nothing opened it.
        ("```\nx\n</think>\n```\nsrc/a.py\n".to_owned(), Rest::Unclear),
        // Reasoning begins again and is cut.
        (format!("Well:\n<think>\n{OTHER}"), Rest::Unfinished),
        (format!("{OTHER}\n<thinking>\n{OTHER}"), Rest::Unfinished),
        // Cut while it speaks of the tag.
        (format!("<think>\n{}", EDIT.replace("\n</think>", "")), Rest::Unfinished),
    ] {
        assert_eq!(split(&completion).rest, rest, "{completion}");
    }
}

#[test]
fn a_megabyte_of_tags_is_split_in_a_moment() {
    let started = std::time::Instant::now();
    for (begin, middle, part) in [
        ("a</think>", " ".repeat(500_000) + "x", " <think>"),
        ("```\n", " ".repeat(500_000), "<think>"),
        ("a</think>", "\n".repeat(500_000), "<think>"),
        ("```\n", "</think>\n".repeat(60_000), "<<<<<<< SEARCH\n"),
        ("`", String::new(), " <think>"),
        ("", String::new(), "<think></think>"),
        ("", String::new(), "a`</think>"),
    ] {
        split(&format!("{begin}{middle}{}", part.repeat(500_000 / part.len())));
    }
    assert!(started.elapsed().as_secs() < 30, "took {:?}", started.elapsed());
}
