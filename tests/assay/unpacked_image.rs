//! Images without Docker: out of a registry that asks for a login, out of an OCI layout, and into cells on this host. The image
//! holds one static program, so nothing of the host's libraries is of use to it.

use crate::harness::{Need, Test, skip, tests};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use swe_assay::inside::images::cache::Cache;
use swe_assay::inside::model::digest::Digest;
use swe_assay::inside::model::trial::{Exit, Limits};
use swe_assay::inside::sandbox::Lease;
use swe_assay::inside::sandbox::cell::Cell;
use swe_assay::inside::sandbox::{Backing, Job, Sandbox as _, SealedImage};

use crate::support::{assay, expect_exit, json, stderr};

const BUSYBOX: &str = "/bin/busybox";

/// What a registry or a layout holds: blobs by digest.
#[derive(Clone, Debug, Default)]
struct Image {
    blobs: BTreeMap<String, Vec<u8>>,
    manifest: String,
}

/// A program that needs nothing of an image: one that names no loader. There is a busybox that does.
fn static_busybox() -> bool {
    let number = |at: &[u8]| at.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let names_loader = |elf: &[u8]| {
        let (table, size, count) = (number(&elf[32..40]), number(&elf[54..56]), number(&elf[56..58]));
        (0..count).any(|index| number(&elf[table + index * size..][..4]) == 3)
    };
    let found = fs::read(BUSYBOX).is_ok_and(|elf| elf.starts_with(b"\x7fELF\x02\x01") && !names_loader(&elf));
    if !found {
        skip(Need::Busybox, format!("{BUSYBOX} is not a static program (apt install busybox-static)"));
    }
    found
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Image {
    fn add(&mut self, bytes: Vec<u8>) -> Value {
        let descriptor =
            json!({"digest": sha256(&bytes), "size": bytes.len(), "mediaType": "application/octet-stream"});
        self.blobs.insert(sha256(&bytes), bytes);
        descriptor
    }
}

fn tar(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(*mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A root with a shell, in two layers: one gzipped, one with zstd; the second takes a file of the first away.
fn busybox() -> Image {
    let program = fs::read(BUSYBOX).unwrap();
    let first =
        tar(&[("bin/sh", &program, 0o755), ("etc/passwd", b"root:x:0:0::/:/bin/sh\n", 0o600), ("secret", b"1", 0o644)]);
    let second = tar(&[(".wh.secret", b"", 0o644), ("srv/data", b"from the image\n", 0o600)]);
    let mut image = Image::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&first).unwrap();
    let layers =
        [gzip.finish().unwrap(), zstd::encode_all(second.as_slice(), 1).unwrap()].map(|layer| image.add(layer));
    let config = json!({"architecture": "any", "os": "linux", "config": {"Env": ["COLOUR=blue"]},
        "rootfs": {"type": "layers", "diff_ids": [sha256(&first), sha256(&second)]}});
    let config = image.add(config.to_string().into_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into_bytes();
    let manifest = image.add(manifest);
    // For this machine and, first, for another.
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {"digest": sha256(b"other"), "size": 1, "mediaType": "m", "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": manifest["digest"], "size": manifest["size"], "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "annotations": {"org.opencontainers.image.ref.name": "1"}}]});
    image.manifest = index.to_string();
    image
}

#[derive(Clone)]
struct Served {
    image: Image,
    asked: Arc<Mutex<Vec<String>>>,
    /// Transfers of blobs that break off.
    broken: Arc<AtomicU32>,
    address: String,
}

/// A registry of the distribution protocol: a token for those with a login, then manifests and blobs.
async fn serve(State(served): State<Served>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    served.asked.lock().unwrap().push(path.clone());
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if path == "/token" {
        // me:secret
        return match sent {
            "Basic bWU6c2VjcmV0" => axum::Json(json!({"token": "let-me-in"})).into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        };
    }
    if sent != "Bearer let-me-in" {
        let challenge = format!("Bearer realm=\"http://{}/token\",service=\"test\"", served.address);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    let kind = |kind: &str| [(header::CONTENT_TYPE, kind.to_owned())];
    match path.strip_prefix("/v2/team/image/") {
        None => StatusCode::OK.into_response(),
        Some("manifests/1") => {
            (kind("application/vnd.oci.image.index.v1+json"), served.image.manifest.clone()).into_response()
        }
        Some(rest) => {
            let digest = rest.rsplit('/').next().unwrap_or_default();
            let Some(blob) = served.image.blobs.get(digest) else { return StatusCode::NOT_FOUND.into_response() };
            if rest.starts_with("blobs/") && served.broken.load(Ordering::SeqCst) > 0 {
                served.broken.fetch_sub(1, Ordering::SeqCst);
                return (kind("application/octet-stream"), blob[..blob.len() / 2].to_vec()).into_response();
            }
            (kind("application/vnd.oci.image.manifest.v1+json"), blob.clone()).into_response()
        }
    }
}

/// Serves an image until the test ends.
fn registry(image: Image, broken: u32) -> Served {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = Served { image, asked: Arc::default(), broken: Arc::new(broken.into()), address };
    let router = Router::new().fallback(serve).with_state(served.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    served
}

/// Runs a script in a cell over an unpacked image.
fn run_in(root: &Path, script: &str) -> (Exit, String) {
    let base = tempfile::tempdir().unwrap();
    fs::write(base.path().join("file"), "in the tree\n").unwrap();
    let image = SealedImage {
        digest: Digest::of(b"busybox"),
        workdir: "/work/tree".to_owned(),
        tool: String::new(),
        backing: Backing::Unpacked { root: root.to_owned(), base_layer: base.path().to_owned() },
        lease: Lease::default(),
    };
    let cell = Cell::new(env!("CARGO_BIN_EXE_assay").into(), Arc::new(AtomicBool::new(false)));
    let job = Job {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        changes: Vec::new(),
        support: BTreeMap::from([("trusted".to_owned(), b"ours\n"[..].into())]),
        stdin: Vec::new(),
        limits: Limits { deadline_ms: 20_000, ..Limits::default() },
    };
    let executed = cell.slot(&image).unwrap().run(&job).unwrap();
    (executed.exit, String::from_utf8(executed.output_head).unwrap())
}

fn an_image_of_a_registry_that_asks_for_a_login_runs_in_cells_and_shows_nothing_of_this_host() {
    if !static_busybox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // The first transfer of a blob breaks off.
    let served = registry(busybox(), 1);
    let reference = format!("{}/team/image:1", served.address);
    let pull = || {
        let mut command = assay();
        command.env("ASSAY_CACHE", folder.path().join("not-this-one")).env("DOCKER_CONFIG", folder.path());
        command
            .args(["image", "pull", "--unpack", "--json", "--cache"])
            .arg(folder.path().join("cache"))
            .arg(&reference);
        command
    };
    let refused = stderr(&expect_exit(&mut pull(), 4));
    assert!(refused.contains(&reference), "{refused}");
    let login = json!({"auths": {&served.address: {"auth": "bWU6c2VjcmV0"}}});
    fs::write(folder.path().join("config.json"), login.to_string()).unwrap();
    let pulled = json(&expect_exit(&mut pull(), 0));
    assert_eq!((&pulled[0]["reference"], &pulled[0]["into"]), (&json!(reference), &json!("cache")));
    assert!(!folder.path().join("not-this-one").exists());

    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    let image = swe_assay::inside::images::unpacked::find(&cache, &reference)
        .unwrap()
        .unwrap()
        .ready(&cache, &Default::default())
        .unwrap();
    assert_eq!(image.env["COLOUR"], "blue");
    let root = image.root.clone().unwrap();
    let script = "cat file /srv/data /opt/assay/support/trusted; echo $(echo /*) ; echo /etc/*; echo x > new && cat new; \
                  echo y > /srv/data; echo z > /tmp/z && cat /tmp/z /proc/self/comm; cat /usr/bin/env /secret";
    let (exit, said) = run_in(&root, script);
    assert_eq!(exit, Exit::Code(1), "{said}");
    let wanted = "in the tree\nfrom the image\nours\n/bin /dev /etc /home /opt /proc /run /srv /sys /tmp /var /work\n/etc/passwd\nx\n";
    assert!(said.starts_with(wanted), "{said}");
    for word in ["Read-only", "z\ncat\n", "'/usr/bin/env': No such file", "'/secret': No such file"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    // Again: nothing is fetched that is here.
    let blobs = || served.asked.lock().unwrap().iter().filter(|path| path.contains("/blobs/")).count();
    let before = blobs();
    expect_exit(&mut pull(), 0);
    assert_eq!(blobs() - before, 1, "the configuration alone");

    let mut gc = assay();
    gc.args(["image", "gc", "--budget", "0", "--json", "--cache"]).arg(folder.path().join("cache"));
    // The lease is ours; and images of Docker are none of this cache.
    gc.env("DOCKER_HOST", "unix:///nonexistent");
    assert_eq!(json(&expect_exit(&mut gc, 2)), json!([]));
    drop(image);
    assert_eq!(json(&expect_exit(&mut gc, 0)).as_array().unwrap().len(), 1);
    assert!(!root.exists());
}

fn an_oci_layout_is_read_as_a_folder_and_as_a_tar_and_one_that_lies_is_refused() {
    if !static_busybox() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    let image = busybox();
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(layout.join("index.json"), &image.manifest).unwrap();
    let path = |digest: &str| layout.join("blobs/sha256").join(&digest["sha256:".len()..]);
    image.blobs.iter().for_each(|(digest, blob)| fs::write(path(digest), blob).unwrap());
    let archive = folder.path().join("layout.tar");
    let mut tar = tar::Builder::new(fs::File::create(&archive).unwrap());
    tar.append_dir_all(".", &layout).unwrap();
    tar.finish().unwrap();
    let pull = |from: &Path, cache: &str| {
        let mut command = assay();
        command.args(["image", "pull", "any/name:1", "--json", "--from"]).arg(from);
        command.arg("--cache").arg(folder.path().join(cache));
        command
    };
    let (one, two) = (expect_exit(&mut pull(&layout, "a"), 0), expect_exit(&mut pull(&archive, "b"), 0));
    assert_eq!(json(&one), json(&two));

    // A layer that is not what the manifest says, and one that the manifest agrees with and the configuration does not.
    let (digest, blob) = image.blobs.iter().find(|(_, blob)| blob.starts_with(&[0x28, 0xb5])).unwrap();
    let other = zstd::encode_all(tar_of_evil().as_slice(), 1).unwrap();
    fs::write(path(digest), &other).unwrap();
    let said = stderr(&expect_exit(&mut pull(&layout, "c"), 1));
    assert!(said.contains("content is another one"), "{said}");
    fs::write(path(digest), blob).unwrap();
    fs::write(layout.join("index.json"), image.manifest.replace("sha256:", "sha256:0")).unwrap();
    expect_exit(&mut pull(&layout, "d"), 1);
    let said = stderr(&expect_exit(&mut pull(&folder.path().join("nothing.tar"), "e"), 1));
    assert!(said.contains("nothing.tar"), "{said}");
}

fn tar_of_evil() -> Vec<u8> {
    tar(&[("srv/data", b"something else", 0o644)])
}

pub const TESTS: &[Test] = tests![
    an_image_of_a_registry_that_asks_for_a_login_runs_in_cells_and_shows_nothing_of_this_host,
    an_oci_layout_is_read_as_a_folder_and_as_a_tar_and_one_that_lies_is_refused,
];
