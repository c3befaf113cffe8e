use super::*;

fn unread_of(base: &[u8], candidate: &[u8], gold: &[u8]) -> Vec<(Why, u32, bool)> {
    let unread = unread("pkg/a.py", Versions { base, candidate, gold });
    unread.into_iter().map(|one| (one.why, one.line, one.in_gold)).collect()
}

fn added(candidate: &[u8]) -> Vec<(Why, u32, bool)> {
    unread_of(b"x = 1\n", candidate, b"x = 2\n")
}

#[test]
fn what_hides_code_is_named_with_its_line() {
    let table: [(&[u8], Why, u32); 14] = [
        (b"# coding: utf-7\nx = 2\n", Why::Encoding, 1),
        (b"#!/usr/bin/python\n# -*- coding: raw_unicode_escape -*-\n# \\u000aevil()\n", Why::Encoding, 1),
        (b"\n# vim: set fileencoding=Unicode_Escape :\nx = 2\n", Why::Encoding, 1),
        (b"# a\r# coding: utf-7\nx = 2\n", Why::Encoding, 1),
        (b"# coding: shift_jis\nx = 2\n", Why::Encoding, 1),
        (b"x = 2 # ok\rimport os\n", Why::BareReturn, 1),
        (b"x = 2\n# \0\n", Why::Nul, 2),
        ("x = 2\ny = 'a\u{202e}b'\n".as_bytes(), Why::BidirectionalControl, 2),
        (b"if x:\n    a = 1\n    \x0cb = 2\n", Why::FormFeed, 3),
        ("x = 2\n\u{ff45}xit()\n".as_bytes(), Why::OtherName, 2),
        (b"x = 2\ny = '\xff'\n", Why::Undecodable, 2),
        (b"# coding: ascii\ny = '\xc3\xa9'\n", Why::Undecodable, 2),
        (b"\xef\xbb\xbf# coding: latin-1\ny = 1\n", Why::Undecodable, 1),
        (b"x = 2\ndef f(:\n    pass\n", Why::Unparsed, 2),
    ];
    for (candidate, why, line) in table {
        let found = added(candidate);
        assert!(found.contains(&(why, line, false)), "{}: {found:?}", String::from_utf8_lossy(candidate));
    }
}

#[test]
fn honest_oddities_are_read() {
    let table: [&[u8]; 9] = [
        b"# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n",
        b"# coding: cp1252\nname = '\x93quoted\x94'\n",
        b"# coding: UTF_8\nx = 2\n",
        b"def f():\n    pass\n\x0c\n\x0cdef g():\n    pass\n",
        "text = '\u{5e9}\u{5dc}\u{5d5}\u{5dd}'\n".as_bytes(),
        "\u{b5} = 1\nna\u{ef}ve = 2\n".as_bytes(),
        b"\xef\xbb\xbfx = 2\n",
        b"x = 2\r\ny = 3\r\n",
        b"x = 1\n# the third line may say coding: utf-7\n\n# coding: utf-7\n",
    ];
    for candidate in table {
        assert_eq!(added(candidate), [], "{}", String::from_utf8_lossy(candidate));
    }
    assert_eq!(text(b"# coding: latin-1\nx = '\xe9'\n"), "# coding: latin-1\nx = '\u{e9}'\n");
}

#[test]
fn only_what_neither_base_nor_gold_has_counts() {
    let hidden = b"x = 2 # ok\rimport os\n";
    assert_eq!(unread_of(hidden, &[hidden.as_slice(), b"y = 1\n"].concat(), b""), []);
    assert_eq!(unread_of(b"", hidden, hidden), []);
    let odd = b"# coding: utf-7\nx = 2\n";
    assert_eq!(unread_of(odd, &[odd.as_slice(), b"y = 1\n"].concat(), b""), []);
    assert_eq!(unread_of(b"", odd, odd), []);
    // A comment that was harmless further down takes effect when it comes to the top.
    assert_eq!(
        unread_of(b"import os\nx = 1\n# coding: utf-7\n", b"# coding: utf-7\n", b""),
        [(Why::Encoding, 1, false)]
    );
}

#[test]
fn a_file_that_base_has_unread_is_not_the_answers_doing_and_gold_unread_says_so() {
    let broken = b"def f(:\n    pass\n";
    assert_eq!(unread_of(broken, b"def g(:\n    pass\n", b"print(1)\n"), []);
    assert_eq!(unread_of(b"x = 1\n", b"def g(:\n    pass\n", broken), [(Why::Unparsed, 1, true)]);
}

#[test]
fn nesting_is_read_to_a_bound_and_refused_beyond_it() {
    let sum = |terms: usize| format!("x = {}\n", vec!["1"; terms].join(" + "));
    assert!(parse(&sum(DEEPEST - 10)).is_some());
    assert!(parse(&sum(DEEPEST + 10)).is_none());
    assert_eq!(added(sum(40_000).as_bytes()), [(Why::TooDeep, 1, false)]);
    // A large text inside of many levels would be looked at for each of them.
    let inside = |levels: usize| format!("x = {}{}{}\n", "[".repeat(levels), "1, ".repeat(100_000), "]".repeat(levels));
    assert!(parse(&inside(8)).is_some());
    assert_eq!(added(inside(500).as_bytes()), [(Why::TooDeep, 1, false)]);
}

#[test]
fn a_text_that_was_just_parsed_is_not_parsed_again() {
    let source = "x = 1\n".repeat(20_000);
    let parsed = |source: &str| parse(source).unwrap().root_node().child_count();
    assert_eq!(parsed(&source), 20_000);
    let began = std::time::Instant::now();
    (0..50).for_each(|_| assert_eq!(parsed(&source), 20_000));
    let again = began.elapsed() / 50;
    let began = std::time::Instant::now();
    assert_eq!(parsed(&source.replace('1', "2")), 20_000);
    assert!(again * 2 < began.elapsed(), "again {again:?}");
    assert_eq!(parsed("y = 1\n"), 1);
}
