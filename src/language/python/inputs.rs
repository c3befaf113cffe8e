//! Inputs of a Python test, and small changes of them.

use std::collections::BTreeSet;
use std::ops::Range;

use tree_sitter::Node;

use super::canary::{below, called, children};
use super::canary_edits::{EQUALITIES, binding};
use super::held_out::Edits;
use super::syntax::{applied, constant};
use crate::model::digest::Digest;

/// Steps that numbers are changed by, nearest first.
const STEPS: [i64; 10] = [1, -1, 2, 3, -2, 4, 5, -3, 6, 7];
/// Cases of a test that are told apart.
const MOST_CASES: usize = 24;
/// Arguments that say what is expected or how a test is called.
const NO_INPUTS: [&str; 5] = ["match", "msg", "id", "ids", "marks"];

/// Where the inputs of a test stand: in its body, and in the values that `parametrize` decorators give.
pub(crate) struct Inputs<'t, 's> {
    source: &'s str,
    axes: Vec<Axis<'t>>,
    /// Names that stand for expected values and for nothing else.
    expected: BTreeSet<String>,
}

/// One `parametrize` decorator whose values are plain to see.
struct Axis<'t> {
    names: Vec<String>,
    /// What stands in the decorator: the values, or a name of the module for them.
    values: Node<'t>,
    elements: Vec<Node<'t>>,
    /// Names of the cases, one for each.
    ids: Option<Node<'t>>,
}

impl<'t, 's> Inputs<'t, 's> {
    pub fn of(whole: Node<'t>, function: Node<'t>, source: &'s str) -> Self {
        let decorators = children(whole).into_iter().filter(|child| child.kind() == "decorator");
        let axes = decorators.filter_map(|decorator| Axis::of(decorator, source)).collect();
        let expected = function.child_by_field_name("body").map(|body| expected_names(body, source));
        Self { source, axes, expected: expected.unwrap_or_default() }
    }

    /// Combinations of parameters that variants keep, one each.
    pub fn cases(&self) -> usize {
        self.axes.iter().map(|axis| axis.elements.len()).product::<usize>().clamp(1, MOST_CASES)
    }

    fn chosen(&self, case: usize) -> Vec<(&Axis<'t>, Node<'t>)> {
        let mut rest = case;
        let of_axis = |axis: &'_ Axis<'t>| {
            let element = axis.elements[rest % axis.elements.len()];
            rest /= axis.elements.len();
            element
        };
        let elements: Vec<_> = self.axes.iter().map(of_axis).collect();
        self.axes.iter().zip(elements).collect()
    }

    /// The constants that a case puts in.
    pub fn collect(&self, case: usize, body: Node<'t>, constants: &mut Constants<'t, 's>) {
        for (axis, element) in self.chosen(case) {
            for (place, part) in parts(element, axis.names.len()).into_iter().enumerate() {
                if !axis.names.get(place).is_some_and(|name| self.expected.contains(name)) {
                    self.walk(part, constants);
                }
            }
        }
        self.walk(body, constants);
    }

    /// What the decorators of a case's variant say, so that it has no other case.
    pub fn keep(&self, case: usize, edits: &Edits) -> Vec<(Range<usize>, String)> {
        let mut kept = Vec::new();
        for (axis, element) in self.chosen(case) {
            let range = element.byte_range();
            let inside = edits.iter().filter(|(at, _)| range.start <= at.0 && at.1 <= range.end);
            let inside = inside.map(|(at, text)| (*at, text.clone())).collect();
            let text = applied(self.source, range, &inside);
            kept.push((axis.values.byte_range(), format!("[{}]", text.unwrap_or_default())));
            kept.extend(axis.ids.map(|ids| (ids.byte_range(), "ids=None".to_owned())));
        }
        kept
    }

    fn walk(&self, node: Node<'t>, constants: &mut Constants<'t, 's>) {
        let text = |node: Node| &self.source[node.byte_range()];
        let field = |name: &str| node.child_by_field_name(name);
        match node.kind() {
            "integer" | "float" => constants.add(node),
            "string" => {
                let inner = children(node).into_iter().filter(|part| part.kind() == "interpolation");
                let inner: Vec<_> = inner.collect();
                match inner.is_empty() {
                    true => constants.add(node),
                    false => inner.into_iter().for_each(|part| self.walk(part, constants)),
                }
            }
            // A text of its own is a comment.
            "expression_statement" if children(node).iter().all(|child| child.kind() == "string") => {}
            "keyword_argument" => {
                let named = field("name").is_some_and(|name| NO_INPUTS.contains(&text(name)));
                if let Some(value) = field("value").filter(|_| !named) {
                    self.walk(value, constants);
                }
            }
            "subscript" | "pair" => {
                if let Some(value) = field("value") {
                    self.walk(value, constants);
                }
            }
            "assert_statement" => {
                if let Some(condition) = children(node).first() {
                    self.walk(*condition, constants);
                }
            }
            "comparison_operator" => self.sides(children(node), constants),
            "call" if EQUALITIES.contains(&called(node, self.source)) => {
                let arguments = field("arguments").map(children).unwrap_or_default();
                self.sides(arguments.into_iter().take(2).collect(), constants);
            }
            "for_statement" => self.walk_loop(node, constants),
            "assignment" => {
                let is_expected = field("left").is_some_and(|left| self.expected.contains(text(left)));
                if let Some(right) = field("right").filter(|right| !(is_expected && constant(*right))) {
                    self.walk(right, constants);
                }
            }
            "type" | "decorator" => {}
            _ => children(node).into_iter().for_each(|child| self.walk(child, constants)),
        }
    }

