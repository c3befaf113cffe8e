//! Sizes as a user writes them.

/// A size in bytes, or in powers of 1024 whatever the unit is called: 40G, 40GB and 40GiB are the same.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = |error| format!("{error}; give bytes, or a number with K, M, G or T, such as 40G");
    parse_size::Config::new().with_binary().parse_size(text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("2K", 2048),
            ("3M", 3 << 20),
            ("40G", 40 << 30),
            ("1TiB", 1 << 40),
            ("5GB", 5 << 30),
            ("1.5G", 3 << 29),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "-1", "4X", "99999999999T", "4Gx"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
