//! Words of code and prose, for retrieval: identifiers whole and in parts, in lower case. Pure.

/// Hands over every word of a text: each identifier, and, if it has several, its parts - at underscores, and where a
/// capital follows a small letter. Gives the number of words. Bytes that are not letters, digits or underscores part words.
pub(super) fn each_word(text: &[u8], mut take: impl FnMut(&[u8])) -> u64 {
    let mut count = 0;
    let mut lower = [0; LONGEST];
    let mut at = 0;
    while at < text.len() {
        if !is_word(text[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < text.len() && is_word(text[at]) {
            at += 1;
        }
        let word = &text[start..at];
        if word.len() > LONGEST {
            // Not a name but data.
            count += 1;
            continue;
        }
        let lower = &mut lower[..word.len()];
        for (small, byte) in lower.iter_mut().zip(word) {
            *small = byte.to_ascii_lowercase();
        }
        count += parts(word, |from, to| take(&lower[from..to]));
    }
    count
}

/// Longest word in bytes.
const LONGEST: usize = 64;

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Ranges of the whole word, without outer underscores, and of its parts if there are several; gives their number.
fn parts(word: &[u8], mut take: impl FnMut(usize, usize)) -> u64 {
    let Some(first) = word.iter().position(|byte| *byte != b'_') else { return 0 };
    let end = word.iter().rposition(|byte| *byte != b'_').map_or(first, |last| last + 1);
    take(first, end);
    let mut count = 1;
    let mut from = first;
    for at in first..=end {
        let part_ends = at == end
            || word[at] == b'_'
            || (at > first && word[at].is_ascii_uppercase() && word[at - 1].is_ascii_lowercase());
        if part_ends {
            if at > from && (from, at) != (first, end) {
                take(from, at);
                count += 1;
            }
            from = if at < end && word[at] == b'_' { at + 1 } else { at };
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        let count = each_word(text.as_bytes(), |word| words.push(String::from_utf8(word.to_vec()).unwrap()));
        assert_eq!(count, words.len() as u64);
        words
    }

    #[test]
    fn identifiers_are_words_and_so_are_their_parts() {
        assert_eq!(words("parse_duration(x)"), ["parse_duration", "parse", "duration", "x"]);
        assert_eq!(words("HttpClient.__init__"), ["httpclient", "http", "client", "init"]);
        assert_eq!(words("a__b _c_ 3.14 Käse"), ["a__b", "a", "b", "c", "3", "14", "k", "se"]);
        assert_eq!(words("___ ."), Vec::<String>::new());
        assert_eq!(words("HTTPServer2"), ["httpserver2"]);
    }

    #[test]
    fn a_long_run_of_letters_is_counted_and_is_no_word() {
        let text = "x".repeat(LONGEST + 1);
        assert_eq!(each_word(text.as_bytes(), |_| panic!("no word")), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_words(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            each_word(&bytes, |word| assert!(!word.is_empty() && word.iter().all(|byte| is_word(*byte))));
        }
    }
}
