//! Python string literals in one canonical form: the same for every way to quote and escape the same text.

/// A literal, taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    /// Letters before the quotes, in lower case.
    pub prefix: String,
    pub parts: Vec<Piece>,
}

/// A part of a literal.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// As it is written.
    Text(String),
    /// `{...}` of a formatted string, in canonical form.
    Expression(String),
}

/// The canonical form of one literal.
pub(super) fn text(pieces: &Pieces) -> String {
    format!("{}\"{}\"", kind(pieces), inside(pieces))
}

/// The canonical form of literals that stand beside each other.
pub(super) fn joined(all: Vec<Pieces>) -> String {
    let bytes = all.iter().any(|pieces| pieces.prefix.contains('b'));
    let formatted = all.iter().any(|pieces| pieces.prefix.contains('f'));
    let whole = all.iter().map(|pieces| {
        let inside = inside(pieces);
        // A brace of a plain literal is one that a formatted one writes twice.
        if formatted && !pieces.prefix.contains('f') { inside.replace('{', "{{").replace('}', "}}") } else { inside }
    });
    let kind = if bytes {
        "b"
    } else if formatted {
        "f"
    } else {
        ""
    };
    format!("{kind}\"{}\"", whole.collect::<String>())
}

/// `b`, `f` and `t` say what a literal is; `u` and `r` only how it is written.
fn kind(pieces: &Pieces) -> String {
    pieces.prefix.chars().filter(|letter| !matches!(letter, 'u' | 'r')).collect()
}

fn inside(pieces: &Pieces) -> String {
    let raw = pieces.prefix.contains('r');
    let text = |piece: &Piece| match piece {
        Piece::Text(text) if raw => escaped(text.chars()),
        Piece::Text(text) => escaped(unescaped(text).into_iter()),
        Piece::Expression(text) => text.clone(),
    };
    pieces.parts.iter().map(text).collect()
}

/// One way to write every character.
fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for character in text {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Stands for an escape that is kept as it is written.
            KEPT => out.push('\\'),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out
}

/// In the place of a backslash whose escape is not resolved: `\N{...}`, surrogates. A noncharacter, so no source means it.
const KEPT: char = '\u{fdd0}';

/// Resolves escapes. An unknown escape is a backslash and the character, as in Python.
fn unescaped(text: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        let Some(escape) = rest.next() else {
            out.push('\\');
            break;
        };
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(escape),
            'a' => out.push('\u{7}'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\u{b}'),
            'x' => numbered(&mut out, &mut rest, 'x', 2),
            'u' => numbered(&mut out, &mut rest, 'u', 4),
            'U' => numbered(&mut out, &mut rest, 'U', 8),
            '0'..='7' => {
                let mut digits = escape.to_string();
                while digits.len() < 3
                    && let Some(digit) = rest.clone().next().filter(|digit| matches!(digit, '0'..='7'))
                {
                    digits.push(digit);
                    rest.next();
                }
                let code = u32::from_str_radix(&digits, 8).ok().and_then(char::from_u32);
                out.extend(code);
            }
            'N' => out.extend([KEPT, 'N']),
            other => out.extend(['\\', other]),
        }
    }
    out
}

fn numbered(out: &mut Vec<char>, rest: &mut std::str::Chars, letter: char, length: usize) {
    let digits: String = rest.clone().take(length).collect();
    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    match code.filter(|_| digits.len() == length) {
        Some(character) => {
            out.push(character);
            rest.nth(length - 1);
        }
        None => out.extend([KEPT, letter]),
    }
}
