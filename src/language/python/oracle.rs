//! How a Python test decides: reads its source for ways that have nothing to do with what the code does.
//!
//! Such ways are source text, git, the network, the clock after a sleep, and a failure that the test catches itself.
//! What is certain is a fault and rejects. What may be honest is a doubt and caps the tier.

use std::collections::{BTreeSet, HashMap, HashSet};

use tree_sitter::Node;

use super::canary::{children, parsed};
use super::syntax::{Parents, Source, below, line};
use crate::language::reader::Project;
use crate::model::candidate::Oracle;
use crate::model::strength::Doubt;

const MARKERS: [&str; 2] = ["Issue reproduced", "Issue resolved"];
const SOURCE_OF: [&str; 5] =
    ["inspect.getsource", "inspect.getsourcelines", "inspect.findsource", "inspect.getcomments", "linecache.getlines"];
const OPENERS: [&str; 5] = ["open", "io.open", "codecs.open", "tokenize.open", "os.open"];
const RUNNERS: [&str; 9] = [
    "subprocess.run",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.Popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "os.system",
    "os.popen",
];
const TEXT_TOOLS: [&str; 9] = ["grep", "egrep", "rg", "cat", "sed", "awk", "head", "tail", "diff"];
const GIT_HISTORY: [&str; 11] =
    ["log", "diff", "show", "status", "rev-parse", "blame", "ls-files", "describe", "grep", "cat-file", "rev-list"];
const GIT_LIBRARIES: [&str; 3] = ["git", "pygit2", "dulwich"];
const FETCHERS: [&str; 17] = [
    "requests.get",
    "requests.post",
    "requests.put",
    "requests.head",
    "requests.delete",
    "requests.patch",
    "requests.request",
    "urllib.request.urlopen",
    "urllib.request.urlretrieve",
    "httpx.get",
    "httpx.post",
    "httpx.request",
    "urllib3.request",
    "socket.create_connection",
    "socket.gethostbyname",
    "http.client.HTTPConnection",
    "http.client.HTTPSConnection",
];
/// Signs that what looks like the network is stood in for.
const STAND_INS: [&str; 9] =
    ["mock", "monkeypatch", "responses", "httpretty", "respx", "vcr", "httpserver", "HTTPServer", "patch("];
const LOCAL: [&str; 5] = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "::1"];
const CLOCKS: [&str; 7] = [
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.perf_counter",
    "time.process_time",
    "time.clock",
    "timeit.default_timer",
];
const SLEEPS: [&str; 2] = ["time.sleep", "asyncio.sleep"];

/// Reads one file of a test. A script is expected to print its verdict.
pub fn screen(path: &str, text: &str, script: bool, project: &Project) -> Oracle {
    let mut oracle = Oracle::default();
    let Some(tree) = parsed(text) else {
        oracle.doubts.insert(Doubt::Unparsed);
        return oracle;
    };
    let source = Source::new(text, tree.root_node());
    let mut reading = Reading {
        path,
        source,
        parents: Parents::of(tree.root_node()),
        assertions: HashMap::new(),
        project,
        sources: project.files.iter().flat_map(|file| ends_of(file)).collect(),
        stood_in: STAND_INS.iter().any(|sign| text.contains(sign)),
        oracle,
    };
    reading.imports();
    for node in below(tree.root_node()) {
        match node.kind() {
            "call" => {
                reading.source_text(node);
                reading.program(node);
                reading.git_library(node);
                reading.network(node);
                if !script {
                    reading.prints(node);
                }
            }
            "try_statement" => reading.catches(node),
            "function_definition" => reading.clock(node),
            _ => {}
        }
    }
    if script {
        reading.clock(tree.root_node());
    }
    reading.oracle
}

struct Reading<'s, 't> {
    path: &'s str,
    source: Source<'s>,
    parents: Parents<'t>,
    /// By the ids of functions and of the module: where the first assertion in it starts and the last one ends.
    assertions: HashMap<usize, Option<(usize, usize)>>,
    project: &'s Project,
    /// Files of the repository and the ends of their paths.
    sources: HashSet<&'s str>,
    /// Something stands in for the network.
    stood_in: bool,
    oracle: Oracle,
}

