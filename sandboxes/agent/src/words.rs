//! The words of pid 1: their tags, and read, what became of the job. Pure.

use super::protocol::End;

/// What pid 1 tells the agent, one after the other, each with its length.
pub mod said {
    pub const STARTED: u8 = b'S';
    pub const ENDED: u8 = b'E';
    pub const FAILED: u8 = b'F';
    pub const NOT_STARTED: u8 = b'X';
    pub const MEMORY: u8 = b'M';
    pub const BYTECODE: u8 = b'B';
    pub const TOUCHED: u8 = b'T';
}

/// What pid 1 said, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said<'a> {
    pub started: Option<u64>,
    /// How the job ended, and when.
    pub end: Option<(End, u64)>,
    pub peak: Option<u64>,
    pub touched: Option<Vec<String>>,
    pub bytecode: Vec<(String, &'a [u8])>,
    /// Number of the error that kept the program from starting.
    pub not_started: Option<i32>,
    pub failed: Option<String>,
}

impl<'a> Said<'a> {
    /// Reads the messages. One that was cut by the death of pid 1 is left out; one that is whole and shorter than what it
    /// says is an error, since whatever was put in its place would be a guess.
    pub fn read(status: &'a [u8]) -> Result<Self, String> {
        let mut said = Self::default();
        for (tag, payload) in Messages(status) {
            said.take(tag, payload).ok_or_else(|| {
                format!("pid 1 sent a message {:?} of {} bytes, which has no meaning", char::from(tag), payload.len())
            })?;
        }
        Ok(said)
    }

    /// Takes one message in. `None`: it has no meaning.
    fn take(&mut self, tag: u8, payload: &'a [u8]) -> Option<()> {
        match tag {
            said::STARTED => self.started = Some(u64::from_le_bytes(payload.try_into().ok()?)),
            said::ENDED => {
                let (raw, at) = payload.split_first_chunk()?;
                self.end = Some((decode(i32::from_le_bytes(*raw))?, u64::from_le_bytes(at.try_into().ok()?)));
            }
            said::MEMORY => {
                let (measured, rest) = payload.split_first_chunk()?;
                let (exceeded, at) = rest.split_first()?;
                let at = u64::from_le_bytes(at.try_into().ok()?);
                self.peak = Some(u64::from_le_bytes(*measured));
                match exceeded {
                    0 => {}
                    1 => self.end = Some((End::OutOfMemory, at)),
                    _ => return None,
                }
            }
            said::NOT_STARTED => self.not_started = Some(i32::from_le_bytes(payload.try_into().ok()?)),
            said::TOUCHED => {
                let paths = String::from_utf8_lossy(payload);
                self.touched = Some(paths.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect());
            }
            said::BYTECODE => {
                let (len, rest) = payload.split_first_chunk()?;
                let (path, content) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
                self.bytecode.push((String::from_utf8_lossy(path).into_owned(), content));
            }
            said::FAILED => self.failed = Some(String::from_utf8_lossy(payload).into_owned()),
            _ => return None,
        }
        Some(())
    }
}

/// How a process ended; `None` if the status is not an end.
fn decode(raw: i32) -> Option<End> {
    if libc::WIFSIGNALED(raw) {
        Some(End::Signal(libc::WTERMSIG(raw)))
    } else if libc::WIFEXITED(raw) {
        Some(End::Code(libc::WEXITSTATUS(raw)))
    } else {
        None
    }
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The messages of pid 1. One that was cut by its death is left out.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_at_checked(5)?;
        let (payload, rest) = rest.split_at_checked(number(&header[1..]) as usize)?;
        self.0 = rest;
        Some((header[0], payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag];
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// What pid 1 sends of a job that ended with code 3 at time 9, and of its memory.
    const ENDED: [u8; 12] = [0, 3, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    const MEMORY: [u8; 17] = [5, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn what_pid_1_says_is_read_and_what_its_death_cut_is_left_out() {
        let mut status = message(said::STARTED, &7_u64.to_le_bytes());
        status.extend(message(said::ENDED, &ENDED));
        status.extend(message(said::TOUCHED, b"a\0b/"));
        status.extend(message(said::BYTECODE, b"\x01\0\0\0pcode"));
        let expected = Said {
            started: Some(7),
            end: Some((End::Code(3), 9)),
            touched: Some(vec!["a".to_owned(), "b/".to_owned()]),
            bytecode: vec![("p".to_owned(), b"code")],
            ..Said::default()
        };
        assert_eq!(Said::read(&status).unwrap(), expected);
        let cut = message(said::ENDED, &ENDED);
        assert_eq!(Said::read(&cut[..cut.len() - 1]).unwrap(), Said::default());
        let memory = message(said::MEMORY, &MEMORY);
        assert_eq!(Said::read(&memory).unwrap().end, Some((End::OutOfMemory, 9)));
        assert_eq!(decode(9), Some(End::Signal(9)));
    }

    #[test]
    fn a_short_or_unknown_message_is_never_a_good_end() {
        for len in 0..ENDED.len() {
            let why = Said::read(&message(said::ENDED, &ENDED[..len])).unwrap_err();
            assert!(why.contains("'E'") && why.contains(&format!("{len} bytes")), "{why}");
        }
        for len in 0..MEMORY.len() {
            assert!(Said::read(&message(said::MEMORY, &MEMORY[..len])).is_err(), "{len} bytes on memory");
        }
        for (tag, payload) in [
            (said::STARTED, &b""[..]),
            (said::NOT_STARTED, b"\x02"),
            (said::BYTECODE, b"\x05\0\0\0abc"),
            (said::ENDED, &[0; 13]),
            // Stopped, which is not an end.
            (said::ENDED, &[0x7f, 0x13, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
            (b'?', b"what"),
        ] {
            assert!(Said::read(&message(tag, payload)).is_err(), "{tag} {payload:?}");
        }
    }
}
