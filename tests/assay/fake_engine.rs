//! What is asked of a Docker engine before anything runs in it, tried with an HTTP server that answers as one: which sandbox
//! `auto` takes, and that a tag that was moved is noticed.

use crate::harness::{Test, tests};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::images::unpacked;

use crate::support::{assay, expect_exit, json, stderr};

/// No registry answers there.
const REFERENCE: &str = "127.0.0.1:1/team/image:1";

/// One image, as `docker save` writes it.
#[derive(Clone)]
struct Image {
    id: String,
    layer: String,
    archive: Vec<u8>,
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

impl Image {
    /// An image that holds one file.
    fn of(content: &str) -> Self {
        let layer = tar(&[("srv/data", content.as_bytes())]);
        let config = json!({"architecture": "any", "os": "linux", "config": {"Env": ["A=1"]},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]}});
        let config = config.to_string().into_bytes();
        let id = sha256(&config);
        let name = format!("{id}.json");
        let manifest = json!([{"Config": name, "RepoTags": [REFERENCE], "Layers": ["layer.tar"]}]).to_string();
        let archive =
            tar(&[(name.as_str(), config.as_slice()), ("layer.tar", &layer), ("manifest.json", manifest.as_bytes())]);
        Self { id, layer: sha256(&layer), archive }
    }
}

#[derive(Clone, Default)]
struct Engine {
    image: Arc<Mutex<Option<Image>>>,
    /// It names images by something that is not the digest of their configuration.
    names_otherwise: bool,
}

