//! What an image says of itself: index, manifest, configuration, in the two forms that are about. Reads nothing but text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A blob by what it holds; OCI image specification, descriptor.md.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    #[serde(default)]
    pub media_type: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
}

/// A list of manifests, or one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Index(Vec<Descriptor>),
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
}

impl Document {
    /// Reads either.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut value: Value = serde_json::from_slice(text).map_err(|error| format!("not JSON: {error}"))?;
        let mut take = |name: &str| value.get_mut(name).map(Value::take);
        if let Some(manifests) = take("manifests") {
            let manifests = serde_json::from_value(manifests).map_err(|error| format!("its manifests: {error}"))?;
            return Ok(Self::Index(manifests));
        }
        let (Some(config), Some(layers)) = (take("config"), take("layers")) else {
            return Err("neither an index nor a manifest of an image (schema 1 is not read)".to_owned());
        };
        let config = serde_json::from_value(config).map_err(|error| format!("its config: {error}"))?;
        let layers = serde_json::from_value(layers).map_err(|error| format!("its layers: {error}"))?;
        Ok(Self::Manifest { config, layers })
    }
}

/// Of an index, the manifests for this machine, best first. Notes that builders attach to images are none.
pub fn for_this_machine(manifests: &[Descriptor]) -> Vec<&Descriptor> {
    let here = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |descriptor: &&Descriptor| {
        descriptor.platform.as_ref().is_none_or(|platform| platform.os == "linux" && platform.architecture == here)
    };
    manifests.iter().filter(fits).collect()
}

/// One image of a `docker save` archive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Saved {
    pub config: String,
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    pub layers: Vec<String>,
}

/// The part of an image's configuration that is used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub env: BTreeMap<String, String>,
    /// sha256 of each layer's tar, lowest first, in hex.
    pub layers: Vec<String>,
    /// Places that a container would get a volume at, outside of the image.
    pub volumes: Vec<String>,
}

impl Config {
    pub fn read(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Text {
            #[serde(default)]
            config: Option<Settings>,
            rootfs: Rootfs,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Settings {
            env: Option<Vec<String>>,
            volumes: Option<BTreeMap<String, Value>>,
        }
        #[derive(Deserialize)]
        struct Rootfs {
            diff_ids: Vec<String>,
        }
        let text: Text = serde_json::from_slice(text).map_err(|error| format!("its configuration: {error}"))?;
        let settings = text.config.unwrap_or_default();
        let env = settings.env.unwrap_or_default();
        let env = env.iter().filter_map(|line| line.split_once('='));
        Ok(Self {
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            layers: text.rootfs.diff_ids.iter().map(|id| hex_of(id).map(str::to_owned)).collect::<Result<_, _>>()?,
            volumes: settings.volumes.unwrap_or_default().into_keys().collect(),
        })
    }
}

/// The hex digits of a sha256 digest.
pub fn hex_of(digest: &str) -> Result<&str, String> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let plain = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if plain { Ok(hex) } else { Err(format!("{digest:?} is not a sha256 digest")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_and_a_manifest_are_told_apart_and_anything_else_is_refused() {
        let index =
            br#"{"schemaVersion":2,"manifests":[{"digest":"sha256:a","platform":{"os":"linux","architecture":"s390x"}},
            {"digest":"sha256:b","platform":{"os":"unknown","architecture":"unknown"}},{"digest":"sha256:c"}]}"#;
        let Document::Index(manifests) = Document::read(index).unwrap() else { panic!("an index") };
        let fitting: Vec<&str> = for_this_machine(&manifests).iter().map(|found| found.digest.as_str()).collect();
        assert_eq!(fitting, ["sha256:c"]);
        let manifest = br#"{"config":{"digest":"sha256:a"},"layers":[{"digest":"sha256:b","mediaType":"x"}]}"#;
        assert!(matches!(Document::read(manifest).unwrap(), Document::Manifest { layers, .. } if layers.len() == 1));
        assert!(Document::read(br#"{"fsLayers":[]}"#).is_err());
        assert!(Document::read(b"no").is_err());
    }

    #[test]
    fn a_configuration_gives_variables_layers_and_volumes() {
        let id = "0".repeat(64);
        let text = format!(
            r#"{{"config":{{"Env":["A=b=c"],"Volumes":{{"/data":{{}}}}}},"rootfs":{{"diff_ids":["sha256:{id}"]}}}}"#
        );
        let config = Config::read(text.as_bytes()).unwrap();
        assert_eq!(
            (config.env["A"].as_str(), config.layers, config.volumes),
            ("b=c", vec![id], vec!["/data".to_owned()])
        );
        let path = r#"{"rootfs":{"diff_ids":["sha256:../../etc"]}}"#;
        assert!(Config::read(path.as_bytes()).unwrap_err().contains("not a sha256"), "it would name a folder");
    }
}
