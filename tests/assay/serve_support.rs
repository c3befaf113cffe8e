//! A running `assay serve` over the small world.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use swe_assay::inside::sandbox::Engine;

use crate::small_world::{World, cell, repairs};
use crate::support::assay;

/// The small world, admitted once for tests that run at the same time.
pub fn world() -> Arc<World> {
    static SHARED: Mutex<Weak<World>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let world = Arc::new(World::admitted(Engine::Cell(cell())));
        *shared = Arc::downgrade(&world);
        world
    })
}

pub struct Served {
    _world: Arc<World>,
    /// Goes with the service.
    folder: Option<tempfile::TempDir>,
    child: Child,
    pub url: String,
    pub run: PathBuf,
    client: reqwest::Client,
}

impl Served {
    /// A service with a run directory of its own.
    pub fn start(arguments: &[&str], token: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = world();
        let run = folder.path().join("run");
        world.copy_run(&run);
        let import = world.import();
        let mut served = Self::over(world, &import, &run, arguments, token);
        served.folder = Some(folder);
        served
    }

    /// A service with a run directory of its own, and the file that its messages go to.
    pub fn logged(arguments: &[&str]) -> (Self, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let world = world();
        let (run, log) = (folder.path().join("run"), folder.path().join("log"));
        world.copy_run(&run);
        let import = world.import();
        let mut served = Self::spawn(world, &import, &run, arguments, None, File::create(&log).unwrap().into());
        served.folder = Some(folder);
        (served, log)
    }

    /// A service over an import and a run directory that stay.
    pub fn over(world: Arc<World>, import: &Path, run: &Path, arguments: &[&str], token: Option<&str>) -> Self {
        Self::spawn(world, import, run, arguments, token, Stdio::inherit())
    }

    fn spawn(
        world: Arc<World>,
        import: &Path,
        run: &Path,
        arguments: &[&str],
        token: Option<&str>,
        messages: Stdio,
    ) -> Self {
        let mut command = assay();
        command.arg("serve").arg(import).args(["--json", "--run"]).arg(run).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.env_remove("ASSAY_TOKEN").stdout(Stdio::piped()).stderr(messages);
        if let Some(token) = token {
            command.env("ASSAY_TOKEN", token);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let url = said["listening"].as_str().unwrap().to_owned();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { _world: world, folder: None, child, url, run: run.to_owned(), client }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn ready(&self) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.get("/readyz").await.status() != 200 {
            assert!(Instant::now() < until, "not ready after two minutes");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    /// A question that is answered.
    pub async fn ask(&self, question: &Value) -> Value {
        let response = self.post("/v1/verify", question).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{question}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until a question was taken.
    pub async fn busy(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.metric("assay_questions_running").await + self.metric("assay_trials_total").await == 0.0 {
            assert!(Instant::now() < until, "no question was taken");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ends.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal();
        self.child.wait().unwrap()
    }

    /// How it ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub fn signal(&self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Ended already where the test did so.
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.folder.take());
    }
}

/// A repair that replaces `calc.py`.
pub fn repair(source: &str) -> Value {
    let (skill, completion) = repairs(&[source]).remove(0);
    json!({"instance_id": "small__calc", "skill": skill, "completion": completion})
}

/// Command lines of the processes below one.
pub fn below(pid: u32) -> Vec<String> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may hold anything; what follows its last parenthesis is state and parent.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        if let Some(parent) = after.split_whitespace().nth(1).and_then(|parent| parent.parse::<u32>().ok()) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            parents.push((child, parent, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    let mut found = vec![pid];
    let mut lines = Vec::new();
    while let Some(parent) = found.pop() {
        for (child, _, line) in parents.iter().filter(|(_, of, _)| *of == parent) {
            found.push(*child);
            lines.push(line.clone());
        }
    }
    lines
}
