//! The read-only root that all jobs of a slot see: an allow-list of the host, a generated `/etc` and the image's mounts, or
//! the whole of the container that the agent is in.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::MountFlags;

use super::SUPPORT_DIR;
use super::container;
use super::fault::Doing;
use super::files::make_dir;
use super::mounts::{self, NODEV, NOSUID, RDONLY};
use super::protocol::{OpenSlot, Root};

/// Where the agent builds, before this becomes its own root.
const STAGE: &str = "/tmp";
/// Paths in the agent's root after that.
pub const NEW_ROOT: &str = "/root";
pub const BASE: &str = "/base";
pub const SCRATCH: &str = "/scratch";

const TOP: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];
/// Where an image has its own Python environment, if it brings one.
const ENVIRONMENT: &str = "/opt/assay/environment";
/// Where every job has something of its own, in an unpacked image.
const IMAGE_PLACES: &[&str] = &["/proc", "/sys", "/dev", "/tmp", "/var/tmp", "/run", "/home/assay"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];
/// Files and directories of `/etc` that programs need and that hold nothing private.
const ETC: &[&str] = &[
    "alternatives",
    "debian_version",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "mime.types",
    "os-release",
    "protocols",
    "services",
    "timezone",
];
const ETC_GENERATED: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0:root:/root:/usr/sbin/nologin\nassay:x:1000:1000:assay:/home/assay:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\nassay:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost assay\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("hostname", "assay\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n"),
    ("resolv.conf", ""),
];

