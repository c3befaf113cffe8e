//! Commits to the test Hub, and the large files they name.

use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use serde_json::{Value, json};

use super::repository::{Change, Repository, pointer};
use super::{Call, Object, Shared, refuse};

/// `POST .../commit/{revision}`: lines of JSON.
pub(super) async fn commit(shared: &Shared, call: &Call, id: &str, revision: &str) -> Response {
    let lines: Vec<Value> = call
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
        .collect();
    let mut changes = Vec::new();
    let (mut message, mut parent) = (String::new(), None);
    for line in &lines {
        let value = &line["value"];
        let path = value["path"].as_str().unwrap_or_default().to_owned();
        match line["key"].as_str().unwrap_or_default() {
            "header" => {
                message = format!("{}\n\n{}", text(value, "summary"), text(value, "description"));
                parent = value["parentCommit"].as_str();
            }
            "file" => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text(value, "content")).unwrap();
                changes.push((path, Change::Write(bytes)));
            }
            "lfsFile" => {
                let (sha256, size) = (text(value, "oid"), value["size"].as_u64().unwrap());
                match bytes_of(shared, sha256).await {
                    Some(bytes) if bytes.len() as u64 == size => {
                        changes.push((path, Change::Write(pointer(sha256, size).into_bytes())));
                    }
                    _ => return refuse(400, &format!("{path} names a large file that was not uploaded")),
                }
            }
            "deletedFile" => changes.push((path, Change::Delete)),
            other => return refuse(400, &format!("no such operation: {other}")),
        }
    }
    let mut state = shared.state();
    let repository = state.repositories.get_mut(id).expect("it was looked up");
    let reference = Repository::branch(revision);
    let Some(head) = repository.resolve(&reference) else { return refuse(404, "no such revision") };
    if parent.is_some_and(|parent| parent != head) {
        return refuse(412, "A commit has happened since. Please refresh and try again.");
    }
    repository.operations.push(changes.len());
    let commit = repository.commit(&reference, &message, changes);
    axum::Json(json!({
        "success": true,
        "commitOid": commit,
        "commitUrl": format!("{}/datasets/{id}/commit/{commit}", shared.endpoint),
        "hookOutput": "",
    }))
    .into_response()
}

/// The bytes of a large file, by sha256.
pub(super) async fn bytes_of(shared: &Shared, sha256: &str) -> Option<Bytes> {
    let object = match known(shared, sha256) {
        Some(object) => object,
        None => {
            index(shared).await;
            known(shared, sha256)?
        }
    };
    match object {
        Object::Plain(bytes) => Some(bytes),
        Object::Xet(hash) => Some(data(shared, &hash).await),
    }
}

fn known(shared: &Shared, sha256: &str) -> Option<Object> {
    shared.state().objects.get(sha256).cloned()
}

/// The Xet server's own name of a large file.
pub(super) async fn xet_hash(shared: &Shared, sha256: &str) -> Option<String> {
    match known(shared, sha256)? {
        Object::Xet(hash) => Some(hash),
        Object::Plain(_) => None,
    }
}

async fn data(shared: &Shared, hash: &str) -> Bytes {
    let url = format!("{}/simulation/files/{hash}/data", shared.cas.http_endpoint());
    shared.http.get(url).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap()
}

/// Finds the files that came to the Xet server since.
async fn index(shared: &Shared) {
    let url = format!("{}/simulation/file_entries", shared.cas.http_endpoint());
    let entries: Vec<Value> = shared.http.get(url).send().await.unwrap().json().await.unwrap();
    for entry in entries {
        // Four words of 64 bits; in addresses they are written as hex.
        let words = entry["file_hash"].as_array().expect("a hash");
        let hash: String = words.iter().map(|word| format!("{:016x}", word.as_u64().expect("a word"))).collect();
        let new = !shared.state().objects.values().any(|object| matches!(object, Object::Xet(known) if *known == hash));
        if new {
            let bytes = data(shared, &hash).await;
            let sha256 = swe_assay::inside::model::digest::Digest::of(&bytes).to_string();
            shared.state().objects.insert(sha256, Object::Xet(hash));
        }
    }
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