/// A path, and what is left of it without its first folders.
fn ends_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.split_once('/').map(|(_, rest)| rest))
}

impl<'t> Reading<'_, 't> {
    fn fault(&mut self, node: Node, what: &str) {
        self.oracle.faults.push(format!("{}:{}: {what}", self.path, line(node)));
    }

    fn doubt(&mut self, doubt: Doubt) {
        self.oracle.doubts.insert(doubt);
    }

    fn imports(&mut self) {
        let modules: Vec<_> = self.source.imports.values().cloned().collect();
        for module in &modules {
            let first = module.trim_start_matches('.').split('.').next().unwrap_or("");
            self.oracle.uses_project |= module.starts_with('.') || self.project.modules.contains(first);
            if GIT_LIBRARIES.contains(&first) && !self.project.modules.contains(first) {
                self.doubt(Doubt::UsesGit);
            }
        }
    }

    /// Whether an expression begins with something that was imported from the repository.
    fn of_project(&self, node: Node) -> bool {
        let first = below(node).into_iter().find(|inner| inner.kind() == "identifier");
        let module = first.and_then(|name| self.source.imports.get(self.source.of(name)));
        module.is_some_and(|module| {
            let first = module.trim_start_matches('.').split('.').next().unwrap_or("");
            module.starts_with('.') || self.project.modules.contains(first)
        })
    }

    /// `module.__file__` of the repository, as it is, not a folder made from it.
    fn own_file(&self, node: Node) -> bool {
        let name = node.child_by_field_name("attribute").filter(|_| node.kind() == "attribute");
        name.is_some_and(|name| self.source.of(name) == "__file__") && self.of_project(node)
    }

    /// Whether a literal is a Python file of the repository.
    fn names_source(&self, literal: &str) -> bool {
        let wanted = literal.trim_start_matches("./");
        wanted.ends_with(".py") && self.sources.contains(wanted)
    }

    fn source_text(&mut self, call: Node) {
        let called = self.source.called(call);
        let method = self.source.method(call).to_owned();
        let (positional, keywords) = self.source.arguments(call);
        let first = positional.first().copied();
        if SOURCE_OF.contains(&called.as_str()) || method == "get_source" {
            match first.is_some_and(|first| self.of_project(first)) {
                true => self.fault(call, "reads the source text of the code under test"),
                false => self.doubt(Doubt::ReadsSource),
            }
            return;
        }
        if ["import_module", "__import__", "run_module", "run_path"].contains(&method.as_str()) {
            let literal = first.and_then(|first| self.source.literal(first)).unwrap_or("");
            let module = literal.split('.').next().unwrap_or("");
            self.oracle.uses_project |= self.project.modules.contains(module) || self.names_source(literal);
        }
        if OPENERS.contains(&called.as_str()) {
            let mode = positional.get(1).or(keywords.get("mode")).and_then(|mode| self.source.literal(*mode));
            if mode.is_none_or(|mode| !mode.contains(['w', 'a', 'x'])) {
                self.reads(call, first);
            }
        }
        let is_read = ["read_text", "read_bytes", "open"].contains(&method.as_str());
        let object = call.child_by_field_name("function").and_then(|function| function.child_by_field_name("object"));
        if let Some(object) = object.filter(|object| is_read && object.kind() == "call") {
            let inner = self.source.arguments(object).0.first().copied();
            if self.source.called(object).ends_with("Path") {
                self.reads(call, inner);
            }
        }
        if ["glob", "rglob", "iglob", "walk"].contains(&method.as_str()) {
            let python = positional.iter().any(|one| self.source.literals(*one).iter().any(|l| l.ends_with(".py")));
            if python {
                self.doubt(Doubt::ReadsSource);
            }
        }
    }

    fn reads(&mut self, call: Node, what: Option<Node>) {
        let Some(what) = what else { return };
        let literal = self.source.literal(what);
        if self.own_file(what) || literal.is_some_and(|literal| self.names_source(literal)) {
            self.fault(call, "reads the source text of the code under test");
        } else if literal.is_some_and(|literal| literal == ".git" || literal.starts_with(".git/")) {
            self.fault(call, "reads git state");
        } else if below(what).iter().any(|inner| self.own_file(*inner))
            || self.source.literals(what).iter().any(|literal| self.names_source(literal))
        {
            self.doubt(Doubt::ReadsSource);
        }
    }

    /// Another program: git, or one that prints files.
    fn program(&mut self, call: Node) {
        if !RUNNERS.contains(&self.source.called(call).as_str()) {
            return;
        }
        let (positional, keywords) = self.source.arguments(call);
        let Some(first) = positional.first().copied().or(keywords.get("args").copied()) else { return };
        let mut words: Vec<&str> = Vec::new();
        for literal in self.source.literals(first) {
            words.extend(literal.split_whitespace());
        }
        let named = |word: &&str| {
            let module = word.split('.').next().unwrap_or("");
            self.project.modules.contains(module) || self.names_source(word)
        };
        self.oracle.uses_project |= words.iter().any(named);
        let elsewhere = keywords.contains_key("cwd") || words.contains(&"-C");
        match words.first().copied() {
            Some("git") if !elsewhere && words.iter().any(|word| GIT_HISTORY.contains(word)) => {
                self.fault(call, "reads git state");
            }
            Some("git") => self.doubt(Doubt::UsesGit),
            Some(tool) if TEXT_TOOLS.contains(&tool) => match words.iter().any(|word| self.names_source(word)) {
                true => self.fault(call, "reads the source text of the code under test"),
                false => self.doubt(Doubt::ReadsSource),
            },
            _ => {}
        }
    }

    fn git_library(&mut self, call: Node) {
        let called = self.source.called(call);
        if !["git.Repo", "pygit2.Repository", "dulwich.repo.Repo"].contains(&called.as_str()) {
            return;
        }
        let (positional, _) = self.source.arguments(call);
        let here =
            positional.first().is_none_or(|first| matches!(self.source.literal(*first), Some("" | "." | ".git")));
        match here {
            true => self.fault(call, "reads git state"),
            false => self.doubt(Doubt::UsesGit),
        }
    }

    fn network(&mut self, call: Node) {
        if !FETCHERS.contains(&self.source.called(call).as_str()) {
            return;
        }
        let (positional, keywords) = self.source.arguments(call);
        let literals: Vec<_> =
            positional.iter().chain(keywords.values()).flat_map(|one| self.source.literals(*one)).collect();
        let local = literals.iter().any(|literal| LOCAL.iter().any(|name| literal.contains(name)));
        let remote = literals.iter().any(|literal| literal.contains('.') || literal.contains("://"));
        match remote && !local && !self.stood_in {
            true => self.fault(call, "asks the network"),
            false if local => {}
            false => self.doubt(Doubt::UsesNetwork),
        }
    }

    fn prints(&mut self, call: Node<'t>) {
        if !["print", "sys.stdout.write"].contains(&self.source.called(call).as_str()) {
            return;
        }
        let (positional, _) = self.source.arguments(call);
        let printed = positional.iter().flat_map(|one| self.source.literals(*one));
        let marked = printed.into_iter().any(|text| MARKERS.iter().any(|marker| text.contains(marker)));
        if !marked {
            return;
        }
        match self.assertions_around(call) {
            Some(_) => self.doubt(Doubt::PrintsVerdict),
            None => self.fault(call, "prints a verdict and asserts nothing"),
        }
    }

    /// Where the assertions begin and end of the function that a node stands in, or of the module; `None` if it has none.
    fn assertions_around(&mut self, node: Node<'t>) -> Option<(usize, usize)> {
        let mut around = node;
        for above in self.parents.above(node) {
            around = above;
            if around.kind() == "function_definition" {
                break;
            }
        }
        if let Some(known) = self.assertions.get(&around.id()) {
            return *known;
        }
        let found = below(around).into_iter().filter(|node| self.asserts(*node)).map(|node| node.byte_range());
        let ends = found.map(|at| (at.start, at.end)).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        self.assertions.insert(around.id(), ends);
        ends
    }

    fn asserts(&self, node: Node) -> bool {
        let called = self.source.method(node);
        let lower = called.to_ascii_lowercase();
        node.kind() == "assert_statement"
            || node.kind() == "raise_statement"
            || lower.starts_with("assert")
            || ["fail", "raises", "warns", "verify", "check"].contains(&lower.as_str())
    }

    /// A statement that always fails: `assert False`, `raise AssertionError`, `self.fail()`.
    fn always_fails(&self, node: Node) -> bool {
        match node.kind() {
            "assert_statement" => {
                let condition = children(node).first().map_or("", |condition| self.source.of(*condition));
                ["False", "0", "None", "(False)"].contains(&condition)
            }
            "raise_statement" => self.source.of(node).trim_start_matches("raise").trim().starts_with("AssertionError"),
            "call" => self.source.method(node) == "fail" && self.source.called(node) != "pytest.fail",
            _ => false,
        }
    }

    /// `try: ... assert False ... except Exception: pass`: a failure that cannot be seen.
    fn catches(&mut self, statement: Node<'t>) {
        let Some(body) = statement.child_by_field_name("body") else { return };
        let Some(failing) = below(body).into_iter().find(|node| self.always_fails(*node)) else { return };
        // A nested try has its own handlers; a nested function fails elsewhere.
        let owner = self
            .parents
            .above(failing)
            .find(|node| ["try_statement", "function_definition", "lambda"].contains(&node.kind()));
        if owner != Some(statement) {
            return;
        }
        let mut handlers = children(statement).into_iter().filter(|child| child.kind() == "except_clause");
        let Some(handler) = handlers.find(|handler| self.catches_assertions(*handler)) else { return };
        let answers = below(handler).into_iter().any(|node| self.asserts(node));
        if answers {
            return;
        }
        let outside = |(start, end): (usize, usize)| start < statement.start_byte() || statement.end_byte() < end;
        match self.assertions_around(statement).is_some_and(outside) {
            true => self.doubt(Doubt::CatchesOwnFailure),
            false => self.fault(failing, "fails and catches its own failure"),
        }
    }

    fn catches_assertions(&self, handler: Node) -> bool {
        let head = self.source.of(handler).split(':').next().unwrap_or("");
        let caught = head.trim_start_matches("except").split(" as ").next().unwrap_or("");
        let mut names = caught.split([',', '(', ')', ' ', '*']).filter(|name| !name.is_empty());
        caught.trim().is_empty() || names.any(|name| ["AssertionError", "Exception", "BaseException"].contains(&name))
    }

    /// An assertion over clock readings with a sleep beside it.
    fn clock(&mut self, scope: Node) {
        let nodes = below(scope);
        let calls = |node: &Node, names: &[&str]| names.contains(&self.source.called(*node).as_str());
        let sleeps = nodes.iter().any(|node| calls(node, &SLEEPS));
        let mut read: BTreeSet<&str> = BTreeSet::new();
        for node in nodes.iter().filter(|node| node.kind() == "assignment") {
            let (left, right) = (node.child_by_field_name("left"), node.child_by_field_name("right"));
            if let (Some(left), Some(right)) = (left, right) {
                let from_clock = below(right).iter().any(|inner| {
                    calls(inner, &CLOCKS) || (inner.kind() == "identifier" && read.contains(self.source.of(*inner)))
                });
                if from_clock {
                    read.insert(self.source.of(left));
                }
            }
        }
        let compared = nodes.iter().find(|node| {
            let asserting = node.kind() == "assert_statement" || self.source.method(**node).starts_with("assert");
            asserting
                && below(**node).iter().any(|inner| {
                    calls(inner, &CLOCKS) || (inner.kind() == "identifier" && read.contains(self.source.of(*inner)))
                })
        });
        let at = compared.copied();
        match (sleeps, at) {
            (true, Some(at)) => self.fault(at, "sleeps and compares clock readings"),
            (true, None) | (false, Some(_)) => self.doubt(Doubt::UsesClock),
            (false, None) => {}
        }
    }
}

#[cfg(test)]
#[path = "oracle_tests.rs"]
mod tests;
