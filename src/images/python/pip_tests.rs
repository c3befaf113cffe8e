//! pip against an index that is played: what is said of an answer, and what of a fault.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use super::environment::Environments;
use super::interpreter::PipMode;
use super::project::ProjectMetadata;
use super::recipe::Recipe;
use super::resolution::{Line, Question, Wishes};
use crate::images::cache::Cache;
use crate::images::environment_error::EnvironmentError;

/// A wheel of nothing.
fn wheel(folder: &Path, name: &str, modules: &[&str]) -> String {
    let file = format!("{name}-1-py3-none-any.whl");
    let script = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as made:\n    info = sys.argv[2] + '-1.dist-info/'\n    \
                  made.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: ' + sys.argv[2] + '\\nVersion: 1\\n')\n    \
                  made.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n    \
                  made.writestr(info + 'RECORD', '')\n    [made.writestr(module, '') for module in sys.argv[3:]]\n";
    let mut command = std::process::Command::new("/usr/bin/env");
    command.args(["python3", "-c", script]).arg(folder.join(&file)).arg(name).args(modules);
    assert!(command.status().unwrap().success());
    file
}

/// An index on this host: `/simple/NAME/` answers by name.
fn index(wheels: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}/simple", listener.local_addr().unwrap());
    let wheels = wheels.to_owned();
    std::thread::spawn(move || listener.incoming().filter_map(Result::ok).for_each(|stream| answer(stream, &wheels)));
    place
}

fn answer(mut stream: TcpStream, wheels: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let asked = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let (status, body) = match name.as_str() {
        "cut" => return,
        "down" => ("502 Bad Gateway", Vec::new()),
        "busy" => ("503 Service Unavailable", Vec::new()),
        "forbidden" => ("403 Forbidden", Vec::new()),
        file if file.ends_with(".whl") => ("200 OK", std::fs::read(wheels.join(file)).unwrap()),
        name => {
            let file = format!("{name}-1-py3-none-any.whl");
            match wheels.join(&file).is_file() {
                true => ("200 OK", format!("<!DOCTYPE html><a href=\"/files/{file}\">{file}</a>").into_bytes()),
                false => ("404 Not Found", Vec::new()),
            }
        }
    };
    let kind = if name.ends_with(".whl") { "application/zip" } else { "text/html" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // pip goes away when it likes.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// What pip comes to for a distribution of an index.
fn asked(environments: &Environments, index: &str, name: &str) -> Result<(), EnvironmentError> {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["download", "--quiet", "--retries", "1", "--no-deps", "--dest", folder.path().to_str().unwrap()];
    let env = [("PIP_INDEX_URL", index), ("PIP_CONFIG_FILE", "/dev/null"), ("PIP_NO_CACHE_DIR", "1")];
    environments.interpreter.pip(
        &environments.cache,
        PipMode::Index { env: &env },
        "asking",
        arguments.into_iter().chain([name]),
    )
}

#[test]
fn a_page_that_an_index_cannot_give_is_no_answer_and_a_page_that_is_not_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let environments = Environments::open(Cache::open(folder.path()).unwrap(), None).unwrap();
    wheel(folder.path(), "here", &[]);
    let index = index(folder.path());
    asked(&environments, &index, "here").unwrap();
    for name in ["nosuch", "here==2", "forbidden"] {
        let error = asked(&environments, &index, name).unwrap_err();
        assert!(matches!(error, EnvironmentError::Refused { .. }), "{name}: {error}");
    }
    for name in ["down", "busy", "cut"] {
        let error = asked(&environments, &index, name).unwrap_err();
        assert!(matches!(error, EnvironmentError::Unreachable { .. }), "{name}: {error}");
    }
}

#[test]
fn a_declared_line_that_brings_the_projects_modules_gives_way_and_another_project_is_asked_anew() {
    let folder = tempfile::tempdir().unwrap();
    let environments = Environments::open(Cache::open(folder.path()).unwrap(), None).unwrap();
    let recipe = Recipe::find("python-stdlib").unwrap();
    let mut wishes = Wishes::new(&recipe, &[], &[]);
    let line = |line: &str| Line { line: line.to_owned(), source: "group test".to_owned() };
    wishes.declared = vec![line("fork"), line("plain")];
    let fetch = |folder: &Path, question: &Question, _: Option<&Path>| {
        question
            .lines
            .iter()
            .for_each(|name| drop(wheel(folder, name, &[if name == "fork" { "mixer.py" } else { "other.py" }])));
        Ok(())
    };
    let settled = |modules: &[&str]| {
        let modules = modules.iter().map(|&name| name.to_owned()).collect();
        let project = ProjectMetadata { modules, ..ProjectMetadata::default() };
        let resolved = environments.resolve_by(&wishes, Some(&project), "here", &mut |_| {}, &fetch).unwrap();
        (resolved.lock.pins(None), resolved.left_out)
    };
    for _ in 0..2 {
        let (pins, left_out) = settled(&["mixer"]);
        assert_eq!(pins, ["plain==1"]);
        assert!(left_out.len() == 1 && left_out[0].starts_with("fork (group test): mixer of fork-1"), "{left_out:?}");
    }
    assert_eq!(settled(&["blender"]), (vec!["fork==1".to_owned(), "plain==1".to_owned()], Vec::new()));
}
