//! Git binary patches: base85 lines of deflated bytes, whole (`literal`) or as a delta. Pure.

use std::io::Read as _;

use flate2::read::ZlibDecoder;

/// Largest file a binary patch may make, in bytes. A few kilobytes of deflated zeros must not fill the memory.
pub(super) const MAX_BINARY_BYTES: usize = 16 << 20;

/// The new content of a file, as a binary patch gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BinaryChange {
    Literal(Vec<u8>),
    /// Instructions that copy from the old content or insert bytes.
    Delta(Vec<u8>),
}

/// A line that stands for the content of a binary file where a diff does not hold it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stub<'d> {
    /// Counted from 1.
    pub line: usize,
    pub text: &'d str,
    /// It says that the file is not there afterwards.
    pub goes: bool,
}

impl<'d> Stub<'d> {
    pub fn of(text: &'d str, line: usize) -> Option<Self> {
        let sides = text.strip_prefix("Binary files ")?.strip_suffix(" differ")?;
        Some(Self { line, text, goes: sides.ends_with(" and /dev/null") })
    }
}

impl BinaryChange {
    /// Reads one hunk: its first line (`literal N` or `delta N`) and its data lines.
    pub(super) fn decode<'l>(head: &str, data: impl Iterator<Item = &'l str>) -> Result<Self, String> {
        let (kind, size) = head.split_once(' ').ok_or_else(|| format!("{head:?} is no binary hunk header"))?;
        let size: usize = size.parse().map_err(|_| format!("{size:?} is no size"))?;
        if size > MAX_BINARY_BYTES {
            return Err(format!("a binary hunk of {size} bytes is larger than the limit of {MAX_BINARY_BYTES}"));
        }
        let mut deflated = Vec::new();
        for line in data {
            decode_line(line, &mut deflated).ok_or_else(|| format!("{line:?} is no base85 line"))?;
        }
        let mut content = Vec::new();
        let mut decoder = ZlibDecoder::new(deflated.as_slice()).take(size as u64 + 1);
        decoder.read_to_end(&mut content).map_err(|error| format!("binary data does not inflate: {error}"))?;
        if content.len() != size {
            return Err(format!("a binary hunk says {size} bytes and holds another number"));
        }
        match kind {
            "literal" => Ok(Self::Literal(content)),
            "delta" => Ok(Self::Delta(content)),
            _ => Err(format!("{kind:?} is no kind of binary hunk")),
        }
    }

    /// The new content, given the old; `None` if a delta was made against another content.
    pub(super) fn apply(&self, old: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Literal(content) => Some(content.clone()),
            Self::Delta(delta) => apply_delta(old, delta),
        }
    }
}

fn decode_line(line: &str, into: &mut Vec<u8>) -> Option<()> {
    let (&first, data) = line.as_bytes().split_first()?;
    let length = match first {
        b'A'..=b'Z' => first - b'A' + 1,
        b'a'..=b'z' => first - b'a' + 27,
        _ => return None,
    };
    let length = usize::from(length);
    if data.len() != length.div_ceil(4) * 5 {
        return None;
    }
    let start = into.len();
    for group in data.chunks_exact(5) {
        let mut word: u32 = 0;
        for &digit in group {
            word = word.checked_mul(85)?.checked_add(base85(digit)?)?;
        }
        into.extend(word.to_be_bytes());
    }
    into.truncate(start + length);
    Some(())
}

fn base85(digit: u8) -> Option<u32> {
    const TAIL: &[u8] = b"!#$%&()*+-;<=>?@^_`{|}~";
    Some(match digit {
        b'0'..=b'9' => u32::from(digit - b'0'),
        b'A'..=b'Z' => u32::from(digit - b'A') + 10,
        b'a'..=b'z' => u32::from(digit - b'a') + 36,
        _ => u32::try_from(TAIL.iter().position(|&c| c == digit)?).ok()? + 62,
    })
}

/// The delta format of git packs: two sizes, then copy and insert instructions.
fn apply_delta(old: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = delta.iter().copied();
    if varint(&mut bytes)? != old.len() {
        return None;
    }
    let size = varint(&mut bytes)?;
    if size > MAX_BINARY_BYTES {
        return None;
    }
    let mut new = Vec::new();
    while let Some(op) = bytes.next() {
        if op & 0x80 != 0 {
            let (mut offset, mut length) = (0usize, 0usize);
            for bit in 0..4 {
                if op & (1 << bit) != 0 {
                    offset |= usize::from(bytes.next()?) << (8 * bit);
                }
            }
            for bit in 0..3 {
                if op & (0x10 << bit) != 0 {
                    length |= usize::from(bytes.next()?) << (8 * bit);
                }
            }
            let length = if length == 0 { 0x10000 } else { length };
            new.extend_from_slice(old.get(offset..offset.checked_add(length)?)?);
        } else if op == 0 {
            return None;
        } else {
            for _ in 0..op {
                new.push(bytes.next()?);
            }
        }
        if new.len() > size {
            return None;
        }
    }
    (new.len() == size).then_some(new)
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let (mut value, mut shift) = (0usize, 0u32);
    loop {
        let byte = bytes.next()?;
        value |= usize::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 35)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}
