//! What is bridged where a diff is applied, and what may not be.

use super::apply::{Normalised, Origin, apply_diff};
use super::draft::Draft;
use super::tests::{on_f, world, write};
use super::*;
use crate::model::candidate::MalformedReason;

#[test]
fn a_trimmed_hunk_of_a_file_with_carriage_returns_gets_their_line_ends_back_and_no_other_note() {
    let world = world();
    let crlf = "a\r\nb\r\n\r\n\r\nc\r\n";
    let head = "@@ -1,4 +1,4 @@\n";
    for (content, body, after) in [
        (crlf, format!("{head} a\r\n-b\r\n+x\r\n"), "a\r\nx\r\n\r\n\r\nc\r\n"),
        (crlf, format!("{head} a\r\n-b\r\n+x"), "a\r\nx\r\n\r\n\r\nc\r\n"),
        (crlf, format!("{head} a\r\n-b\r\n+x\r\n\r"), "a\r\nx\r\n\r\n\r\nc\r\n"),
        // Both kinds of line ends in one file.
        ("a\nb\r\n\r\n\r\nc\n", format!("{head} a\n-b\r\n+x\r\n"), "a\nx\r\n\r\n\r\nc\n"),
        ("a\nb\r\n\n\nc\n", format!("{head} a\n-b\r\n+x\r\n"), "a\nx\r\n\n\nc\n"),
        ("a\r\nb\n\r\n\r\nc\n", format!("{head} a\r\n-b\n+x\n"), "a\r\nx\n\r\n\r\nc\n"),
    ] {
        let base = world.tree(&[("f", content)]);
        let (tree, notes) = world.apply(&base, &on_f(&body)).unwrap_or_else(|why| panic!("{why:?}: {body:?}"));
        assert_eq!((world.text(&tree, "f").as_deref(), notes), (Some(after), vec!["trailing_context"]), "{body:?}");
    }
    // The diff has other line ends than the file, and that is noted as ever.
    let base = world.tree(&[("f", crlf)]);
    let (tree, notes) = world.apply(&base, &on_f("@@ -1,4 +1,4 @@\n a\n-b\n+x")).unwrap();
    assert_eq!(world.text(&tree, "f").as_deref(), Some("a\r\nx\r\n\r\n\r\nc\r\n"));
    assert_eq!(notes, ["crlf", "trailing_context"]);
    let other = on_f("@@ -1,5 +1,5 @@\n a\r\n-b\r\n+x\r\n");
    assert_eq!(world.apply(&base, &other), Err(MalformedReason::DoesNotApply), "the file has no third blank line");
}

#[test]
fn a_binary_file_is_deleted_without_its_content_if_it_is_there() {
    let world = world();
    let base = world.repo.with(&world.tree(&[("f", "a\n")]), &[write("p.png", &[0, 159, 146])]).unwrap();
    let stub = |name: &str| {
        format!(
            "diff --git a/{name} b/{name}\ndeleted file mode 100644\nindex 1..0\nBinary files a/{name} and /dev/null differ\n"
        )
    };
    let (tree, notes) = world.apply(&base, &(on_f("@@ -1 +1 @@\n-a\n+x\n") + &stub("p.png"))).unwrap();
    assert_eq!((tree, notes), (world.tree(&[("f", "x\n")]), vec!["binary_deleted"]));
    assert_eq!(world.apply(&base, &stub("q.png")), Err(MalformedReason::DoesNotApply));
}

#[test]
fn only_answers_hold_bytes_that_came_as_half_pairs_and_no_name_holds_one() {
    let world = world();
    let base = world.repo.with(&world.tree(&[]), &[write("f", b"x = 'Stra\xdfe'\n")]).unwrap();
    let diff = on_f("@@ -1 +1 @@\n-x = 'Stra\u{10f7df}e'\n+x = 'Ma\u{10f7df}e'\n");
    let apply = |diff: &str, origin: Origin| {
        let mut draft = Draft::on(&world.repo, &base).unwrap();
        let applied = apply_diff(&mut draft, diff, origin, &mut Normalised::new());
        layered(applied).unwrap()
    };
    assert_eq!(apply(&diff, Origin::Repair), Ok(()));
    let malformed = apply(&diff, Origin::Instance).unwrap_err();
    assert!(malformed.detail.contains("f: hunk 1") && malformed.detail.contains("U+10F780"), "{malformed:?}");
    let named = "--- /dev/null\n+++ b/Stra\u{10f7df}e\n@@ -0,0 +1 @@\n+x\n";
    for origin in [Origin::Repair, Origin::Test, Origin::Instance] {
        let malformed = apply(named, origin).unwrap_err();
        assert!(malformed.detail.contains("holds half a surrogate pair"), "{malformed:?}");
    }
}

#[test]
fn hunks_that_are_not_where_they_say_are_looked_for_up_to_a_bound() {
    let world = world();
    let content: String = (0..2000).map(|n| format!("{n}\n")).collect();
    let base = world.tree(&[("f", &content)]);
    // Each says that it is one line further down.
    let hunk = |n: usize| format!("@@ -{} +{} @@\n-{n}\n+x{n}\n", n + 2, n + 2);
    let diff = |count: usize| on_f(&(0..count).map(hunk).collect::<String>());
    assert_eq!(world.apply(&base, &diff(1000)).unwrap().1, ["hunk_position"]);
    assert_eq!(world.apply(&base, &diff(1001)), Err(MalformedReason::DoesNotApply));
}
