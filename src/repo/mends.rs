//! Where the text of a diff was mended. Pure.

use std::ops::Range;

/// Places in their order. Lines are counted from 0.
#[derive(Debug, Default)]
pub(super) struct Mends(Vec<Mend>);

#[derive(Debug)]
struct Mend {
    /// Lines that go.
    gone: Range<usize>,
    /// What comes in their place, each line with its end.
    new: String,
}

impl Mends {
    /// Notes a place that stands behind all former ones.
    pub fn put(&mut self, gone: Range<usize>, new: String) {
        self.0.push(Mend { gone, new });
    }

    /// The text of these lines, mended.
    pub fn text(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        let copy = |text: &mut String, part: Range<usize>| {
            for at in part {
                text.push_str(lines[at]);
                text.push_str(if at + 1 == lines.len() { "" } else { "\n" });
            }
        };
        let mut next = 0;
        for Mend { gone, new } in &self.0 {
            copy(&mut text, next..gone.start);
            // The last line may have no end.
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(new);
            next = gone.end;
        }
        copy(&mut text, next..lines.len());
        text
    }
}
