//! Names near one that was asked for and is not there: what a message offers after a slip of the hand. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rapidfuzz::distance::osa;

/// Names that a message shows.
const SHOWN: usize = 8;

/// The names that there are, the nearest to `wanted` first, as the end of a message: "there are a, b and 7 more". Letters'
/// case does not count.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wanted = wanted.trim().to_lowercase();
    let known: BTreeSet<&str> = known.into_iter().collect();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        // A part of a name is near it, however long the rest is.
        let part = !wanted.is_empty() && (name.contains(&wanted) || wanted.contains(&name));
        let likeness = osa::normalized_similarity(wanted.chars(), name.chars());
        (Reverse(part && likeness < 1.0), Reverse((likeness * 1e6) as u64))
    };
    let count = known.len();
    let mut ordered: Vec<_> = known.into_iter().map(|name| (distance(name), name)).collect();
    ordered.sort_unstable();
    let shown: Vec<_> = ordered.into_iter().take(SHOWN).map(|(_, name)| name).collect();
    match count {
        0 => "there are none".to_owned(),
        1 => format!("there is {}", shown[0]),
        few if few <= SHOWN => format!("there are {}", shown.join(", ")),
        many => format!("there are {} (the nearest first) and {} more", shown.join(", "), many - SHOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_comes_first_and_the_rest_is_counted() {
        let many: Vec<_> = (0..20).map(|n| format!("someone{n}/else{n}")).collect();
        let names = || many.iter().map(String::as_str).chain(["demo/pricing"]);
        let said = nearest("Demo/Prcing", names());
        assert!(said.starts_with("there are demo/pricing, ") && said.ends_with(" and 13 more"), "{said}");
        assert!(nearest("pricing", names()).starts_with("there are demo/pricing, "));
        assert_eq!(nearest("MIT License", ["BSD-3-Clause", "MIT"]), "there are MIT, BSD-3-Clause");
        assert_eq!(nearest("x", ["MIT"]), "there is MIT");
        assert_eq!(nearest("x", []), "there are none");
    }
}
