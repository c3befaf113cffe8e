//! Images in a registry. The only door to the registry client.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::UnpackError;
use super::manifest::{Config, Document, for_this_machine, hex_of};
use super::source::{Blob, Contents, Source};
use crate::images::absent::Absent;
use crate::model::digest::Digest;

const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Nothing arriving for so long means that nothing will.
const SILENCE: Duration = Duration::from_secs(120);
const CONNECT: Duration = Duration::from_secs(20);
/// HTTP status: too many requests.
const TOO_MANY: u16 = 429;
/// How often something is asked for in all.
const ATTEMPTS: u32 = 3;
/// Before the second attempt; twice that before the third.
const PAUSE: Duration = Duration::from_millis(500);

/// Registries that did not answer.
static SILENT: Absent = Absent::new();

/// A repository of a registry.
pub struct Registry {
    client: Client,
    reference: Reference,
    auth: RegistryAuth,
    runtime: Runtime,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("reference", &self.reference).finish_non_exhaustive()
    }
}

impl Registry {
    /// The repository that a reference names, with what Docker's configuration knows of its registry. A registry on this
    /// host is spoken to in plain HTTP, as Docker does.
    pub fn open(reference: &str) -> Result<Self, UnpackError> {
        let failed = |why: String| UnpackError::Registry { reference: reference.to_owned(), why };
        let parsed: Reference =
            reference.parse().map_err(|error| failed(format!("no reference of an image: {error}")))?;
        let registry = parsed.resolve_registry().to_owned();
        let plain = is_loopback(&registry);
        let config = ClientConfig {
            protocol: if plain { ClientProtocol::HttpsExcept(vec![registry.clone()]) } else { ClientProtocol::Https },
            platform_resolver: None,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(CONNECT),
            ..ClientConfig::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(format!("cannot start the client: {error}")))?;
        Ok(Self {
            client: Client::new(config),
            auth: credentials(&registry).map_err(failed)?,
            reference: parsed,
            runtime,
        })
    }

    fn failed(&self, why: impl std::fmt::Display) -> UnpackError {
        UnpackError::Registry { reference: self.reference.to_string(), why: why.to_string() }
    }

    /// Fails if this registry did not answer a moment ago.
    pub(super) fn answers(&self) -> Result<(), UnpackError> {
        let registry = self.reference.registry();
        match SILENT.recall(registry) {
            Some(why) => Err(UnpackError::Silent { registry: registry.to_owned(), why }),
            None => Ok(()),
        }
    }

    /// A question without an answer that can be used: the registry could not be reached, is busy, or said no.
    fn unanswered(&self, what: &str, error: OciDistributionError) -> UnpackError {
        if is_busy(&error) {
            return self.not_now(format!("{what}{error}"));
        }
        match error {
            OciDistributionError::RequestError(error)
                if error.is_connect() || error.is_timeout() || error.is_request() =>
            {
                // The same for every image of the registry.
                let why = format!("{:#}", anyhow::Error::from(error.without_url()));
                let registry = self.reference.registry();
                SILENT.remember(registry, why.clone());
                UnpackError::Silent { registry: registry.to_owned(), why }
            }
            OciDistributionError::RequestError(error) => self.not_now(format!("{what}{error}")),
            // A transfer that broke off comes as one of these.
            OciDistributionError::IoError(error) => self.not_now(format!("{what}{error}")),
            error => self.failed(format!("{what}{error}")),
        }
    }

    fn not_now(&self, why: String) -> UnpackError {
        UnpackError::NotNow { reference: self.reference.to_string(), why }
    }

    /// A manifest, held against the digest that names it.
    fn manifest(&self, reference: &Reference) -> Result<Vec<u8>, UnpackError> {
        let mut attempt = 1;
        let bytes = loop {
            let pulled = self.client.pull_manifest_raw(reference, &self.auth, &ACCEPTED);
            match self.runtime.block_on(pulled) {
                Ok((bytes, _)) => break bytes,
                Err(error) if attempt < ATTEMPTS && may_pass(&error) => {
                    std::thread::sleep(PAUSE * attempt);
                    attempt += 1;
                }
                Err(error) => return Err(self.unanswered("", error)),
            }
        };
        if let Some(named) = reference.digest()
            && named != format!("sha256:{}", Digest::of(&bytes))
        {
            return Err(self.failed(format!("the registry gave something else for {named}")));
        }
        Ok(bytes.to_vec())
    }