/// The answers of an engine that holds at most one image and cannot limit anything.
async fn answer(State(engine): State<Engine>, request: Request) -> Response {
    let path = request.uri().path().replace("%2F", "/").replace("%3A", ":");
    let image = engine.image.lock().unwrap().clone();
    let of = |ending: &str| path.ends_with(&format!("/images/{REFERENCE}/{ending}"));
    let json = |value: Value| axum::Json(value).into_response();
    match (path.as_str(), image) {
        (path, _) if path.ends_with("/version") => json(json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12"})),
        (path, _) if path.ends_with("/containers/json") => json(json!([])),
        (path, _) if path.ends_with("/info") => json(json!({"ID": "fake", "MemoryLimit": false, "PidsLimit": false})),
        (_, Some(image)) if of("json") => {
            let id = if engine.names_otherwise { sha256(image.id.as_bytes()) } else { image.id };
            json(json!({"Id": format!("sha256:{id}"), "Config": {"Env": ["A=1"]},
                "RootFS": {"Type": "layers", "Layers": [format!("sha256:{}", image.layer)]}}))
        }
        (_, Some(image)) if of("get") => image.archive.into_response(),
        _ => (StatusCode::NOT_FOUND, axum::Json(json!({"message": "no such image"}))).into_response(),
    }
}

impl Engine {
    /// Serves until the test ends. Gives what `DOCKER_HOST` is to be.
    fn serve(&self) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(self.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        format!("tcp://{address}")
    }

    fn hold(&self, image: &Image) {
        *self.image.lock().unwrap() = Some(image.clone());
    }
}

/// A folder with one instance that names the image, or none.
fn work(folder: &Path, image: Option<&str>) -> PathBuf {
    let work = folder.join(if image.is_some() { "with-image" } else { "with-recipe" });
    fs::create_dir_all(&work).unwrap();
    let instance = json!({"instance_id": "one", "repo": "a/a", "base_commit": "0".repeat(40), "problem_statement": "x",
        "patch": "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n", "FAIL_TO_PASS": ["test_a.py::test_a"],
        "environment": {"image": image, "framework": "pytest"}});
    fs::write(work.join("instances.jsonl"), format!("{instance}\n")).unwrap();
    work
}

fn auto_stays_with_docker_where_no_instance_needs_a_recipe() {
    let folder = tempfile::tempdir().unwrap();
    let host = Engine::default().serve();
    let said = |image: Option<&str>| {
        let mut validate = assay();
        validate.env("DOCKER_HOST", &host).env("ASSAY_CACHE", folder.path().join("cache"));
        validate.arg("validate").arg(work(folder.path(), image)).args(["--sandbox", "auto", "--run"]);
        stderr(&validate.arg(folder.path().join("run")).output().unwrap())
    };
    // The engine itself is no good, which is only said if it is asked.
    let (with_image, with_recipe) = (said(Some(REFERENCE)), said(None));
    assert!(with_image.contains("this Docker engine cannot limit memory"), "{with_image}");
    assert!(!with_image.contains("the base image of the recipes"), "{with_image}");
    assert!(with_recipe.contains("the base image of the recipes is not here"), "{with_recipe}");
}

fn a_tag_that_was_moved_is_noticed_in_cells_on_this_host() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Image::of("first\n"), Image::of("second\n"));
    let cache = folder.path().join("cache");
    let work = work(folder.path(), Some(REFERENCE));
    let command = |host: &str, arguments: &[&str]| -> Command {
        let mut command = assay();
        command.env("DOCKER_HOST", host).env("ASSAY_CACHE", &cache).args(arguments);
        command
    };
    // There is no work directory in these images, so nothing is sealed; but they are taken and looked at.
    let seal =
        |host: &str| stderr(&expect_exit(command(host, &["image", "seal"]).arg(&work).args(["--sandbox", "cell"]), 2));
    let unpacked = || unpacked::find(&Cache::open(&cache).unwrap(), REFERENCE).unwrap().unwrap().id.to_string();
    const MOVED: &str = "names another image than before";

    let engine = Engine::default();
    let host = engine.serve();
    engine.hold(&first);
    let mut told = command(&host, &["image", "seal", "--json"]);
    let told = expect_exit(told.arg(&work).args(["--sandbox", "cell"]), 2);
    let said = stderr(&told);
    assert!(said.contains("saving") && !said.contains(MOVED), "{said}");
    // Where the time went is told for people and for programs.
    assert!(said.contains(": took "), "{said}");
    let phases = json(&told)[0]["phases"].as_array().unwrap().clone();
    for name in ["saving out of Docker", "unpacking layers", "reading the work directory"] {
        let phase = phases.iter().find(|phase| phase["phase"] == name);
        assert!(phase.is_some_and(|phase| phase["seconds"].as_f64().unwrap() >= 0.0), "{name}: {phases:?}");
    }
    assert_eq!(unpacked(), first.id);
    assert!(!seal(&host).contains("saving"), "nothing changed");

    engine.hold(&second);
    let said = seal(&host);
    assert!(said.contains(MOVED) && said.contains(&first.id) && said.contains(&second.id), "{said}");
    assert_eq!(unpacked(), second.id);
    let said = seal(&host);
    assert!(!said.contains(MOVED) && !said.contains("saving"), "{said}");

    // An engine that names the same image otherwise has no other image.
    let other = Engine { names_otherwise: true, ..engine.clone() }.serve();
    let said = seal(&other);
    assert!(!said.contains(MOVED) && !said.contains("saving"), "{said}");

    // What somebody took out of an archive stays, and that is said.
    let archive = folder.path().join("first.tar");
    fs::write(&archive, &first.archive).unwrap();
    expect_exit(command(&host, &["image", "pull", REFERENCE, "--from"]).arg(&archive), 0);
    let said = seal(&host);
    assert!(said.contains("the one of the archive is used") && said.contains(MOVED), "{said}");
    assert_eq!(unpacked(), first.id);
    // Without an engine nothing is compared.
    let said = seal("unix:///nonexistent");
    assert!(!said.contains("the one of the archive") && !said.contains(MOVED), "{said}");
}

fn an_image_that_cannot_be_renewed_is_used_by_no_instance_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Image::of("first\n"), Image::of("second\n"));
    let work = work(folder.path(), Some(REFERENCE));
    let engine = Engine::default();
    let host = engine.serve();
    let seal = || {
        let mut command = assay();
        command.env("DOCKER_HOST", &host).env("ASSAY_CACHE", folder.path().join("cache"));
        stderr(&expect_exit(command.args(["image", "seal"]).arg(&work).args(["--sandbox", "cell"]), 2))
    };
    engine.hold(&first);
    assert!(seal().contains("recording /testbed"));

    let one = fs::read_to_string(work.join("instances.jsonl")).unwrap();
    let two = one.replace("\"one\"", "\"two\"");
    fs::write(work.join("instances.jsonl"), one + &two).unwrap();
    engine.hold(&Image { archive: second.archive[..512].to_vec(), ..second });
    // The second one saved cannot be read, so each instance tries, and none takes the first one.
    let said = seal();
    assert!(said.matches(": saving").count() == 2 && !said.contains("recording"), "{said}");
}

pub const TESTS: &[Test] = tests![
    an_image_that_cannot_be_renewed_is_used_by_no_instance_of_the_run,
    auto_stays_with_docker_where_no_instance_needs_a_recipe,
    a_tag_that_was_moved_is_noticed_in_cells_on_this_host,
];
