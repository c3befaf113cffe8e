//! What is settled with a resolver that is played: which versions there are, and what contradicts what.

use std::cell::RefCell;

use super::recipe::Recipe;
use super::resolution::{Line, Question, Wishes};
use crate::images::environment_error::EnvironmentError;
use crate::language::python::needs::locks::Constraint;
use crate::language::python::needs::requirement::{disjoint, name_of};

fn refused(why: &str) -> EnvironmentError {
    EnvironmentError::Refused { tool: "pip", doing: "resolving".to_owned(), why: why.to_owned() }
}

/// As pip: an unknown distribution is named, and so are lines in conflict. `unbuildable` ones fail without a name.
fn pip(question: &Question) -> Result<(), EnvironmentError> {
    let named = |name: &str| question.lines.iter().find(|line| name_of(line).as_deref() == Some(name));
    if let Some(line) = named("nosuch") {
        return Err(refused(&format!(
            "ERROR: Could not find a version that satisfies the requirement {line} (from versions: none)\nERROR: No matching distribution found for {line}"
        )));
    }
    if named("unbuildable").is_some() {
        return Err(refused("error: metadata-generation-failed\nhint: See above for details."));
    }
    // One that brings a module of the project, and one that brings an old runner along.
    if named("fork").is_some() {
        return Err(EnvironmentError::AnswerInImage { path: "mixer of fork-1-py3-none-any.whl".to_owned() });
    }
    if named("of-old").is_some() {
        let version = "2.9.2".to_owned();
        return Err(EnvironmentError::UnknownRunner { runner: "pytest", version, first: 3, last: 9 });
    }
    // A plugin that needs an old runner.
    let needs = [("old-plugin", "pytest<8"), ("ancient-plugin", "pytest<5")];
    let hidden = needs.iter().find(|(name, _)| named(name).is_some()).map(|(_, line)| (*line).to_owned());
    for line in &question.lines {
        let name = name_of(line);
        let all = question.lines.iter().chain(&question.constraints).chain(&hidden);
        let same: Vec<&str> = all.filter(|other| name_of(other) == name).map(String::as_str).collect();
        if disjoint(same.iter().copied()) {
            return Err(refused(&format!(
                "ERROR: Cannot install {} because these package versions have conflicting dependencies.",
                same.join(" and ")
            )));
        }
    }
    Ok(())
}

fn declared(lines: &[&str]) -> Vec<Line> {
    lines.iter().map(|&line| Line { line: line.to_owned(), source: "group test".to_owned() }).collect()
}

fn fixed(lines: &[&str]) -> Vec<Constraint> {
    let one =
        |&line: &&str| Constraint { name: name_of(line).unwrap(), line: line.to_owned(), file: "uv.lock".to_owned() };
    lines.iter().map(one).collect()
}

