//! Sizes as a user writes them.

/// A size in bytes, or in powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "give bytes, or a number with K, M, G or T, such as 40G".to_owned();
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let shift = match unit.trim_end_matches('B').trim_end_matches('i') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than there is".to_owned())
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
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "1.5G", "-1", "4X", "99999999999T", "4Gx"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