    /// What is compared: constants on a side say what is expected.
    fn sides(&self, sides: Vec<Node<'t>>, constants: &mut Constants<'t, 's>) {
        sides.into_iter().filter(|side| !constant(*side)).for_each(|side| self.walk(side, constants));
    }

    fn walk_loop(&self, node: Node<'t>, constants: &mut Constants<'t, 's>) {
        let targets = node.child_by_field_name("left").map(|left| match left.kind() {
            "pattern_list" | "tuple_pattern" => children(left),
            _ => vec![left],
        });
        let targets = targets.unwrap_or_default();
        if let Some(values) = node.child_by_field_name("right") {
            let is_display = matches!(values.kind(), "list" | "tuple" | "set");
            for element in if is_display { children(values) } else { vec![values] } {
                let parts = if is_display { parts(element, targets.len()) } else { vec![element] };
                for (place, part) in parts.into_iter().enumerate() {
                    let name = targets.get(place).map(|target| &self.source[target.byte_range()]);
                    if !(is_display && name.is_some_and(|name| self.expected.contains(name))) {
                        self.walk(part, constants);
                    }
                }
            }
        }
        if let Some(body) = node.child_by_field_name("body") {
            self.walk(body, constants);
        }
    }
}

impl<'t> Axis<'t> {
    fn of(decorator: Node<'t>, source: &str) -> Option<Self> {
        let call = children(decorator).into_iter().find(|child| child.kind() == "call")?;
        if called(call, source) != "parametrize" {
            return None;
        }
        let (keywords, positional): (Vec<_>, Vec<_>) = children(call.child_by_field_name("arguments")?)
            .into_iter()
            .partition(|argument| argument.kind() == "keyword_argument");
        let [names, values, ..] = positional[..] else { return None };
        let display = match values.kind() {
            "identifier" => module_value(decorator, &source[values.byte_range()], source)?,
            _ => values,
        };
        let elements = matches!(display.kind(), "list" | "tuple").then(|| children(display))?;
        if elements.is_empty() || elements.iter().any(|element| element.kind() == "list_splat") {
            return None;
        }
        let ids = keywords.into_iter().find(|keyword| {
            keyword.child_by_field_name("name").is_some_and(|name| &source[name.byte_range()] == "ids")
        });
        Some(Self { names: parameter_names(names, source), values, elements, ids })
    }
}

/// The display that a name of the module is bound to, if it is bound once.
fn module_value<'t>(node: Node<'t>, name: &str, source: &str) -> Option<Node<'t>> {
    let root = std::iter::successors(Some(node), |node| node.parent()).last()?;
    let statements = children(root).into_iter().filter(|child| child.kind() == "expression_statement");
    let assigned = statements.flat_map(children).filter(|child| {
        child.kind() == "assignment"
            && child.child_by_field_name("left").is_some_and(|left| &source[left.byte_range()] == name)
    });
    let assigned: Vec<_> = assigned.collect();
    let [assignment] = assigned[..] else { return None };
    assignment.child_by_field_name("right")
}

/// `"a, b"` or `("a", "b")`.
fn parameter_names(node: Node, source: &str) -> Vec<String> {
    let text = |node: Node| source[node.byte_range()].trim_matches(['"', '\'']).to_owned();
    match node.kind() {
        "list" | "tuple" => children(node).into_iter().map(text).collect(),
        _ => text(node).split(',').map(|name| name.trim().to_owned()).collect(),
    }
}