/// What is wished, and what comes of it: lines, constraints, what is left out.
type Case<'c> = (&'c [&'c str], &'c [&'c str], &'c [&'c str], &'c [&'c str], &'c [&'c str], &'c [&'c str]);

#[test]
fn as_much_as_possible_is_installed_and_the_rest_told() {
    const NO_SUCH: &str = "nosuch==1 (group test): No matching distribution found for nosuch==1";
    // Requirements of the instance, declared lines, constraints; what is asked in the end.
    let table: &[Case] = &[
        (
            &["six"],
            &["mock", "pytest>=7"],
            &["mock==5"],
            &["mock", "pytest>=7", "pytest>=8,<9", "six"],
            &["mock==5"],
            &[],
        ),
        // The project's pin of the runner wins.
        (&[], &["pytest==9.0.3"], &["pytest==9.0.3"], &["pytest", "pytest==9.0.3"], &["pytest==9.0.3"], &[]),
        (&["pytest==7.4.4"], &["pytest>=8"], &[], &["pytest", "pytest==7.4.4"], &[], &[]),
        (&[], &["old-plugin"], &[], &["old-plugin", "pytest>=7,<9"], &[], &[]),
        // Not for everything: such a version is too old.
        (
            &[],
            &["ancient-plugin"],
            &[],
            &["pytest>=8,<9"],
            &[],
            &[
                "ancient-plugin (group test): Cannot install pytest>=8,<9 and pytest<5 because these package versions have conflicting \
               dependencies",
            ],
        ),
        (&["ancient-plugin"], &["mock"], &[], &["ancient-plugin", "mock", "pytest"], &[], &[]),
        // A version that only a lock has of it does not.
        (&[], &["pytest"], &["pytest==7.1.1", "mock==5"], &["pytest", "pytest>=8,<9"], &["mock==5"], &[]),
        // Nor does one that the reporter does not know.
        (
            &[],
            &["pytest==2.9.2", "mock"],
            &[],
            &["mock", "pytest>=8,<9"],
            &[],
            &["pytest==2.9.2 (group test): the reporter knows pytest 3 to 9"],
        ),
        // A requirement takes the place of what is declared, and of what a lock has.
        (&["mock==4"], &["mock==5"], &["mock==5"], &["mock==4", "pytest>=8,<9"], &[], &[]),
        (
            &[],
            &["mock>=5"],
            &["mock==4"],
            &["mock>=5", "pytest>=8,<9"],
            &[],
            &[
                "the versions of uv.lock: Cannot install mock>=5 and mock==4 because these package versions have conflicting dependencies",
            ],
        ),
        (&[], &["nosuch==1", "mock"], &["mock==5"], &["mock", "pytest>=8,<9"], &["mock==5"], &[NO_SUCH]),
        (
            &[],
            &["a", "b", "unbuildable", "c", "nosuch==1"],
            &[],
            &["a", "b", "c", "pytest>=8,<9"],
            &[],
            &[NO_SUCH, "unbuildable (group test): hint: See above for details"],
        ),
        (
            &[],
            &["unbuildable"],
            &[],
            &["pytest>=8,<9"],
            &[],
            &["unbuildable (group test): hint: See above for details"],
        ),
        // What would bring the answer, or reports that nobody could trust, gives way if it is only declared.
        (
            &[],
            &["fork", "mock", "of-old"],
            &["mock==5"],
            &["mock", "pytest>=8,<9"],
            &["mock==5"],
            &[
                "fork (group test): mixer of fork-1-py3-none-any.whl would be in the environment beside the project's own code; leave it \
                 out of the requirements",
                "of-old (group test): pytest 2.9.2 would be installed, because the project or the instance asks for it, and the reporter \
                 knows 3 to 9; require one of these, for example with --with pytest==9.*",
            ],
        ),
        // Only the user has something fetched from an address.
        (
            &["x @ https://x.org/x.whl"],
            &["y @ git+https://x.org/y", "x @ https://y.org/x.whl", "mock"],
            &[],
            &["mock", "pytest>=8,<9", "x @ https://x.org/x.whl"],
            &[],
            &["y @ git+https://x.org/y (group test): it is an address and not a name; --with takes it"],
        ),
    ];
    let recipe = Recipe::find("python-pytest").unwrap();
    for (requirements, lines, constraints, asked, kept, told) in table {
        let requirements: Vec<String> = requirements.iter().map(|&line| line.to_owned()).collect();
        let mut wishes = Wishes::new(&recipe, &requirements, &[]);
        (wishes.declared, wishes.constraints) = (declared(lines), fixed(constraints));
        let settled = wishes.settle(&mut pip).unwrap();
        assert_eq!(settled.question.lines, *asked, "{lines:?}");
        assert_eq!(settled.question.constraints, *kept, "{lines:?}");
        assert_eq!(settled.left_out, *told, "{lines:?}");
    }
}

#[test]
fn what_never_gives_way_is_refused_and_a_network_that_is_away_ends_the_search() {
    let recipe = Recipe::find("python-pytest").unwrap();
    let requirements = ["nosuch==1".to_owned()];
    let mut wishes = Wishes::new(&recipe, &requirements, &[]);
    wishes.declared = declared(&["mock"]);
    let error = wishes.settle(&mut pip).unwrap_err().to_string();
    assert!(error.contains("No matching distribution found for nosuch==1"), "{error}");

    let asked = RefCell::new(0);
    let away = &mut |_: &Question| -> Result<(), EnvironmentError> {
        *asked.borrow_mut() += 1;
        Err(EnvironmentError::Unreachable { tool: "pip", doing: String::new(), why: String::new() })
    };
    assert!(matches!(wishes.settle(away), Err(EnvironmentError::Unreachable { .. })));
    assert_eq!(asked.take(), 1);
}

#[test]
fn the_search_ends_however_many_fail() {
    let recipe = Recipe::find("python-pytest").unwrap();
    let names: Vec<String> = (0..200).map(|number| format!("p{number}")).collect();
    let mut wishes = Wishes::new(&recipe, &[], &[]);
    wishes.declared = declared(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let asked = RefCell::new(0);
    let fails = &mut |question: &Question| {
        *asked.borrow_mut() += 1;
        if question.lines.len() > 1 { Err(refused("no reason")) } else { Ok(()) }
    };
    let settled = wishes.settle(fails).unwrap();
    assert_eq!(settled.left_out.len(), 200);
    assert!(asked.take() < 30);
}

#[test]
fn what_an_instance_repeats_of_the_project_takes_nobodys_place() {
    let recipe = Recipe::find("python-pytest").unwrap();
    let own = ["markupsafe>=2".to_owned()];
    let mut wishes = Wishes::new(&recipe, &own, &own);
    (wishes.declared, wishes.constraints) = (declared(&["markupsafe==2.1.5"]), fixed(&["markupsafe==2.1.5"]));
    let settled = wishes.settle(&mut pip).unwrap();
    assert_eq!(settled.question.lines, ["markupsafe==2.1.5", "markupsafe>=2", "pytest>=8,<9"]);
    assert_eq!(settled.question.constraints, ["markupsafe==2.1.5"]);
}

#[test]
fn what_the_project_has_at_an_address_is_left_out_and_told_unless_the_instance_names_it() {
    let recipe = Recipe::find("python-pytest").unwrap();
    let own = ["x @ https://x.org/x.whl".to_owned(), "six".to_owned()];
    let settled = Wishes::new(&recipe, &[], &own).settle(&mut pip).unwrap();
    assert_eq!(settled.question.lines, ["pytest>=8,<9", "six"]);
    assert_eq!(
        settled.left_out,
        ["x @ https://x.org/x.whl (the project's metadata): it is an address and not a name; --with takes it"]
    );
    for given in ["x @ https://x.org/x.whl", "x==1"] {
        let given = [given.to_owned()];
        let settled = Wishes::new(&recipe, &given, &own).settle(&mut pip).unwrap();
        assert!(settled.question.lines.contains(&given[0]), "{:?}", settled.question);
        assert_eq!(settled.left_out, Vec::<String>::new());
    }
}

#[test]
fn what_an_instance_or_the_project_requires_never_gives_way_to_an_answer() {
    let recipe = Recipe::find("python-pytest").unwrap();
    for (name, answer) in [("fork", true), ("of-old", false)] {
        let requirements = [name.to_owned()];
        let mut wishes = Wishes::new(&recipe, &requirements, &[]);
        wishes.declared = declared(&["mock"]);
        let error = wishes.settle(&mut pip).unwrap_err();
        assert_eq!(matches!(error, EnvironmentError::AnswerInImage { .. }), answer, "{error}");
        assert_eq!(matches!(error, EnvironmentError::UnknownRunner { .. }), !answer, "{error}");
    }
}

#[test]
fn wishes_that_are_settled_in_different_ways_have_different_names() {
    let recipe = Recipe::find("python-pytest").unwrap();
    let own = ["markupsafe>=2".to_owned()];
    let name = |wishes: &Wishes| serde_json::to_string(&wishes.identity()).unwrap();
    let all = |recipe, requirements, own, file: &str| {
        let mut wishes = Wishes::new(recipe, requirements, own);
        wishes.constraints = fixed(&["mock==5"]);
        wishes.constraints[0].file = file.to_owned();
        name(&wishes)
    };
    let mut older = recipe.clone();
    older.older.clear();
    let names = [
        all(&recipe, &own, &own, "uv.lock"),
        all(&recipe, &own, &[], "uv.lock"),
        all(&recipe, &[], &own, "uv.lock"),
        all(&recipe, &own, &own, "pdm.lock"),
        all(&older, &own, &own, "uv.lock"),
    ];
    let different: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn options_of_pip_are_refused_as_requirements() {
    let recipe = Recipe::find("python-stdlib").unwrap();
    let requirements = ["-r x.txt".to_owned()];
    let error = Wishes::new(&recipe, &requirements, &[]).settle(&mut pip).unwrap_err().to_string();
    assert!(error.contains("-r x.txt"), "{error}");
}