    /// A blob in a file without a name, checked.
    fn fetch(&self, digest: &str) -> Result<File, UnpackError> {
        hex_of(digest).map_err(|why| self.failed(why))?;
        let descriptor = OciDescriptor { digest: digest.to_owned(), ..OciDescriptor::default() };
        let io = |source| UnpackError::Io { doing: "keep a download", path: PathBuf::from(digest), source };
        let mut attempt = 1;
        let mut file = loop {
            let file = tempfile::tempfile().map_err(io)?;
            let out = tokio::fs::File::from_std(file.try_clone().map_err(io)?);
            match self.runtime.block_on(self.client.pull_blob(&self.reference, &descriptor, out)) {
                Ok(()) => break file,
                Err(error) if attempt == ATTEMPTS => return Err(self.unanswered(&format!("{digest}: "), error)),
                Err(error) => {
                    if is_busy(&error) {
                        std::thread::sleep(PAUSE * attempt);
                    }
                    attempt += 1;
                }
            }
        };
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(file)
    }
}

impl Source for Registry {
    fn contents(&self, _: &str) -> Result<Contents, UnpackError> {
        // Another worker may have asked while this one waited for its turn.
        self.answers()?;
        let mut text = self.manifest(&self.reference)?;
        for _ in 0..4 {
            match Document::read(&text).map_err(|why| self.failed(why))? {
                Document::Index(manifests) => {
                    let first = for_this_machine(&manifests).first().map(|first| first.digest.clone());
                    let digest = first.ok_or_else(|| self.failed("it has no image for this machine"))?;
                    text = self.manifest(&self.reference.clone_with_digest(digest))?;
                }
                Document::Manifest { config, layers } => {
                    let mut text = Vec::new();
                    let read = self.fetch(&config.digest)?.read_to_end(&mut text);
                    read.map_err(|error| self.failed(error))?;
                    return Ok(Contents {
                        id: Digest::of(&text),
                        config: Config::read(&text).map_err(|why| self.failed(why))?,
                        layers: layers
                            .into_iter()
                            .map(|layer| Blob { name: layer.digest.clone(), digest: Some(layer.digest) })
                            .collect(),
                    });
                }
            }
        }
        Err(self.failed("an index in an index in an index"))
    }

    fn blob(&self, blob: &Blob) -> Result<Box<dyn Read + '_>, UnpackError> {
        Ok(Box::new(self.fetch(&blob.name)?))
    }
}

/// Whether the registry answered that it cannot answer.
fn is_busy(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ServerError { code, .. } => *code == TOO_MANY || *code >= 500,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| error.code == OciErrorCode::Toomanyrequests)
        }
        _ => false,
    }
}

/// Whether another attempt may bring what this one did not. Who was silent until the time was up is not asked again: that
/// is what [`SILENCE`] waited for.
fn may_pass(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(error) => !error.is_timeout(),
        OciDistributionError::IoError(_) => true,
        other => is_busy(other),
    }
}

/// A reference in full: registry, repository, tag or digest.
pub fn canonical(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |parsed| parsed.whole())
}

/// Whether a registry is on this host.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Docker's configuration, as far as it is about registries.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    registrytoken: Option<String>,
}

/// What `docker login` left for a registry in `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
fn credentials(registry: &str) -> Result<RegistryAuth, String> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else { return Ok(RegistryAuth::Anonymous) };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let config: DockerConfig =
        serde_json::from_slice(&text).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    from_config(&config, registry).map_err(|why| format!("{}: {why}", path.display()))
}