/// The values of one case, one for each name.
fn parts(element: Node<'_>, names: usize) -> Vec<Node<'_>> {
    match element.kind() {
        "tuple" | "list" if names > 1 => children(element),
        "call" if names > 0 => match element.child_by_field_name("arguments") {
            // pytest.param(...)
            Some(arguments) if children(arguments).len() >= names => children(arguments),
            _ => vec![element],
        },
        _ => vec![element],
    }
}

/// Names that are a side of an equality, are bound, and have no other use.
fn expected_names(body: Node, source: &str) -> BTreeSet<String> {
    let all = below(body);
    let mut operands = Vec::new();
    for node in &all {
        match node.kind() {
            "comparison_operator" => operands.extend(children(*node)),
            "call" if EQUALITIES.contains(&called(*node, source)) => {
                let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
                operands.extend(arguments.into_iter().take(2));
            }
            _ => {}
        }
    }
    operands.retain(|operand| operand.kind() == "identifier");
    let compared: BTreeSet<_> = operands.iter().map(|operand| operand.id()).collect();
    let mut names: BTreeSet<_> = operands.iter().map(|operand| source[operand.byte_range()].to_owned()).collect();
    for node in all.into_iter().filter(|node| node.kind() == "identifier" && !compared.contains(&node.id())) {
        if binding(node).is_none() {
            names.remove(&source[node.byte_range()]);
        }
    }
    names
}

/// Constants that may be changed, in the order of the source.
pub(crate) struct Constants<'t, 's> {
    source: &'s str,
    found: Vec<Node<'t>>,
}

impl<'t, 's> Constants<'t, 's> {
    pub fn new(source: &'s str) -> Self {
        Self { source, found: Vec::new() }
    }

    fn add(&mut self, node: Node<'t>) {
        self.found.push(node);
    }

    /// Changes for one variant: of all numbers for the first, then of some, then of all and of letters too, of some
    /// again, and so on with other steps.
    pub fn changed(&self, variant: usize, seed: &str) -> Edits {
        let mut edits = Edits::new();
        for with_letters in [variant % 4 >= 2, true] {
            for (place, node) in self.found.iter().enumerate() {
                let random = Digest::of(format!("{seed} {variant} {place}").as_bytes());
                let random = u32::from_str_radix(&random.as_str()[..6], 16).unwrap_or(0) as usize;
                let only_some = variant % 2 == 1 && self.found.len() > 1;
                if only_some && random.is_multiple_of(2) {
                    continue;
                }
                let step = STEPS[(variant + place) % STEPS.len()];
                if let Some((at, text)) = self.change(*node, step, random / 2, with_letters) {
                    edits.insert(at, text);
                }
            }
            if !edits.is_empty() {
                break;
            }
        }
        edits
    }

    fn change(&self, node: Node, step: i64, random: usize, with_letters: bool) -> Option<((usize, usize), String)> {
        let text = &self.source[node.byte_range()];
        let whole = (node.start_byte(), node.end_byte());
        match node.kind() {
            // Nothing and the first are often not like the others.
            "integer" => {
                let number: i64 = text.parse().ok().filter(|number| (1..1_000_000_000_000).contains(number))?;
                let changed = if number + step < 1 { number - step } else { number + step };
                Some((whole, changed.to_string()))
            }
            "float" if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => {
                let digits: Vec<_> = digits(node.start_byte(), text).collect();
                Some(self.digit(*digits.get(random % digits.len().max(1))?, step))
            }
            "string" => self.change_string(node, step, random, with_letters),
            _ => None,
        }
    }

    fn change_string(
        &self,
        node: Node,
        step: i64,
        random: usize,
        with_letters: bool,
    ) -> Option<((usize, usize), String)> {
        let content = children(node).into_iter().filter(|part| part.kind() == "string_content");
        let content: Vec<_> = content.filter(|part| children(*part).is_empty()).collect();
        let [content] = content[..] else { return None };
        let text = &self.source[content.byte_range()];
        // Numbers of a format are not an input.
        if text.contains(['{', '%', '\\']) {
            return None;
        }
        let numbers: Vec<_> = digits(content.start_byte(), text).collect();
        if let Some(at) = numbers.get(random % numbers.len().max(1)) {
            return Some(self.digit(*at, step));
        }
        let letters: Vec<_> = text.char_indices().filter(|(_, c)| c.is_ascii_alphabetic()).collect();
        if !with_letters || letters.len() < 3 {
            return None;
        }
        let (at, letter) = letters[random % letters.len()];
        let at = content.start_byte() + at;
        Some(((at, at + 1), other_letter(letter, step).to_string()))
    }

    /// Another digit in the place of one, never nought.
    fn digit(&self, at: usize, step: i64) -> ((usize, usize), String) {
        let digit = i64::from(self.source.as_bytes()[at] - b'0');
        let changed = 1 + (digit - 1 + step).rem_euclid(9);
        let changed = if changed == digit { 1 + digit % 9 } else { changed };
        ((at, at + 1), changed.to_string())
    }
}

fn digits(start: usize, text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(move |(at, _)| start + at)
}

/// A vowel for a vowel, a consonant for a consonant, in the same case.
fn other_letter(letter: char, step: i64) -> char {
    let class = if "aeiou".contains(letter.to_ascii_lowercase()) { "aeiou" } else { "bcdfghjklmnpqrstvwxyz" };
    let place = class.find(letter.to_ascii_lowercase()).unwrap_or(0) as i64;
    let step = if step.rem_euclid(class.len() as i64) == 0 { 1 } else { step };
    let other = class.as_bytes()[(place + step).rem_euclid(class.len() as i64) as usize] as char;
    if letter.is_ascii_uppercase() { other.to_ascii_uppercase() } else { other }
}
