//! Long text cut to its head and tail, with what was left out said in between.

use serde::Serialize;

/// Text as far as the page holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cut {
    pub text: String,
    /// Bytes that are not in `text`.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Keeps at most about `limit` bytes: a third from the head, the rest from the tail, because failures are told there.
pub fn cut(text: &str, limit: usize) -> Cut {
    if text.len() <= limit {
        return Cut { text: text.to_owned(), left_out: 0 };
    }
    let head = floor(text, limit / 3);
    let tail = ceil(text, text.len() - (limit - limit / 3));
    let left_out = (tail - head) as u64;
    Cut { text: format!("{}\n[... {left_out} bytes left out ...]\n{}", &text[..head], &text[tail..]), left_out }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|index| text.is_char_boundary(*index)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_is_whole_and_long_text_keeps_both_ends() {
        assert_eq!(cut("abc", 3), Cut { text: "abc".to_owned(), left_out: 0 });
        let long = format!("{}{}{}", "a".repeat(100), "ä".repeat(500), "z".repeat(100));
        let cut = cut(&long, 300);
        assert!(cut.text.starts_with("aaa") && cut.text.ends_with("zzz"), "{}", cut.text);
        assert!(cut.text.contains(&format!("{} bytes left out", cut.left_out)));
        assert!(cut.text.len() < 360);
    }
}
