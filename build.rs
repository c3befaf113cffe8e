//! Builds the sandbox agent as a static program, which `docker_cell` embeds: it runs in images of any age and kind.
//!
//! The agent is built by a cargo of its own, with the same lock file and only crates that this build needs anyway, so it
//! works offline. Where it cannot be linked statically, the build goes on without it and cells in Docker say why they cannot
//! be had.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    for path in ["build.rs", "Cargo.lock", "Cargo.toml", "sandboxes/agent"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(variable("OUT_DIR"));
    let embedded = out.join("assay-agent");
    let (content, why_not) = match build(&out) {
        Ok(program) => (fs::read(&program).expect("the agent was built"), String::new()),
        Err(why) => {
            println!("cargo::warning=cells in Docker will not be available, because the agent cannot be built: {why}");
            (Vec::new(), why.lines().last().unwrap_or("unknown").to_owned())
        }
    };
    fs::write(&embedded, content).expect("OUT_DIR can be written");
    println!("cargo::rustc-env=ASSAY_AGENT={}", embedded.display());
    println!("cargo::rustc-env=ASSAY_AGENT_WHY_NOT={why_not}");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

fn build(out: &Path) -> Result<PathBuf, String> {
    let target = variable("TARGET");
    let folder = out.join("agent");
    let output = Command::new(variable("CARGO"))
        .args(["build", "--package", "swe-assay-agent", "--bin", "assay-agent", "--features", "program"])
        .args(["--profile", "agent", "--locked", "--offline", "--target", &target])
        .arg("--target-dir")
        .arg(&folder)
        .current_dir(variable("CARGO_MANIFEST_DIR"))
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // Under clippy this names clippy, which builds nothing.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(folder.join(target).join("agent/assay-agent"))
}