/// Certificates that the host trusts. They are public, and libraries such as `pygit2` cannot be imported without them, with or
/// without a network.
const ETC_CERTIFICATES: &[&str] = &["ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "pki/tls/certs"];

/// What a job with a network reads beside that, and who is asked for names.
const ETC_NETWORK: &[&str] = &["hosts", "resolv.conf"];
const NAMES_BY_NETWORK: &str = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n";

/// Copies of the mounts that cells are made of, taken while the agent may still see them.
#[derive(Debug)]
pub struct Sources {
    base: OwnedFd,
    proc: OwnedFd,
    devices: Vec<(OwnedFd, String)>,
    view: View,
}

#[derive(Debug)]
enum View {
    /// Parts of this host, and an `/etc` that is made for them.
    Host(Parts),
    /// An image that was unpacked on this host.
    Image(Parts),
    Whole(OwnedFd),
}

/// A root in parts: what appears at a path inside, links, and empty directories.
#[derive(Debug, Default)]
struct Parts {
    trees: Vec<(OwnedFd, String)>,
    links: Vec<(PathBuf, String)>,
    folders: Vec<String>,
}

impl Sources {
    /// Takes the copies on a host. The base layer is left unmapped; see [`Sources::map_base`].
    pub fn take(slot: &OpenSlot) -> Result<Self, String> {
        let (base_layer, view) = match &slot.root {
            Root::Host { base_layer, mounts } => (base_layer, View::Host(Parts::of_host(mounts)?)),
            Root::Image { base_layer, root } => (base_layer, View::Image(Parts::of_image(root, &slot.workdir)?)),
            Root::Container { .. } => return Err("a container's root is not taken in parts".to_owned()),
        };
        Ok(Self {
            base: detach_as(base_layer, RDONLY | NOSUID | NODEV)?,
            proc: mounts::detach(Path::new("/proc")).doing(|| "taking /proc".to_owned())?,
            devices: take_devices()?,
            view,
        })
    }

    /// Takes the copies in a container. Gives the id outside that jobs get, too.
    pub fn take_container(workdir: &str, homes: &[String]) -> Result<(Self, u32), String> {
        let root = container::take_root(homes)?;
        let (base, outside) = container::take_base(workdir)?;
        let (proc, devices) = (container::take_proc()?, take_devices()?);
        Ok((Self { base, proc, devices, view: View::Whole(root) }, outside))
    }

    /// Shows the base layer's files, which belong to the caller, as the job's own. `false`: its filesystem cannot.
    pub fn map_base(&self, users: &OwnedFd) -> bool {
        mounts::map_owners(&self.base, users).is_ok()
    }

    /// Builds the root on a tmpfs and makes that tmpfs the agent's own root. The host is out of sight afterwards.
    pub fn build(self, slot: &OpenSlot, support: &str) -> Result<(), String> {
        rustix::mount::mount_change(
            "/",
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
        )
        .doing(|| "making mounts private".to_owned())?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mounts::fresh("tmpfs", STAGE, flags, "mode=755,size=16m").doing(|| "mounting the stage".to_owned())?;
        for name in [NEW_ROOT, BASE, SCRATCH, "/proc"] {
            make_dir(&format!("{STAGE}{name}"))?;
        }
        let root = format!("{STAGE}{NEW_ROOT}");
        match &self.view {
            View::Host(parts) | View::Image(parts) => {
                mounts::fresh("tmpfs", &root, flags, "mode=755,size=16m")
                    .doing(|| "mounting the new root".to_owned())?;
                if matches!(self.view, View::Host(_)) {
                    make_dir(&format!("{root}/etc"))?;
                    make_dir(&format!("{root}/var"))?;
                    link("/tmp", &format!("{root}/var/tmp"))?;
                    write_etc(Path::new(&root), slot.network)?;
                }
                parts.build(&root)?;
                make_dir(&format!("{root}{support}"))?;
                make_dir(&format!("{root}{}", slot.workdir))?;
            }
            View::Whole(tree) => {
                mounts::attach(tree, &root).doing(|| "attaching the container's root".to_owned())?;
                let dev = format!("{root}/dev");
                mounts::fresh("tmpfs", &dev, MountFlags::NOSUID, "mode=755,size=1m")
                    .doing(|| "mounting /dev".to_owned())?;
            }
        }
        for name in ["dev/shm", "dev/pts"] {
            make_dir(&format!("{root}/{name}"))?;
        }
        for (device, name) in &self.devices {
            let path = format!("{root}/dev/{name}");
            File::create(&path).doing(|| format!("making {path}"))?;
            mounts::attach(device, &path).doing(|| format!("attaching /dev/{name}"))?;
        }
        for (target, name) in [
            ("/proc/self/fd", "fd"),
            ("/proc/self/fd/0", "stdin"),
            ("/proc/self/fd/1", "stdout"),
            ("/proc/self/fd/2", "stderr"),
            ("pts/ptmx", "ptmx"),
        ] {
            link(target, &format!("{root}/dev/{name}"))?;
        }
        let mounts = match &slot.root {
            Root::Host { mounts, .. } => mounts.as_slice(),
            Root::Image { .. } | Root::Container { .. } => &[],
        };
        hide_packages(&root, mounts)?;
        mounts::attach(&self.base, &format!("{STAGE}{BASE}")).doing(|| "attaching the base layer".to_owned())?;
        mounts::attach(&self.proc, &format!("{STAGE}/proc")).doing(|| "attaching /proc".to_owned())?;
        mounts::pivot(STAGE).doing(|| "entering the stage".to_owned())
    }
}

impl Parts {
    /// An allow-list of the host, and what is mounted beside it.
    fn of_host(image_mounts: &[(PathBuf, String)]) -> Result<Self, String> {
        let mut trees = Vec::new();
        let mut links = Vec::new();
        for name in TOP {
            let path = Path::new("/").join(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_symlink() => {
                    let target = fs::read_link(&path).doing(|| format!("reading the link {}", path.display()))?;
                    links.push((target, format!("/{name}")));
                }
                Ok(_) => trees.push((path.clone(), path.display().to_string())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("looking at {}: {error}", path.display())),
            }
        }
        trees.extend(image_mounts.iter().cloned());
        let trees = trees
            .into_iter()
            .map(|(path, inside)| Ok((detach_as(&path, RDONLY | NOSUID | NODEV)?, inside)))
            .collect::<Result<_, String>>()?;
        let folders = ["proc", "dev", "tmp", "etc", "home", "run", "sys", "var", "opt", "mnt"];
        Ok(Self { trees, links, folders: folders.map(|name| format!("/{name}")).to_vec() })
    }

    /// All of an unpacked image, but for the places where jobs have something of their own.
    fn of_image(root: &Path, workdir: &str) -> Result<Self, String> {
        let mut places: Vec<PathBuf> = IMAGE_PLACES.iter().map(PathBuf::from).collect();
        places.push(PathBuf::from(SUPPORT_DIR));
        places.push(PathBuf::from(workdir));
        let mut parts = Self::default();
        parts.folders.extend(places.iter().map(|place| place.display().to_string()));
        parts.take_below(root, Path::new("/"), &places)?;
        Ok(parts)
    }

    /// Takes what is in a directory of an image: whole if no such place is inside.
    fn take_below(&mut self, root: &Path, inside: &Path, places: &[PathBuf]) -> Result<(), String> {
        let folder = root.join(inside.strip_prefix("/").unwrap_or(inside));
        let entries = fs::read_dir(&folder).doing(|| format!("listing {}", folder.display()))?;
        for entry in entries {
            let entry = entry.doing(|| format!("listing {}", folder.display()))?;
            let (path, at) = (entry.path(), inside.join(entry.file_name()));
            let kind = entry.file_type().doing(|| format!("looking at {}", path.display()))?;
            if places.contains(&at) {
                continue;
            }
            let name = at.display().to_string();
            if kind.is_symlink() {
                if !places.iter().any(|place| place.starts_with(&at)) {
                    let target = fs::read_link(&path).doing(|| format!("reading the link {}", path.display()))?;
                    self.links.push((target, name));
                }
            } else if kind.is_dir() && places.iter().any(|place| place.starts_with(&at)) {
                self.folders.push(name);
                self.take_below(root, &at, places)?;
            } else {
                self.trees.push((detach_as(&path, RDONLY | NOSUID | NODEV)?, name));
            }
        }
        Ok(())
    }

    /// Puts the parts together below `root`, an empty file system.
    fn build(&self, root: &str) -> Result<(), String> {
        for folder in &self.folders {
            make_dir(&format!("{root}{folder}"))?;
        }
        for (target, name) in &self.links {
            link(target, &format!("{root}{name}"))?;
        }
        for (tree, inside) in &self.trees {
            let path = format!("{root}{inside}");
            if mounts::is_directory(tree).doing(|| format!("looking at {inside}"))? {
                make_dir(&path)?;
            } else {
                if let Some(parent) = Path::new(&path).parent() {
                    make_dir(&parent.display().to_string())?;
                }
                File::create(&path).doing(|| format!("making {inside}"))?;
            }
            mounts::attach(tree, &path).doing(|| format!("attaching {inside}"))?;
        }
        Ok(())
    }
}

/// Covers what the host has installed for its own Python, if the image brings an environment: it may hold another
/// release of the very project under test. The standard library stays.
fn hide_packages(root: &str, mounts: &[(PathBuf, String)]) -> Result<(), String> {
    if !Path::new(&format!("{root}{ENVIRONMENT}")).is_dir() {
        return Ok(());
    }
    let prefixes = mounts.iter().map(|(_, inside)| inside.as_str()).filter(|inside| *inside != ENVIRONMENT);
    for prefix in prefixes.chain(["/usr", "/usr/local"]) {
        for library in ["lib", "lib64"].map(|name| format!("{root}{prefix}/{name}")) {
            // Not every prefix has both.
            let Ok(entries) = fs::read_dir(&library) else { continue };
            for entry in entries.flatten() {
                if !entry.file_name().to_string_lossy().starts_with("python") {
                    continue;
                }
                for packages in ["dist-packages", "site-packages"].map(|name| entry.path().join(name)) {
                    if fs::symlink_metadata(&packages).is_ok_and(|meta| meta.is_dir()) {
                        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
                        mounts::fresh("tmpfs", &packages.display().to_string(), flags, "mode=755,size=4k")
                            .doing(|| format!("covering {}", packages.display()))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn take_devices() -> Result<Vec<(OwnedFd, String)>, String> {
    DEVICES.iter().map(|name| Ok((detach_as(&Path::new("/dev").join(name), NOSUID)?, (*name).to_owned()))).collect()
}

fn detach_as(path: &Path, attributes: u64) -> Result<OwnedFd, String> {
    let tree = mounts::detach(path).doing(|| format!("taking {}", path.display()))?;
    mounts::restrict(&tree, attributes).doing(|| format!("making {} read-only", path.display()))?;
    Ok(tree)
}

fn link(target: impl AsRef<Path>, at: &str) -> Result<(), String> {
    symlink(target, at).doing(|| format!("making the link {at}"))
}

fn write_etc(root: &Path, network: bool) -> Result<(), String> {
    let etc = root.join("etc");
    for (name, content) in ETC_GENERATED {
        fs::write(etc.join(name), content).doing(|| format!("writing /etc/{name}"))?;
    }
    for name in ETC {
        copy(&Path::new("/etc").join(name), &etc.join(name))?;
    }
    for name in ETC_CERTIFICATES {
        copy_shown(&Path::new("/etc").join(name), &etc.join(name))?;
    }
    if network {
        for name in ETC_NETWORK {
            copy_shown(&Path::new("/etc").join(name), &etc.join(name))?;
        }
        fs::write(etc.join("nsswitch.conf"), NAMES_BY_NETWORK).doing(|| "writing /etc/nsswitch.conf".to_owned())?;
    }
    // Debian's pythons read their sitecustomize.py here.
    let names = fs::read_dir("/etc").doing(|| "listing /etc".to_owned())?;
    for name in names.flatten().map(|entry| entry.file_name()) {
        if name.to_string_lossy().starts_with("python") {
            copy(&Path::new("/etc").join(&name), &etc.join(&name))?;
        }
    }
    link("/proc/self/mounts", &etc.join("mtab").display().to_string())
}

/// Copies what a path shows, links followed: they may lead to where a cell has nothing. What is missing is left out.
fn copy_shown(from: &Path, to: &Path) -> Result<(), String> {
    let Ok(real) = fs::canonicalize(from) else { return Ok(()) };
    if let Some(parent) = to.parent() {
        make_dir(&parent.display().to_string())?;
    }
    copy(&real, to)
}

/// Copies a small file, link or directory. What is missing or unreadable is left out: none of it is needed.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let Ok(meta) = fs::symlink_metadata(from) else { return Ok(()) };
    if meta.is_symlink() {
        let target = fs::read_link(from).doing(|| format!("reading the link {}", from.display()))?;
        return link(target, &to.display().to_string());
    }
    if meta.is_dir() {
        let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
        make_dir(&to.display().to_string())?;
        for entry in entries.flatten() {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let Ok(content) = fs::read(from) else { return Ok(()) };
    fs::write(to, content).doing(|| format!("writing {}", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644)).doing(|| format!("writing {}", to.display()))
}
