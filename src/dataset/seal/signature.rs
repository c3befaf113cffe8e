//! Signatures: an Ed25519 signature over a dataset's statement, in a DSSE envelope
//! (<https://github.com/secure-systems-lab/dsse>), and the key files. Keys are PEM files as OpenSSL writes them (PKCS#8
//! for the secret, SubjectPublicKeyInfo for the public one; RFC 8410), so `openssl pkeyutl -verify -rawin` checks a
//! signature without this tool.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;

/// Name of the file in a dataset directory. The manifest does not list it.
pub const ENVELOPE: &str = "statement.dsse.json";

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// `statement.dsse.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// Always `application/vnd.in-toto+json`.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The statement's bytes, base64.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnvelopeSignature {
    /// sha256 of the 32 bytes of the public key.
    pub keyid: Digest,
    /// Ed25519 over the pre-authentication encoding of type and payload, base64.
    pub sig: String,
}

/// A key that signs. Its `Debug` does not show it.
pub struct SecretKey(SigningKey);

/// A key that checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl SecretKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no random bytes from the system: {error}"))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a PEM file with an unencrypted Ed25519 key.
    ///
    /// # Errors
    /// A file that cannot be read or holds another kind of key; the message names it, never its content.
    pub fn read(path: &Path) -> Result<Self> {
        let what =
            || format!("{} is not an Ed25519 signing key; make one with `assay export --new-key FILE`", path.display());
        let text = fs::read_to_string(path).with_context(what)?;
        SigningKey::from_pkcs8_pem(&text).map(Self).with_context(what)
    }

    /// Writes the key, readable by its owner alone, and the public key beside it as `<path>.pub`. Gives that path.
    ///
    /// # Errors
    /// A file that is there already: a key is never replaced.
    pub fn write(&self, path: &Path) -> Result<PathBuf> {
        let public = PublicKey::beside(path);
        // The seed alone, as OpenSSL writes it; the public key is in its own file.
        let secret = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let secret = secret.to_pkcs8_pem(LineEnding::LF).context("cannot write the key as PEM")?;
        create(path, 0o600, &secret)?;
        create(&public, 0o644, &self.public().to_pem()?)?;
        Ok(public)
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a statement's bytes. The same key and bytes give the same envelope.
    pub fn sign(&self, statement: &[u8]) -> Envelope {
        let signature = self.0.sign(&authenticated(statement));
        Envelope {
            payload_type: PAYLOAD_TYPE.to_owned(),
            payload: STANDARD.encode(statement),
            signatures: vec![EnvelopeSignature {
                keyid: self.public().id(),
                sig: STANDARD.encode(signature.to_bytes()),
            }],
        }
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public().id().short()).finish()
    }
}

impl PublicKey {
    /// Where the public key of a signing key is.
    pub fn beside(secret: &Path) -> PathBuf {
        let mut public = secret.as_os_str().to_owned();
        public.push(".pub");
        PathBuf::from(public)
    }

    /// Reads a PEM file with an Ed25519 public key.
    pub fn read(path: &Path) -> Result<Self> {
        let what =
            || format!("{} is not an Ed25519 public key; it is the .pub file beside the signing key", path.display());
        let text = fs::read_to_string(path).with_context(what)?;
        VerifyingKey::from_public_key_pem(&text).map(Self).with_context(what)
    }

    /// Names the key in an envelope.
    pub fn id(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// The key as a PEM file.
    ///
    /// # Errors
    /// None that can be caused from outside: the encoder has a limit of its own.
    pub fn to_pem(&self) -> Result<String> {
        self.0.to_public_key_pem(LineEnding::LF).context("cannot write the public key as PEM")
    }
}

impl Envelope {
    /// Its bytes as they stand in the file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("the envelope cannot be written as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The statement's bytes, if the key signed them.
    ///
    /// # Errors
    /// An envelope of another kind, one that the key did not sign, or a signature that does not fit.
    pub fn verify(&self, key: &PublicKey) -> Result<Vec<u8>> {
        if self.payload_type != PAYLOAD_TYPE {
            bail!("the envelope holds {:?}, not a statement of this kind ({PAYLOAD_TYPE})", self.payload_type);
        }
        let statement = STANDARD.decode(&self.payload).context("the envelope's payload is not base64")?;
        let id = key.id();
        let Some(signature) = self.signatures.iter().find(|signature| signature.keyid == id) else {
            bail!("the envelope has no signature by key {}; ask who published it for their public key", id.short());
        };
        let bytes = STANDARD.decode(&signature.sig).context("the signature is not base64")?;
        let signature = Signature::from_slice(&bytes).context("the signature has not 64 bytes")?;
        // Strict: refuses keys and signatures that fit more than one message.
        key.0.verify_strict(&authenticated(&statement), &signature).map_err(|_| {
            anyhow::anyhow!("the signature by key {} does not fit the statement: one of them was changed", id.short())
        })?;
        Ok(statement)
    }
}

/// The pre-authentication encoding of DSSE v1.
fn authenticated(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn create(path: &Path, mode: u32, text: &str) -> Result<()> {
    let mut file: File = File::options().write(true).create_new(true).mode(mode).open(path).with_context(|| {
        format!("cannot create {}; keys are never replaced, so choose a name that is free", path.display())
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_signature_fits_its_statement_and_its_key_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = SecretKey::generate().unwrap();
        let public = key.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (secret, public) = (SecretKey::read(&path).unwrap(), PublicKey::read(&public).unwrap());
        assert_eq!(public, key.public());

        let envelope = secret.sign(b"{}\n");
        assert_eq!(envelope, key.sign(b"{}\n"));
        assert_eq!(envelope.verify(&public).unwrap(), b"{}\n");
        let mut changed = envelope.clone();
        changed.payload = STANDARD.encode(b"[]\n");
        assert!(changed.verify(&public).unwrap_err().to_string().contains("was changed"));
        let stranger = SecretKey::generate().unwrap().public();
        assert!(envelope.verify(&stranger).unwrap_err().to_string().contains("no signature by key"));
        let mut claimed = envelope;
        claimed.signatures[0].keyid = stranger.id();
        assert!(claimed.verify(&stranger).unwrap_err().to_string().contains("was changed"));
    }

    #[test]
    fn a_key_is_never_replaced_and_another_file_is_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "thesis").unwrap();
        let error = format!("{:#}", SecretKey::generate().unwrap().write(&path).unwrap_err());
        assert!(error.contains("never replaced"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"thesis");
        let error = format!("{:#}", SecretKey::read(&path).unwrap_err());
        assert!(error.contains("--new-key") && !error.contains("thesis"), "{error}");
        assert!(format!("{:#}", PublicKey::read(&path).unwrap_err()).contains(".pub file"));
    }

    #[test]
    fn key_files_are_those_of_rfc_8410() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        // The example of RFC 8410, section 10.3, and its public key of section 10.1.
        fs::write(
            &path,
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        let public = SecretKey::read(&path).unwrap().public();
        assert_eq!(
            public.to_pem().unwrap(),
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"
        );
    }
}
