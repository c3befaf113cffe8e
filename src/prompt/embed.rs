//! Orders files by embeddings from an OpenAI-compatible endpoint: an option beside BM25. Only the first files of BM25
//! are ordered, and none is found anew: embedding a whole tree for each instance costs more than it tells.

use std::sync::Mutex;
use std::time::Duration;

use ahash::AHashMap;
use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::model::digest::Digest;
use crate::sampler::endpoint::Endpoint;
use crate::sampler::failure::{Failure, wait};

/// Files that are put in order; the rest keep theirs, behind.
const MOST_FILES: usize = 50;

/// Length of a piece of a file in bytes, about 512 tokens, and how many pieces of a file count.
const PIECE: usize = 1_800;
const MOST_PIECES: usize = 40;

/// Pieces in one request.
const IN_ONE_REQUEST: usize = 64;

const ATTEMPTS: u32 = 6;

/// Asks for embeddings, each text once per run.
#[derive(Debug)]
pub struct Embedder {
    endpoint: Endpoint,
    model: String,
    runtime: tokio::runtime::Runtime,
    known: Mutex<AHashMap<Digest, Vec<f32>>>,
}

impl Embedder {
    /// # Errors
    /// No thread can be started.
    pub fn new(endpoint: Endpoint, model: String) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the thread that waits for embeddings")?;
        Ok(Self { endpoint, model, runtime, known: Mutex::default() })
    }

    /// The files, those first whose best piece is nearest to the text (by cosine). Only the first fifty are looked at.
    ///
    /// # Errors
    /// The endpoint gives no embeddings, after all attempts; or a file cannot be read.
    pub fn order(
        &self,
        text: &str,
        mut files: Vec<String>,
        read: &dyn Fn(&str) -> anyhow::Result<Option<Vec<u8>>>,
    ) -> anyhow::Result<Vec<String>> {
        let rest = files.split_off(files.len().min(MOST_FILES));
        let mut owners = Vec::new();
        let mut texts = vec![pieces(text).first().copied().unwrap_or_default().to_owned()];
        for (owner, path) in files.iter().enumerate() {
            let bytes = read(path)?.unwrap_or_default();
            for piece in pieces(&String::from_utf8_lossy(&bytes)).into_iter().take(MOST_PIECES) {
                owners.push(owner);
                texts.push(format!("{path}\n{piece}"));
            }
        }
        let vectors = self.embed(&texts)?;
        let Some((query, vectors)) = vectors.split_first() else { return Ok(files) };
        let mut best = vec![f32::NEG_INFINITY; files.len()];
        for (owner, vector) in owners.into_iter().zip(vectors) {
            best[owner] = best[owner].max(cosine(query, vector));
        }
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by(|a, b| best[*b].total_cmp(&best[*a]).then(a.cmp(b)));
        Ok(order.into_iter().map(|place| files[place].clone()).chain(rest).collect())
    }

    fn embed(&self, texts: &[String]) -> anyhow::Result<Vec<Vec<f32>>> {
        let names: Vec<_> = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut wanted: Vec<(&Digest, &String)> =
            names.iter().zip(texts).filter(|(name, _)| !known.contains_key(*name)).collect();
        wanted.sort();
        wanted.dedup();
        for part in wanted.chunks(IN_ONE_REQUEST) {
            let input: Vec<&str> = part.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = self.runtime.block_on(self.ask(&input))?;
            known.extend(part.iter().map(|(name, _)| (*name).clone()).zip(vectors));
        }
        Ok(names.iter().map(|name| known[name].clone()).collect())
    }

    async fn ask(&self, input: &[&str]) -> anyhow::Result<Vec<Vec<f32>>> {
        let body = Map::from_iter([("model".to_owned(), json!(self.model)), ("input".to_owned(), json!(input))]);
        let mut attempt = 1;
        loop {
            let answer = self.endpoint.post("embeddings", &body).await;
            let failure = match answer.and_then(|answer| vectors(&answer.body, input.len()).map_err(Failure::again)) {
                Ok(vectors) => return Ok(vectors),
                Err(failure) => failure,
            };
            match failure {
                Failure::Again { after, .. } if attempt < ATTEMPTS => {
                    tokio::time::sleep(wait(attempt, Duration::from_millis(500), after, 0.5)).await;
                    attempt += 1;
                }
                failure => anyhow::bail!("{} gives no embeddings: {}", self.endpoint.address(), failure.why()),
            }
        }
    }
}

/// The vectors of a body, in the order of the input.
fn vectors(body: &Value, count: usize) -> Result<Vec<Vec<f32>>, String> {
    let data = body.get("data").and_then(Value::as_array).ok_or("the body has no `data`")?;
    let mut vectors = vec![Vec::new(); count];
    for (place, row) in data.iter().enumerate() {
        let place = row.get("index").and_then(Value::as_u64).map_or(place, |index| index as usize);
        let numbers = row.get("embedding").and_then(Value::as_array).ok_or("a row has no `embedding`")?;
        let vector: Option<Vec<f32>> = numbers.iter().map(|number| Some(number.as_f64()? as f32)).collect();
        *vectors.get_mut(place).ok_or("more embeddings than texts")? = vector.ok_or("an embedding holds no numbers")?;
    }
    let length = vectors.first().map_or(0, Vec::len);
    if length == 0 || vectors.iter().any(|vector| vector.len() != length) {
        return Err(format!("{} embeddings for {count} texts, or of different lengths", data.len()));
    }
    Ok(vectors)
}

/// A text in pieces of whole lines; a longer line is cut.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > PIECE {
        let mut end = PIECE;
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let end = rest[..end].rfind('\n').map_or(end, |line_feed| line_feed + 1);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines_and_together_the_text() {
        let text = "line of text\n".repeat(1000) + &"ä".repeat(3000);
        let pieces = pieces(&text);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
        assert!(pieces[0].ends_with('\n'));
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts_or_not_at_all() {
        let body = json!({"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1.5, 0]}]});
        assert_eq!(vectors(&body, 2).unwrap(), [[1.5, 0.0], [0.0, 1.0]]);
        for body in [
            json!({}),
            json!({"data": []}),
            json!({"data": [{"embedding": ["x"]}]}),
            json!({"data": [{"embedding": [1]}, {"embedding": [1]}, {"embedding": [1]}]}),
        ] {
            assert!(vectors(&body, 2).is_err(), "{body}");
        }
    }

    #[test]
    fn near_is_near_and_nothing_is_far() {
        assert!(cosine(&[1.0, 0.0], &[2.0, 0.1]) > cosine(&[1.0, 0.0], &[0.1, 2.0]));
        assert_eq!(cosine(&[0.0], &[1.0]), 0.0);
    }
}