fn from_config(config: &DockerConfig, registry: &str) -> Result<RegistryAuth, String> {
    let host = |key: &str| {
        let key = key.trim_start_matches("https://").trim_start_matches("http://");
        key.split('/').next().unwrap_or_default().to_owned()
    };
    // The Hub goes by several names.
    let same =
        |key: &str| host(key) == registry || (registry.ends_with("docker.io") && host(key).ends_with("docker.io"));
    let found = config.auths.iter().find(|(key, _)| same(key)).map(|(_, auth)| auth.clone()).unwrap_or_default();
    if let Some(token) = found.registrytoken {
        return Ok(RegistryAuth::Bearer(token));
    }
    if let (Some(name), Some(password)) = (found.username, found.password) {
        return Ok(RegistryAuth::Basic(name, password));
    }
    if let Some(auth) = found.auth.filter(|auth| !auth.is_empty()) {
        let bytes = STANDARD.decode(auth).map_err(|error| format!("the login of {registry}: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| format!("the login of {registry}: {error}"))?;
        let (name, password) =
            text.split_once(':').ok_or_else(|| format!("the login of {registry} is not name:password"))?;
        return Ok(RegistryAuth::Basic(name.to_owned(), password.to_owned()));
    }
    let helped = config.cred_helpers.iter().any(|(key, _)| same(key))
        || (config.creds_store.is_some() && config.auths.keys().any(|key| same(key)));
    if helped {
        return Err(format!(
            "the login of {registry} is kept by a credential helper, which is not asked; pull with docker, `docker save` the \
             image, and read the archive with --from"
        ));
    }
    Ok(RegistryAuth::Anonymous)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn auth(text: &str, registry: &str) -> Result<RegistryAuth, String> {
        from_config(&serde_json::from_str(text).unwrap(), registry)
    }

    #[test]
    fn logins_are_found_in_every_form_that_docker_writes() {
        let basic = RegistryAuth::Basic("me".to_owned(), "se:cret".to_owned());
        let coded = r#"{"auths":{"https://r.example/v1/":{"auth":"bWU6c2U6Y3JldA=="}}}"#;
        assert_eq!(auth(coded, "r.example").unwrap(), basic);
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"username":"me","password":"se:cret"}}}"#;
        assert_eq!(auth(hub, "docker.io").unwrap(), basic);
        let token = r#"{"auths":{"r.example:5000":{"registrytoken":"t"}}}"#;
        assert_eq!(auth(token, "r.example:5000").unwrap(), RegistryAuth::Bearer("t".to_owned()));
        assert_eq!(auth(token, "r.example").unwrap(), RegistryAuth::Anonymous);
        assert!(auth(r#"{"auths":{"r.example":{}},"credsStore":"pass"}"#, "r.example").unwrap_err().contains("helper"));
        assert!(auth(r#"{"auths":{"r.example":{"auth":"%"}}}"#, "r.example").is_err());
    }

    #[test]
    fn only_registries_on_this_host_are_spoken_to_in_the_clear() {
        for (registry, plain) in [
            ("localhost:5000", true),
            ("127.0.0.1:80", true),
            ("[::1]:80", true),
            ("localhost.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(registry), plain, "{registry}");
        }
    }

    /// A registry that gives these answers to questions for manifests, one after the other and the last one for ever.
    /// An empty one hangs up. Gives its reference and how often it was asked.
    fn serve(answers: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reference = format!("{}/team/image:1", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let answer = if first.contains("/manifests/") {
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    answers[number.min(answers.len() - 1)]
                } else {
                    "200 OK"
                };
                if !answer.is_empty() {
                    let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
                    stream.write_all(text.as_bytes()).unwrap();
                }
            }
        });
        (reference, asked)
    }

    /// What comes of asking for a manifest, how often it was asked for, and whether the registry is still asked.
    fn asked_for(answers: &'static [&'static str]) -> (Result<Vec<u8>, UnpackError>, usize, bool) {
        let (reference, asked) = serve(answers);
        let registry = Registry::open(&reference).unwrap();
        let answer = registry.manifest(&registry.reference);
        (answer, asked.load(Ordering::SeqCst), registry.answers().is_ok())
    }

    #[test]
    fn a_registry_that_is_busy_for_a_moment_is_asked_again() {
        for answers in [&["503 Service Unavailable", "429 Too Many Requests", "200 OK"][..], &["", "", "200 OK"]] {
            let (answer, asked, still) = asked_for(answers);
            assert_eq!((answer.unwrap(), asked, still), (b"{}".to_vec(), 3, true), "{answers:?}");
        }
    }

    #[test]
    fn a_registry_that_stays_busy_says_nothing_of_the_image_nor_of_itself() {
        for answers in [&["503 Service Unavailable"][..], &["429 Too Many Requests"]] {
            let (answer, asked, still) = asked_for(answers);
            assert!(matches!(answer, Err(UnpackError::NotNow { .. })), "{answer:?}");
            assert_eq!((asked, still), (3, true), "{answers:?}");
        }
        let (answer, asked, still) = asked_for(&["404 Not Found"]);
        assert!(matches!(answer, Err(UnpackError::Registry { .. })), "{answer:?}");
        assert_eq!((asked, still), (1, true), "a plain no is not asked for again");
    }

    #[test]
    fn a_registry_that_never_answers_is_silent_after_the_last_attempt() {
        let (answer, asked, still) = asked_for(&[""]);
        assert!(matches!(answer, Err(UnpackError::Silent { .. })), "{answer:?}");
        assert_eq!((asked, still), (3, false));
    }
}
