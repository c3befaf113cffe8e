//! Which files somebody else says matter: sets of paths out of localizations (`--localization`). The set that most
//! localizations of an instance name comes first; `--sets` gives the next ones a prompt each. A prompt without any says
//! `none`. Pure.

/// Files of one localization that count, most important first: the number that the prompt asks for.
pub const MOST_FILES: usize = 5;

/// At most `sets` distinct sets of files, the ones that most lists name first, ties in the order they came. Within a list,
/// files after the fifth do not count; two lists with the same files in another order are one set, and keep the first order.
pub fn file_sets(lists: impl IntoIterator<Item = Vec<String>>, sets: usize) -> Vec<Vec<String>> {
    let mut found: Vec<(Vec<String>, Vec<String>, usize)> = Vec::new();
    for mut list in lists {
        list.truncate(MOST_FILES);
        let mut sorted = list.clone();
        sorted.sort();
        sorted.dedup();
        match found.iter_mut().find(|(same, ..)| *same == sorted) {
            _ if list.is_empty() => {}
            Some((.., votes)) => *votes += 1,
            None => found.push((sorted, list, 1)),
        }
    }
    found.sort_by_key(|(.., votes)| std::cmp::Reverse(*votes));
    found.into_iter().take(sets).map(|(_, list, _)| list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(paths: &str) -> Vec<String> {
        paths.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_set_that_most_lists_name_comes_first_whatever_their_order() {
        let lists = ["a b", "c", "b a", "d", "d"].map(list);
        assert_eq!(file_sets(lists.clone(), 2), [list("a b"), list("d")]);
        assert_eq!(file_sets(lists, 9), [list("a b"), list("d"), list("c")]);
    }

    #[test]
    fn empty_lists_are_no_set_and_files_after_the_fifth_do_not_count() {
        assert_eq!(file_sets(["", "1 2 3 4 5 6", "5 4 3 2 1"].map(list), 3), [list("1 2 3 4 5")]);
        assert!(file_sets(Vec::new(), 3).is_empty());
    }
}
