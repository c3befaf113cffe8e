//! What the test Hub answers, by address.

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::commits::{bytes_of, commit, text, xet_hash};
use super::repository::Entry;
use super::{Call, Object, READER, Shared, TOKEN, refuse};

/// Entries of a page of a listing.
const PAGE: usize = 40;

pub(super) async fn answer(shared: &Shared, call: &Call) -> Response {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["api", "whoami-v2"]) => match call.token() {
            Some(TOKEN) => {
                ok(json!({ "name": "me", "type": "user", "orgs": [], "auth": { "accessToken": { "role": "write" } } }))
            }
            Some(READER) => {
                ok(json!({ "name": "me", "type": "user", "orgs": [], "auth": { "accessToken": { "role": "read" } } }))
            }
            // A careless server that repeats what it was given.
            given => refuse(401, &format!("Invalid user token: {}", given.unwrap_or("none"))),
        },
        ("POST", ["api", "repos", "create"]) => create(shared, call),
        ("POST", ["api", "validate-yaml"]) => match text(&call.json(), "content").starts_with("---\n") {
            true => ok(json!({ "errors": [], "warnings": [] })),
            false => refuse(400, "the card has no front matter"),
        },
        ("PUT", ["lfs", oid]) => {
            shared.state().objects.insert((*oid).to_owned(), Object::Plain(call.body.clone()));
            ok(json!({}))
        }
        (_, ["api", "datasets", owner, name, rest @ ..]) => {
            let id = format!("{owner}/{name}");
            if !visible(shared, call, &id) {
                return refuse(if call.token().is_some() { 404 } else { 401 }, "Repository not found");
            }
            dataset(shared, call, &id, rest).await
        }
        ("POST", ["datasets", _, _, "info", "lfs", "objects", "batch"]) => batch(shared, call),
        ("GET", ["datasets", owner, name, "resolve", revision, file @ ..]) => {
            let id = format!("{owner}/{name}");
            if !visible(shared, call, &id) {
                return refuse(404, "Repository not found");
            }
            resolve(shared, call, &id, revision, &file.join("/")).await
        }
        _ => refuse(404, "no such page"),
    }
}

fn ok(value: Value) -> Response {
    axum::Json(value).into_response()
}

fn visible(shared: &Shared, call: &Call, id: &str) -> bool {
    let mine = matches!(call.token(), Some(TOKEN | READER));
    shared.state().repositories.get(id).is_some_and(|one| !one.hidden && (mine || !one.private))
}

fn create(shared: &Shared, call: &Call) -> Response {
    let asked = call.json();
    let id = format!("{}/{}", asked["organization"].as_str().unwrap_or("me"), text(&asked, "name"));
    if call.token() != Some(TOKEN) {
        return refuse(401, "Invalid username or password.");
    }
    if !id.starts_with("me/") {
        return refuse(403, "You don't have the rights to create a dataset under this namespace");
    }
    let mut state = shared.state();
    if state.repositories.contains_key(&id) {
        return refuse(409, "You already created this dataset repo");
    }
    let private = asked["private"].as_bool().unwrap_or(asked["visibility"] == "private");
    state.add(&id, private);
    ok(json!({ "url": format!("{}/datasets/{id}", shared.endpoint), "name": id, "id": id }))
}

