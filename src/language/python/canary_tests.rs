use super::*;

const WEAK: CanaryStrength = CanaryStrength::Weak;
const STRONG: CanaryStrength = CanaryStrength::Strong;

/// Mutates `test_a` and gives its strength, and the source with suffix and offset values made readable: `~` for the
/// suffix, `N` for a changed number.
fn shown(source: &str, id: &str) -> (Option<CanaryStrength>, String) {
    let mutated = mutate(source, &[id.to_owned()], &BTreeSet::new());
    let mut text = String::new();
    let mut rest = mutated.source.as_str();
    while let Some(c) = rest.chars().next() {
        let tag = |text: &str| text.len() >= 6 && text[..6].chars().all(|c| c.is_ascii_hexdigit());
        let digits = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').count();
        if c == 'q' && tag(rest.get(1..).unwrap_or("")) {
            text.push('~');
            rest = &rest[7..];
        } else if digits >= 6 {
            text.push('N');
            rest = &rest[digits..];
        } else {
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    (mutated.tests.get(id).map(|form| form.strength), text)
}

#[test]
fn expected_constants_are_changed_and_inputs_are_not() {
    let table = [
        ("assert f(1) == 2", "assert f(1) == N"),
        ("assert 2 == f(1)", "assert N == f(1)"),
        ("assert f(1) == -2", "assert f(1) == -N"),
        ("assert f(1) == 0x10", "assert f(1) == (0x10 + N)"),
        ("assert f('a') == 'b'", "assert f('a') == 'b~'"),
        ("assert f() == b'b', 'why'", "assert f() == b'b~', 'why'"),
        ("assert f() == '''b'''", "assert f() == '''b~'''"),
        ("assert f() == ('a' 'b')", "assert f() == ('a' 'b~')"),
        ("assert f() is True", "assert f() is ..."),
        ("assert f() is None", "assert f() is ..."),
        ("assert f() == [1, ('a', {'k': 2.5})]", "assert f() == [N, ('a~', {'k': N})]"),
        ("assert f() == {'a'}", "assert f() == {'a~'}"),
        ("assert f() == []", "assert f() == [\"~\"]"),
        ("assert f() == {}", "assert f() == {\"~\": \"~\"}"),
        ("assert f() == [x, 1]", "assert f() == [x, N]"),
        ("assert f() == [P(1), P(2)]", "assert f() == [\"~\", P(1), P(2)]"),
        ("assert f() == pytest.approx(1.5)", "assert f() == pytest.approx(N)"),
        ("assert f(1) == 2 and g(3) == 4", "assert f(1) == N and g(3) == N"),
        ("assert 'a' in f()", "assert 'a~' in f()"),
        ("assert f() in ('a', 'b')", "assert f() in ('a~', 'b~')"),
        ("self.assertEqual(f(1), 2)", "self.assertEqual(f(1), N)"),
        ("self.assertIn('a', f())", "self.assertIn('a~', f())"),
        ("self.assertTrue(f(1) == 2)", "self.assertTrue(f(1) == N)"),
        ("with pytest.raises(E, match='no 1'): f()", "with pytest.raises(E, match='no 1~'): f()"),
        ("with self.assertRaisesRegex(E, 'no'): f()", "with self.assertRaisesRegex(E, 'no~'): f()"),
        ("with pytest.raises(E): f()", "with pytest.raises(type(\"~\", (Exception,), {})): f()"),
        ("with pytest.raises((a.E, F)) as e: f()", "with pytest.raises(type(\"~\", (Exception,), {})) as e: f()"),
        ("self.assertRaises(E, f, 1)", "self.assertRaises(type(\"~\", (Exception,), {}), f, 1)"),
        ("with pytest.warns(W): f()", "with pytest.warns(type(\"~\", (Warning,), {})): f()"),
        ("want = 'x'; assert f() == want", "want = 'x~'; assert f() == want"),
    ];
    for (statement, expected) in table {
        let (strength, text) = shown(&format!("def test_a():\n    {statement}\n"), "t.py::test_a");
        assert_eq!(text, format!("def test_a():\n    {expected}\n"));
        assert_eq!(strength, Some(STRONG), "{statement}");
    }
}

#[test]
fn a_test_without_a_changeable_constant_ends_in_a_failing_statement() {
    let statements = [
        "assert f()",
        "assert f() != 3",
        "assert f() > 3",
        "assert f() == f'{x}'",
        "assert f() in 'abc'",
        "x = 3; assert f(x) == x",
        "with pytest.raises(KeyboardInterrupt):\n        f()",
        "for x in y:\n        pass  # done",
    ];
    for statement in statements {
        let (strength, text) = shown(&format!("def test_a():\n    {statement}\n\nx = 1\n"), "t.py::test_a");
        assert_eq!(strength, Some(WEAK), "{statement}");
        assert!(text.contains("\n    raise AssertionError(\"~\")"), "{text}");
    }
    assert_eq!(shown("def test_a(): f()\n", "t.py::test_a").1, "def test_a(): f(); raise AssertionError(\"~\")\n");
}

#[test]
fn exceptions_that_are_expected_no_more_are_named() {
    let source = "def test_a():\n    with pytest.raises((a.E, F)):\n        f()\n";
    let unexpected = &mutate(source, &["t.py::test_a".to_owned()], &BTreeSet::new()).tests["t.py::test_a"].unexpected;
    assert_eq!(unexpected.iter().collect::<Vec<_>>(), ["E", "F"]);
}

#[test]
fn values_of_parametrised_tests_and_loops_are_bound_anew_so_that_ids_stay() {
    let source = "@pytest.mark.parametrize('x, want', [(1, 2)])\ndef test_a(x, want):\n    assert f(x) == want\n";
    let (strength, text) = shown(source, "t.py::test_a[1-2]");
    assert_eq!(strength, Some(STRONG));
    let expected = source.replace("    assert", "    want = (want, \"~want\")\n    assert");
    assert_eq!(text, expected);

    let source = "class T(unittest.TestCase):\n\tdef test_a(self):\n\t\tfor x, want in [(1, 2)]:\n\t\t\tself.assertEqual(f(x), want)\n";
    let (strength, text) = shown(source, "t.py::T::test_a");
    assert_eq!(strength, Some(STRONG));
    assert_eq!(text, source.replace("\t\t\tself", "\t\t\twant = (want, \"~want\")\n\t\t\tself"));
}

#[test]
fn tests_are_found_in_classes_bases_conditions_and_behind_decorators_and_async() {
    let source = "class Base:\n    def test_a(self):\n        assert f() == 1\n\nclass T(Base):\n    pass\n\nif X:\n    @deco\n    async def test_b():\n        assert (await f()) == 1\n\ndef test_c():\n    assert f() == 1\n";
    for (id, line) in [("t.py::T::test_a", 2), ("t.py::Base::test_a", 2), ("t.py::test_b", 10), ("t.py::test_c", 13)] {
        let (strength, text) = shown(source, id);
        assert_eq!(strength, Some(STRONG), "{id}");
        let changed: Vec<_> =
            source.lines().zip(text.lines()).enumerate().filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
        assert_eq!(changed, [line], "{id}");
    }
    for id in ["t.py::test_d", "t.py::T::test_c", "t.py", "t.py::Q::test_a"] {
        assert_eq!(shown(source, id), (None, source.to_owned()), "{id}");
    }
}

#[test]
fn asked_for_the_weak_form_constants_stay() {
    let source = "def test_a():\n    assert f() == 1\n";
    let id = "t.py::test_a".to_owned();
    let mutated = mutate(source, std::slice::from_ref(&id), &BTreeSet::from([id.clone()]));
    assert_eq!(mutated.tests[&id].strength, WEAK);
    assert!(mutated.source.starts_with(source.trim_end()), "{}", mutated.source);
}

#[test]
fn a_file_that_is_not_understood_stays_as_it_is() {
    let (strength, text) = shown("def test_a(:\n    assert f() == 1\n", "t.py::test_a");
    assert_eq!((strength, text.as_str()), (None, "def test_a(:\n    assert f() == 1\n"));
}
