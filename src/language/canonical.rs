//! One form for sources that differ in nothing that counts: comments, blank lines and the spaces between tokens vanish. A
//! language may have a closer form of its own.

use std::collections::BTreeMap;

use tree_sitter::{Language, Node, Parser, Tree};

/// A source in canonical form.
#[derive(Clone, Debug)]
pub struct Canonical {
    pub text: String,
    /// The form of each function, by the names around it; empty if nobody asked, or if the language does not tell.
    pub functions: BTreeMap<String, String>,
}

/// A source without comments and spaces between tokens, row by row; `None` if it does not parse.
pub(super) fn rows(grammar: &Language, source: &str) -> Option<String> {
    let tree = parse(grammar, source)?;
    let mut rows = Rows { source, text: String::new(), row: 0, end: 0 };
    let mut open = vec![tree.root_node()];
    while let Some(node) = open.pop() {
        let comment = node.kind().contains("comment");
        if comment || node.child_count() == 0 || is_text(node) {
            rows.gap_before(node);
            if !comment {
                rows.push(&source[node.byte_range()], node.start_position().row);
            }
            rows.end = rows.end.max(node.end_byte());
            continue;
        }
        let mut cursor = node.walk();
        let inner: Vec<_> = node.children(&mut cursor).collect();
        open.extend(inner.into_iter().rev());
    }
    rows.text.push('\n');
    Some(rows.text)
}

/// Tokens, each row of the source on a line.
struct Rows<'s> {
    source: &'s str,
    text: String,
    row: usize,
    /// Where the last token or comment ended.
    end: usize,
}

impl Rows<'_> {
    /// Whatever no token covers, say between the parts of a literal, is not lost.
    fn gap_before(&mut self, node: Node) {
        let gap = self.source.get(self.end..node.start_byte()).unwrap_or("");
        self.push(gap, node.start_position().row);
    }

    fn push(&mut self, token: &str, row: usize) {
        let token = token.trim();
        if token.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(if row == self.row { ' ' } else { '\n' });
        }
        self.text.push_str(token);
        self.row = row;
    }
}

/// Literals, in which every space counts.
fn is_text(node: Node) -> bool {
    ["string", "template", "char", "rune", "regex", "text"].iter().any(|part| node.kind().contains(part))
        && !matches!(node.kind(), "template_type" | "template_literal_type")
}

/// A tree without errors.
pub(crate) fn parse(language: &Language, source: &str) -> Option<Tree> {
    // A parser keeps its memory, which a new one would have to ask for again.
    thread_local!(static PARSER: std::cell::RefCell<Parser> = std::cell::RefCell::new(Parser::new()));
    PARSER.with_borrow_mut(|parser| {
        parser.set_language(language).ok()?;
        parser.parse(source, None).filter(|tree| !tree.root_node().has_error())
    })
}

#[cfg(test)]
mod tests {
    fn canonical(path: &str, source: &str) -> Option<String> {
        crate::language::canonical(path, source, false).map(|form| form.text)
    }

    #[test]
    fn comments_blank_lines_and_spaces_vanish_in_every_language() {
        let table = [
            ("a.rs", "fn f(a:u8)->u8{a+1}", "fn f( a : u8 ) -> u8 { /* why */ a + 1 } // it"),
            ("a.go", "package a\nfunc f() int { return 1 }\n", "package a\n\n// f is\nfunc f()  int {  return 1 }\n"),
            ("A.java", "class A { int f() { return 1; } }", "/** doc */ class A { int f(){return 1;} }"),
            ("a.js", "let a = 'x y';\n", "let a='x y' ; // z\n\n"),
            ("a.ts", "let a: number = 1;", "let a : number=1;"),
            ("a.tsx", "let a = <b>x y</b>;", "let  a = <b>x y</b> ; // c"),
        ];
        for (path, one, other) in table {
            let (one, other) = (canonical(path, one).unwrap(), canonical(path, other).unwrap());
            assert_eq!(one, other, "{path}");
        }
    }

    #[test]
    fn what_stands_in_literals_stays() {
        let table = [
            ("a.rs", "let a = \"x  y\";", "let a = \"x y\";"),
            ("a.go", "package a\nvar a = \" \"\n", "package a\nvar a = \"\"\n"),
            ("a.js", "let a = `${b} ${c}`;", "let a = `${b}${c}`;"),
            ("a.js", "let a = '// x';", "let a = '';"),
            ("a.js", "a = /x y/;", "a = /xy/;"),
        ];
        for (path, one, other) in table {
            assert_ne!(canonical(path, one).unwrap(), canonical(path, other).unwrap(), "{path}");
        }
    }

    #[test]
    fn what_does_not_parse_or_has_no_grammar_is_not_read() {
        assert_eq!(canonical("a.rs", "fn f( {"), None);
        assert_eq!(canonical("a.txt", "text"), None);
        assert_eq!(canonical("Makefile", "a:"), None);
    }
}
