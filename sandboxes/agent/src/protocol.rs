//! What driver and agent say to each other: length-prefixed frames, a JSON header and raw bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// From the driver to the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Request {
    Open(OpenSlot),
    Run(RunJob),
}

/// What a slot is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenSlot {
    pub workdir: String,
    pub root: Root,
    /// A copy of the base layer for every job, even if an overlay would do.
    pub copies: bool,
    /// Jobs keep the network of whoever opens the slot: for builds, never for what is judged.
    #[serde(default)]
    pub network: bool,
}

/// What jobs see beside their work directory, read-only.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Root {
    /// An allow-list of this host and what is mounted: path here, path inside. The base layer appears at the work directory.
    Host { base_layer: PathBuf, mounts: Vec<(PathBuf, String)> },
    /// An image that was unpacked on this host, and of the host its kernel alone.
    Image { base_layer: PathBuf, root: PathBuf },
    /// All of the container that the agent is alone in; its work directory is the base layer. `homes` are made, for jobs
    /// that have one.
    Container { homes: Vec<String> },
}

impl Root {
    /// Paths of the host that must be there.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Host { base_layer, mounts } => {
                let mounts = mounts.iter().map(|(path, _)| path.as_path());
                std::iter::once(base_layer.as_path()).chain(mounts).collect()
            }
            Self::Image { base_layer, root } => vec![base_layer, root],
            Self::Container { .. } => Vec::new(),
        }
    }
}

/// One job. The blob holds, in this order: contents of `changes`, contents of `support`, standard input.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunJob {
    pub argv: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub changes: Vec<Change>,
    /// Name below the support directory, size.
    pub support: Vec<(String, u64)>,
    pub stdin_len: u64,
    pub limits: Bounds,
    /// No cgroup bounds memory: pid 1 measures it and ends the job above the limit.
    pub watch_memory: bool,
    /// Hand back the bytecode that the job wrote.
    pub harvest: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    Write { path: String, len: u64, executable: bool },
    Link { path: String, target: String },
    Remove { path: String },
}

/// The limits that the agent enforces itself.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bounds {
    pub deadline_ms: u64,
    pub memory_bytes: u64,
    pub pids: u64,
    pub disk_bytes: u64,
    pub inodes: u64,
    pub keep_output_bytes: u64,
    pub report_bytes: u64,
}

/// From the agent to the driver.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    /// The agent runs; its cgroups may be entered now.
    Hello,
    /// The slot is open; whether its jobs get copies of the base layer.
    Ready {
        copies: bool,
    },
    /// Bytes of the structured report, in the blob.
    Report,
    /// A file of bytecode: path relative to the work directory; content in the blob.
    Bytecode {
        path: String,
    },
    Done(Done),
    /// The sandbox failed.
    Failed {
        why: String,
    },
}

/// The end of a job. The blob holds head and tail of the output.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub end: End,
    pub report_truncated: bool,
    pub head_len: u64,
    pub output_total: u64,
    pub wall_us: u64,
    pub peak_memory_bytes: Option<u64>,
    /// How the kernel ended processes of the job for want of memory, where the agent can see that.
    pub killed: Option<Killed>,
    /// What the job changed, replaced or removed of the work directory as it found it; with a slash at the end, everything
    /// below. Not known of a job that was ended from outside.
    pub touched: Vec<String>,
}

/// Why the kernel ended processes for want of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Killed {
    /// The job met its limit.
    ByLimit,
    /// The machine had none left.
    ByMachine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum End {
    Code(i32),
    Signal(i32),
    TimedOut,
    OutOfMemory,
    /// Pid 1 was killed by somebody else, e.g. by the kernel for want of memory.
    Lost,
}

const MAX_HEADER: u32 = 64 << 20;

/// Writes one frame.
pub fn send<T: Serialize>(to: &mut impl Write, header: &T, blobs: &[&[u8]]) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    let header_len = u32::try_from(header.len()).map_err(io::Error::other)?;
    let blob_len: usize = blobs.iter().map(|blob| blob.len()).sum();
    let mut head = Vec::with_capacity(header.len() + 12);
    head.extend_from_slice(&header_len.to_le_bytes());
    head.extend_from_slice(&(blob_len as u64).to_le_bytes());
    head.extend_from_slice(&header);
    to.write_all(&head)?;
    for blob in blobs {
        to.write_all(blob)?;
    }
    to.flush()
}

/// Reads one frame; `None` if the other side has closed its end between two frames.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut lengths = [0; 12];
    let first = from.read(&mut lengths)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(&mut lengths[first..])?;
    let (header_len, blob_len) = lengths.split_at(4);
    let header_len = u32::from_le_bytes(header_len.try_into().map_err(io::Error::other)?);
    let blob_len = u64::from_le_bytes(blob_len.try_into().map_err(io::Error::other)?);
    if header_len > MAX_HEADER {
        return Err(io::Error::other(format!("frame header of {header_len} bytes")));
    }
    let mut header = vec![0; header_len as usize];
    from.read_exact(&mut header)?;
    let mut blob = Vec::new();
    if from.take(blob_len).read_to_end(&mut blob)? as u64 != blob_len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((serde_json::from_slice(&header)?, blob)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was_sent_and_a_closed_pipe_is_no_error() {
        let mut wire = Vec::new();
        send(&mut wire, &Reply::Bytecode { path: "a/b".to_owned() }, &[b"one", b"", b"two"]).unwrap();
        let mut from = wire.as_slice();
        let (reply, blob) = receive::<Reply>(&mut from).unwrap().unwrap();
        assert!(matches!(reply, Reply::Bytecode { path } if path == "a/b"));
        assert_eq!(blob, b"onetwo");
        assert!(receive::<Reply>(&mut from).unwrap().is_none());
    }

    #[test]
    fn a_frame_that_is_cut_or_absurd_is_an_error() {
        let mut wire = Vec::new();
        send(&mut wire, &Reply::Report, &[b"payload"]).unwrap();
        assert!(receive::<Reply>(&mut &wire[..wire.len() - 1]).is_err());
        assert!(receive::<Reply>(&mut &[0xff; 12][..]).is_err());
    }
}