async fn dataset(shared: &Shared, call: &Call, id: &str, rest: &[&str]) -> Response {
    match (call.method.as_str(), rest) {
        ("GET", []) => info(shared, id, "main"),
        ("GET", ["revision", revision]) => info(shared, id, revision),
        ("GET", ["tree", revision, ..]) => tree(shared, call, id, revision),
        ("GET", [way, revision]) if way.starts_with("xet-") => {
            let answer = json!({
                "accessToken": "xet-token", "exp": 4_000_000_000_u64, "casUrl": shared.cas.http_endpoint()
            });
            let mut answer = ok(answer);
            assert!(!revision.is_empty());
            for (name, value) in [
                ("x-xet-cas-url", shared.cas.http_endpoint()),
                ("x-xet-access-token", "xet-token"),
                ("x-xet-token-expiration", "4000000000"),
            ] {
                answer.headers_mut().insert(name, value.parse().unwrap());
            }
            answer
        }
        ("GET", ["refs"]) => refs(shared, id),
        ("GET", ["discussions"]) => discussions(shared, call, id),
        (_, _) if call.token() != Some(TOKEN) => refuse(403, "write access is needed"),
        ("POST", ["preupload", _]) => preupload(call),
        ("POST", ["paths-info", revision]) => {
            let wanted = call.json();
            let wanted: Vec<_> = wanted["paths"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let state = shared.state();
            let entries = state.repositories[id].entries(revision);
            ok(entries.iter().filter(|(path, _)| wanted.contains(&path.as_str())).map(listed).collect())
        }
        ("POST", ["commit", revision]) => commit(shared, call, id, revision).await,
        ("POST", ["tag", revision]) => {
            let state = shared.state();
            let repository = &state.repositories[id];
            let Some(target) = repository.resolve(revision) else { return refuse(404, "no such revision") };
            match repository.point(&format!("refs/tags/{}", text(&call.json(), "tag")), &target) {
                true => ok(json!({})),
                false => refuse(409, "Tag reference exists already"),
            }
        }
        ("POST", ["discussions"]) => {
            let mut state = shared.state();
            let repository = state.repositories.get_mut(id).unwrap();
            repository.pull_requests.push((text(&call.json(), "title").to_owned(), "draft".to_owned()));
            let number = repository.pull_requests.len();
            let head = repository.resolve("main").unwrap();
            repository.point(&format!("refs/pr/{number}"), &head);
            ok(json!({ "num": number, "pullRequest": true }))
        }
        ("POST", ["discussions", number, "status"]) => {
            let mut state = shared.state();
            let number: usize = number.parse().unwrap();
            let pull_request = &mut state.repositories.get_mut(id).unwrap().pull_requests[number - 1];
            pull_request.1 = text(&call.json(), "status").to_owned();
            ok(json!({}))
        }
        _ => refuse(404, "no such page"),
    }
}

fn info(shared: &Shared, id: &str, revision: &str) -> Response {
    let state = shared.state();
    let repository = &state.repositories[id];
    let Some(sha) = repository.resolve(revision) else { return refuse(404, "Invalid rev id") };
    let siblings: Vec<_> = repository.entries(&sha).keys().map(|path| json!({ "rfilename": path })).collect();
    ok(json!({ "id": id, "_id": "0", "sha": sha, "private": repository.private, "siblings": siblings }))
}

/// A page of the listing, as the Hub has it: large files by the digest of the file beside the name of the pointer.
fn tree(shared: &Shared, call: &Call, id: &str, revision: &str) -> Response {
    let state = shared.state();
    let repository = &state.repositories[id];
    if repository.resolve(revision).is_none() {
        return refuse(404, "Invalid rev id");
    }
    let entries = repository.entries(revision);
    let from: usize = call.asks("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let page: Vec<_> = entries.iter().skip(from).take(PAGE).map(listed).collect();
    let mut answer = ok(page.into());
    if from + PAGE < entries.len() {
        let next =
            format!("{}/api/datasets/{id}/tree/{revision}?recursive=true&cursor={}", shared.endpoint, from + PAGE);
        answer.headers_mut().insert("link", format!("<{next}>; rel=\"next\"").parse().unwrap());
    }
    answer
}

fn listed((path, entry): (&String, &Entry)) -> Value {
    let mut listed = json!({ "type": "file", "path": path, "oid": entry.oid, "size": entry.size });
    if let Some(sha256) = &entry.sha256 {
        listed["lfs"] = json!({ "oid": sha256, "size": entry.size, "pointerSize": entry.pointer_size });
    }
    listed
}

fn refs(shared: &Shared, id: &str) -> Response {
    let state = shared.state();
    let repository = &state.repositories[id];
    let tags: Vec<_> = repository
        .tags()
        .into_iter()
        .map(|(name, commit)| json!({ "name": name, "ref": format!("refs/tags/{name}"), "targetCommit": commit }))
        .collect();
    let branches: Vec<_> = repository
        .branches()
        .into_iter()
        .map(|name| json!({ "name": name, "ref": format!("refs/heads/{name}"), "targetCommit": repository.resolve(&name) }))
        .collect();
    ok(json!({ "branches": branches, "tags": tags, "converts": [] }))
}

fn discussions(shared: &Shared, call: &Call, id: &str) -> Response {
    let state = shared.state();
    let all = &state.repositories[id].pull_requests;
    let of = |(at, (title, status)): (usize, &(String, String))| json!({ "num": at + 1, "title": title, "status": status, "isPullRequest": true });
    let page: Vec<_> = if call.asks("p") == Some("0") { all.iter().enumerate().map(of).collect() } else { Vec::new() };
    ok(json!({ "discussions": page, "count": all.len(), "start": 0 }))
}

fn preupload(call: &Call) -> Response {
    let asked = call.json();
    let files = asked["files"].as_array().expect("files");
    assert!(files.len() <= 256, "the Hub takes 256 files in a call");
    let of = |file: &Value| {
        let path = text(file, "path");
        let large = [".parquet", ".zst", ".gz"].iter().any(|end| path.ends_with(end));
        let mode = if large || file["size"].as_u64() > Some(10 << 20) { "lfs" } else { "regular" };
        json!({ "path": path, "uploadMode": mode, "shouldIgnore": false, "oid": null })
    };
    ok(json!({ "files": files.iter().map(of).collect::<Vec<_>>() }))
}

fn batch(shared: &Shared, call: &Call) -> Response {
    let asked = call.json();
    let xet = asked["transfers"].as_array().is_some_and(|all| all.contains(&json!("xet")));
    let objects: Vec<_> = asked["objects"].as_array().cloned().unwrap_or_default();
    if xet && !shared.state().basic_only {
        return ok(json!({ "transfer": "xet", "objects": objects }));
    }
    let objects: Vec<_> = objects
        .into_iter()
        .map(|mut object| {
            let href = format!("{}/lfs/{}", shared.endpoint, text(&object, "oid"));
            object["actions"] = json!({ "upload": { "href": href, "header": {} } });
            object
        })
        .collect();
    ok(json!({ "transfer": "basic", "objects": objects }))
}

async fn resolve(shared: &Shared, call: &Call, id: &str, revision: &str, path: &str) -> Response {
    let found = {
        let state = shared.state();
        let repository = &state.repositories[id];
        let commit = repository.resolve(revision);
        commit.and_then(|commit| {
            let entry = repository.entries(&commit).remove(path)?;
            let content = repository.content(&entry.oid);
            Some((commit, entry, content))
        })
    };
    let Some((commit, entry, content)) = found else { return refuse(404, "Entry not found") };
    let (tag, bytes) = match &entry.sha256 {
        Some(sha256) => (sha256.clone(), bytes_of(shared, sha256).await.expect("a stored object").to_vec()),
        None => (entry.oid.clone(), content),
    };
    let mut answer = Response::new(if call.head { Body::empty() } else { Body::from(bytes) });
    let headers = answer.headers_mut();
    headers.insert("etag", format!("\"{tag}\"").parse().unwrap());
    headers.insert("x-repo-commit", commit.parse().unwrap());
    headers.insert("content-length", entry.size.into());
    headers.insert("x-linked-size", entry.size.into());
    headers.insert("x-linked-etag", format!("\"{tag}\"").parse().unwrap());
    if let Some(sha256) = &entry.sha256
        && let Some(hash) = xet_hash(shared, sha256).await
    {
        headers.insert("x-xet-hash", hash.parse().unwrap());
    }
    answer
}
