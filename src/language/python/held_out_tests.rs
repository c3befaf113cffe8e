use super::*;

const ID: &str = "t.py::test_a";

fn derived(source: &str) -> Derived {
    derive(source, "t_2.py", &[ID.to_owned()]).expect("it has inputs")
}

/// The assertion of a test with no inputs but `n`, as it is noted.
fn noted(statement: &str) -> String {
    let source = format!("def test_a():\n    n = g(7)\n    {statement}\n");
    let derived = derived(&source);
    let line = derived.source.lines().nth(2).unwrap_or_default();
    line.trim().to_owned()
}

#[test]
fn what_was_asserted_is_noted() {
    let table = [
        ("assert f(n) == 2", "assert noted(1, (f(n)))"),
        ("assert 2 == f(n), 'why'", "assert noted(1, (f(n))), 'why'"),
        ("assert (f(n) == g(n))", "assert (noted(1, (f(n)), (g(n))))"),
        ("assert f(n) == 2 and g(n) is None", "assert noted(1, (f(n))) and noted(2, (g(n)))"),
        ("assert 'a' in f(n)", "assert noted(1, bool('a' in f(n)))"),
        ("assert not f(n)", "assert noted(1, bool(not f(n)))"),
        ("assert f(n) == g(n) == n", "assert noted(1, bool(f(n) == g(n) == n))"),
        ("self.assertEqual(f(n), 2, 'why')", "noted(1, (f(n)))"),
        ("self.assertCountEqual(f(n), [1])", "noted(1, sorted((f(n)), key=repr), sorted(([1]), key=repr))"),
        ("self.assertTrue(f(n) == 2)", "(noted(1, (f(n))))"),
        ("self.assertFalse(f(n))", "noted(1, bool(f(n)))"),
        ("self.assertIn('a', f(n))", "noted(1, ('a') in (f(n)))"),
        ("self.assertIsNone(f(n))", "noted(1, (f(n)))"),
        ("self.assertRaises(E, f, n)", "self.assertRaises(E, f, n)"),
    ];
    for (statement, expected) in table {
        assert_eq!(noted(statement), expected, "{statement}");
    }
}

/// Every text of the inputs that variants of `test_a` put in, without their names.
fn lines_with(source: &str, needle: &str) -> BTreeSet<String> {
    derived(source).source.lines().filter(|line| line.contains(needle)).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn inputs_change_by_little_and_what_is_expected_does_not() {
    let calls = lines_with("def test_a():\n    x = f(7, '1.5 kg', 0, key=20, flag=True)\n    assert x == 7\n", "f(");
    assert!(calls.len() >= 6, "{calls:?}");
    for call in &calls {
        assert!(
            call.starts_with("x = f(") && call.contains(" kg', 0, key=") && call.ends_with(", flag=True)"),
            "{call}"
        );
        assert_ne!(call, "x = f(7, '1.5 kg', 0, key=20, flag=True)");
    }
    assert!(calls.iter().any(|call| call.contains("f(8, ")) && calls.iter().any(|call| call.contains("f(6, ")));

    let untouched = [
        "def test_a():\n    f(x)\n",
        "def test_a():\n    '''About 5 things.'''\n    assert f(x) == 5\n",
        "def test_a():\n    wanted = 5\n    assert f(x) == wanted\n",
        "def test_a():\n    assert f(x)[5] == {5: x}, 'not 5'\n",
        "def test_a():\n    with raises(E, match='5'):\n        f(0, '%5d', f'5{x}')\n",
    ];
    for source in untouched {
        assert_eq!(derive(source, "t_2.py", &[ID.to_owned()]), None, "{source}");
    }
}

#[test]
fn letters_change_where_there_are_no_numbers() {
    let calls = lines_with("def test_a():\n    assert f('Hello World') == 'x'\n", "f(");
    assert!(!calls.is_empty() && calls.iter().all(|call| call.len() == "assert noted(1, (f('Hello World')))".len()));
}

#[test]
fn a_variant_keeps_one_case_of_a_parametrised_test() {
    let source = "@pytest.mark.parametrize('n, want', [(4, 'IV'), (49, 'XLIX')], ids=['a', 'b'])\ndef test_a(n, want):\n    assert f(n) == want\n";
    let derived = derived(source);
    let cases: BTreeSet<_> = derived.tests.values().cloned().collect();
    assert_eq!(cases, BTreeSet::from(["test_a#0".to_owned(), "test_a#1".to_owned()]));
    let decorators = lines_with(source, "parametrize");
    assert!(decorators.contains("@pytest.mark.parametrize('n, want', [(5, 'IV')], ids=None)"), "{decorators:?}");
    assert!(decorators.contains("@pytest.mark.parametrize('n, want', [(48, 'XLIX')], ids=None)"), "{decorators:?}");
    assert!(derived.source.contains("    assert noted(1, (f(n)), (want))\n"));

    let elsewhere = "CASES = [(4, 'IV')]\n\n@pytest.mark.parametrize('n, want', CASES)\ndef test_a(n, want):\n    assert f(n) == want\n";
    assert!(lines_with(elsewhere, "parametrize").contains("@pytest.mark.parametrize('n, want', [(5, 'IV')])"));
}

#[test]
fn loops_keep_their_expected_values() {
    let source = "def test_a():\n    for n, want in [(4, 'four 4')]:\n        assert f(n) == want\n";
    for line in lines_with(source, "for n") {
        assert!(line.ends_with(", 'four 4')]:") && !line.contains("(4,"), "{line}");
    }
}

#[test]
fn methods_are_derived_in_their_class_and_the_rest_of_the_file_stays() {
    let source = "import x\n\nclass T(Base):\n    def setUp(self):\n        self.n = 5\n\n    @deco\n    def test_a(self):\n        self.assertEqual(f(5), 1)\n\n    def test_b(self):\n        pass\n";
    let derived = derive(source, "t_2.py", &["t.py::T::test_a".to_owned()]).expect("it has inputs");
    assert!(derived.tests.contains_key("t_2.py::T::test_a_1"));
    assert!(derived.source.starts_with("import x\n\nclass T(Base):\n    def setUp(self):\n        self.n = 5\n\n    @deco\n    def test_a_1(self):\n        noted(1, (f(6)))\n\n    @deco\n"));
    assert!(derived.source.ends_with("\n\n    def test_b(self):\n        pass\n"));
    assert!(!derived.source.contains("def test_a(self)"));
}

#[test]
fn files_of_ours_have_names_that_runners_collect() {
    assert_eq!(beside("tests/test_a.py", "x1"), "tests/test_a_x1.py");
    assert_eq!(beside("a_test.py", "x1"), "a_x1_test.py");
}
