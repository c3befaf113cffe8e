//! Tokens of a Python file.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use tree_sitter::Node;

use super::names::Names;
use super::syntax::{named, nodes, text};
use super::{equality, main_block, posing};
use crate::language::python::source::parse;
use crate::language::python::syntax::Parents;
use crate::language::reader::Signs;
use crate::model::screen::Token;

/// Modules of test runners, and of ours.
const RUNNERS: [&str; 10] =
    ["pytest", "_pytest", "py.test", "unittest", "unittest2", "nose", "nose2", "doctest", "pluggy", "xdist"];
const OURS: [&str; 4] = ["assay_channel", "assay_pytest", "assay_unittest", "assay_plain"];
/// Where code learns what it runs under.
const SURROUNDINGS: [&str; 12] = [
    "argv",
    "orig_argv",
    "modules",
    "co_name",
    "co_filename",
    "co_qualname",
    "f_code",
    "stack",
    "currentframe",
    "_getframe",
    "__main__",
    "extract_stack",
];
/// Functions that give the whole stack of calls.
const STACKS: [&str; 6] = [
    "inspect.stack",
    "inspect.trace",
    "inspect.getouterframes",
    "traceback.extract_stack",
    "traceback.format_stack",
    "traceback.walk_stack",
];
const CI_VARIABLES: [&str; 8] = [
    "CI",
    "CONTINUOUS_INTEGRATION",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "TRAVIS",
    "JENKINS_URL",
    "TOX_ENV_NAME",
    "BUILD_ID",
];
const LIBRARIES: [&str; 24] = [
    "builtins",
    "__builtins__",
    "json",
    "os",
    "io",
    "sys",
    "math",
    "re",
    "time",
    "datetime",
    "random",
    "decimal",
    "operator",
    "functools",
    "itertools",
    "collections",
    "pathlib",
    "importlib",
    "inspect",
    "traceback",
    "threading",
    "subprocess",
    "socket",
    "linecache",
];

/// What the screen reads of a file, with tokens on wanted lines.
pub(crate) fn signs(source: &str, wanted: &dyn Fn(u32) -> bool) -> Signs {
    // What is not read may do anything.
    let Some(tree) = parse(source) else { return Signs { poses: true, ..Signs::default() } };
    let (nodes, parents) = (nodes(tree.root_node()), Parents::of(tree.root_node()));
    let reader = Reader::over(&nodes, &parents, source, wanted);
    // What stands elsewhere on its line too is not the main program's alone.
    let of_main_program = reader.in_main.difference(&reader.found).copied().collect();
    let poses = posing::poses(&nodes, &parents, &reader.names, source);
    Signs { tokens: reader.found.union(&reader.in_main).copied().collect(), of_main_program, poses }
}

/// Every token of a file.
pub(crate) fn tokens(source: &str) -> BTreeSet<Token> {
    let Some(tree) = parse(source) else { return BTreeSet::new() };
    let (nodes, parents) = (nodes(tree.root_node()), Parents::of(tree.root_node()));
    let reader = Reader::over(&nodes, &parents, source, &|_| true);
    reader.found.iter().chain(&reader.in_main).map(|(token, _)| *token).collect()
}

struct Reader<'s, 'w> {
    source: &'s str,
    names: Names<'s>,
    parents: &'w Parents<'w>,
    /// Names that loops bind, with the loops and what these stand in.
    loops: BTreeMap<&'s str, HashSet<usize>>,
    wanted: &'w dyn Fn(u32) -> bool,
    /// Whether the text of a node speaks of the environment, by its id: a list may hold the same word many times.
    environment: HashMap<usize, bool>,
    found: BTreeSet<(Token, u32)>,
    /// What only a program's own process comes to: `os._exit` where the file is the main program.
    in_main: BTreeSet<(Token, u32)>,
    /// A wanted line that holds a runner's name as a text.
    runner_named: Option<u32>,
    /// A wanted line that compares with a text about tests.
    test_named: Option<u32>,
    /// A wanted line uses modules, arguments or frames.
    looks_around: bool,
}

impl<'s, 'w> Reader<'s, 'w> {
    fn over(nodes: &[Node], parents: &'w Parents<'w>, source: &'s str, wanted: &'w dyn Fn(u32) -> bool) -> Self {
        let mut reader = Self {
            source,
            names: Names::of(nodes, source),
            parents,
            loops: loops(nodes, parents, source),
            wanted,
            environment: HashMap::new(),
            found: BTreeSet::new(),
            in_main: BTreeSet::new(),
            runner_named: None,
            test_named: None,
            looks_around: false,
        };
        nodes.iter().for_each(|node| reader.read(*node));
        // The name in one place and the look in another come to the same.
        let framed = reader.found.iter().any(|(token, _)| *token == Token::Frames);
        let asked = [reader.runner_named.filter(|_| reader.looks_around), reader.test_named.filter(|_| framed)];
        reader.found.extend(asked.into_iter().flatten().map(|line| (Token::RunnerPresence, line)));
        reader
    }
}

impl Reader<'_, '_> {
    fn add(&mut self, token: Token, node: Node) {
        if let Some(line) = self.line(node) {
            self.found.insert((token, line));
        }
    }

    /// The first wanted line that a node stands on.
    fn line(&self, node: Node) -> Option<u32> {
        let number = |row: usize| u32::try_from(row + 1).unwrap_or(u32::MAX);
        (number(node.start_position().row)..=number(node.end_position().row)).find(|line| (self.wanted)(*line))
    }

    fn text(&self, node: Node) -> &str {
        text(node, self.source)
    }

    fn read(&mut self, node: Node) {
        match node.kind() {
            "import_statement" | "import_from_statement" => self.import(node),
            "identifier" => {
                if let Some(dotted) = self.names.resolved(node).filter(|_| !self.is_a_definition(node)) {
                    self.name(node, &dotted);
                }
            }
            "attribute" => {
                let attribute = node.child_by_field_name("attribute").map_or("", |a| text(a, self.source)).to_owned();
                self.attribute(node, &attribute);
                if let Some(dotted) = self.names.dotted(node) {
                    self.name(node, &dotted);
                }
            }
            "subscript" => {
                if let Some(dotted) = self.names.dotted(node) {
                    self.name(node, &dotted);
                }
                self.string(node);
            }
            "call" => {
                self.call(node);
                self.string(node);
            }
            "assignment" | "augmented_assignment" => {
                if let Some(left) = node.child_by_field_name("left") {
                    self.changed(left);
                }
                self.bound(node);
            }
            "delete_statement" => named(node).into_iter().for_each(|target| self.changed(target)),
            "pair" | "keyword_argument" => self.bound(node),
            "string" | "concatenated_string" | "binary_operator" => self.string(node),
            "comparison_operator" => self.question(node),
            "except_clause" => self.except(node),
            "function_definition" => self.function(node),
            _ => {}
        }
    }

    fn import(&mut self, node: Node) {
        let mut modules: Vec<String> = Vec::new();
        if let Some(module) = node.child_by_field_name("module_name") {
            let module = self.text(module).to_owned();
            for item in named(node).into_iter().skip(1) {
                let name = item.child_by_field_name("name").unwrap_or(item);
                self.name(node, &format!("{module}.{}", text(name, self.source)));
            }
            modules.push(module);
        } else {
            let items = named(node);
            modules.extend(
                items.iter().map(|item| self.text(item.child_by_field_name("name").unwrap_or(*item)).to_owned()),
            );
        }
        for module in modules {
            self.imported(node, &module);
        }
    }

    fn imported(&mut self, node: Node, module: &str) {
        if starts_with_any(module, &RUNNERS) {
            self.add(Token::ImportsRunner, node);
        }
        if starts_with_any(module, &OURS) {
            self.add(Token::RunnerPresence, node);
        }
        if starts_with_any(module, &["ctypes", "cffi", "_ctypes"]) {
            self.add(Token::Ctypes, node);
        }
    }

    /// A dotted name that is used.
    fn name(&mut self, node: Node, dotted: &str) {
        if matches!(dotted, "os._exit" | "posix._exit") && main_block::holds(node, self.parents, self.source) {
            self.in_main.extend(self.line(node).map(|line| (Token::HardExit, line)));
            return;
        }
        let token = match dotted {
            "os._exit" | "os.abort" | "posix._exit" | "posix.abort" | "signal.raise_signal" => Token::HardExit,
            "gc.get_objects" | "gc.get_referrers" | "gc.get_referents" | "object.__subclasses__" => Token::ObjectScan,
            "sys.modules" => {
                self.modules(node);
                Token::ModuleTable
            }
            "sys._getframe"
            | "sys._current_frames"
            | "sys.settrace"
            | "sys.setprofile"
            | "sys.gettrace"
            | "sys.getprofile"
            | "sys.monitoring"
            | "threading.settrace"
            | "threading.setprofile"
            | "inspect.stack"
            | "inspect.trace"
            | "inspect.currentframe"
            | "inspect.getouterframes"
            | "traceback.extract_stack"
            | "traceback.format_stack"
            | "traceback.walk_stack" => Token::Frames,
            "sys.meta_path" | "sys.path_hooks" | "sys.path_importer_cache" | "sys.path" => Token::ImportHooks,
            "atexit.register" | "signal.signal" | "weakref.finalize" | "threading._register_atexit" => Token::ExitHooks,
            "os.fork" | "os.forkpty" | "os.dup2" | "os.dup" | "os.closerange" | "os.execv" | "os.execve"
            | "os.execvp" | "os.kill" | "os.killpg" => Token::ProcessControl,
            "exec" | "eval" | "compile" | "__import__" | "builtins.exec" | "builtins.eval" | "builtins.compile" => {
                Token::DynamicCode
            }
            _ if dotted.starts_with("faulthandler._") => Token::HardExit,
            _ if dotted.starts_with("ctypes.") => Token::Ctypes,
            _ => return,
        };
        if matches!(token, Token::ModuleTable | Token::Frames) && self.line(node).is_some() {
            self.looks_around = true;
        }
        self.add(token, node);
    }

    fn attribute(&mut self, node: Node, attribute: &str) {
        match attribute {
            "f_locals" | "co_consts" => self.add(Token::CallerLocals, node),
            "f_back" | "tb_frame" | "f_globals" | "f_code" | "gi_frame" | "cr_frame" => self.add(Token::Frames, node),
            "argv" | "orig_argv" if self.line(node).is_some() => self.looks_around = true,
            _ => {}
        }
    }

    /// The table of modules as a whole, rather than one entry of it.
    fn modules(&mut self, node: Node) {
        let Some(parent) = self.parents.parent(node) else { return };
        let scanned = match parent.kind() {
            "attribute" => {
                let method = parent.child_by_field_name("attribute").map_or("", |a| text(a, self.source));
                let entry = ["get", "pop", "setdefault", "__contains__", "__getitem__", "__setitem__", "__delitem__"];
                parent.child_by_field_name("object") == Some(node) && !entry.contains(&method)
            }
            "for_statement" | "for_in_clause" => parent.child_by_field_name("right") == Some(node),
            "argument_list" | "list_splat" | "dictionary_splat" | "list" | "tuple" | "set" => true,
            _ => false,
        };
        if scanned {
            self.add(Token::ModuleScan, node);
        }
    }

    fn string(&mut self, node: Node) {
        let Some(text) = self.names.text_of(node) else { return };
        if text.starts_with("/proc/") || text == "/proc" || text.starts_with("/dev/fd") {
            self.add(Token::ProcessFiles, node);
        }
        if text.starts_with("PYTEST_") || text == "_called_from_test" || OURS.contains(&text.as_str()) {
            self.add(Token::RunnerPresence, node);
        }
        if matches!(text.as_str(), "f_locals" | "co_consts") {
            self.add(Token::CallerLocals, node);
        }
        if RUNNERS.contains(&text.as_str()) && text != "doctest" {
            self.runner_named = self.runner_named.or(self.line(node));
        }
        if CI_VARIABLES.contains(&text.as_str())
            && let Some(around) = self.parents.above(node).nth(1)
        {
            let said = super::syntax::text(around, self.source);
            let asks = || said.contains("environ") || said.contains("getenv");
            if *self.environment.entry(around.id()).or_insert_with(asks) {
                self.add(Token::CiEnvironment, node);
            }
        }
    }

    /// A comparison, or a call that compares texts: does it ask for a runner or a test?
    fn question(&mut self, node: Node) {
        let below = nodes(node);
        let texts: Vec<_> = below.iter().filter_map(|node| self.names.text_of(*node)).collect();
        let named = |part: &str| texts.iter().any(|text| text.to_ascii_lowercase().contains(part));
        let looks = below.iter().any(|node| {
            let word = match node.kind() {
                "identifier" => self.names.dotted(*node).unwrap_or_default(),
                _ => return false,
            };
            SURROUNDINGS.contains(&word.rsplit('.').next().unwrap_or_default())
        });
        if named("pytest") || named("unittest") || (looks && named("test")) {
            self.add(Token::RunnerPresence, node);
        } else if named("test") {
            self.test_named = self.test_named.or(self.line(node));
        }
    }

    /// Whether something below takes the whole stack of calls.
    fn names_a_stack(&self, node: Node) -> bool {
        nodes(node)
            .into_iter()
            .filter_map(|node| self.names.dotted(node))
            .any(|dotted| STACKS.contains(&dotted.as_str()))
    }

    fn call(&mut self, node: Node) {
        let (Some(function), Some(arguments)) =
            (node.child_by_field_name("function"), node.child_by_field_name("arguments"))
        else {
            return;
        };
        if let Some(dotted) = self.names.dotted(node) {
            self.name(node, &dotted);
        }
        let called = self.names.dotted(function).unwrap_or_default();
        if function.kind() == "identifier" {
            self.name(function, &called);
        }
        if called == "len" && self.names_a_stack(arguments) {
            self.add(Token::StackDepth, node);
        }
        let arguments = named(arguments);
        let first = arguments.first().copied();
        let method = function.child_by_field_name("attribute").unwrap_or(function);
        let method = text(method, self.source);
        match method {
            "startswith" | "endswith" | "find" | "index" | "count" | "__contains__" | "search" | "match"
            | "fullmatch" | "find_spec" | "hasattr" => self.question(node),
            "setattr" | "delattr" | "__setattr__" | "__delattr__" | "update" => {
                let target = if method == "update" { function.child_by_field_name("object") } else { first };
                if let Some(target) = target {
                    self.changed_object(target, node);
                }
                self.bound(node);
            }
            _ => {}
        }
        let Some(first) = first else { return };
        match called.as_str() {
            "os.kill" | "os.killpg" if self.is_own_process(first) => self.add(Token::HardExit, node),
            "os.write" | "posix.write" | "os.writev" | "os.pwrite" | "os.fdopen" | "os.close" | "io.FileIO"
                if self.is_number(first) =>
            {
                self.add(Token::RawDescriptors, node);
            }
            "open" | "io.open" | "builtins.open" if self.is_number(first) => {
                let mode = arguments.get(1).map_or("", |mode| self.text(*mode));
                if mode.contains(['w', 'a', 'x', '+']) {
                    self.add(Token::RawDescriptors, node);
                }
            }
            "__import__" | "importlib.import_module" => {
                if let Some(module) = self.names.text_of(first) {
                    self.imported(node, &module);
                }
            }
            "getattr" if self.names.is_imported(first) && self.names.dotted(node).is_none() => {
                self.add(Token::DynamicCode, node);
            }
            _ => {}
        }
    }

    /// A lambda bound to a name.
    fn bound(&mut self, node: Node) {
        if equality::binds_always_equal(node, self.source, &self.names) {
            self.add(Token::AlwaysEqual, node);
        }
    }

    fn is_own_process(&self, node: Node) -> bool {
        let function = node.child_by_field_name("function").and_then(|function| self.names.dotted(function));
        let own = ["os.getpid", "os.getppid", "os.getpgrp", "os.getpgid", "posix.getpid"];
        self.text(node) == "0" || function.is_some_and(|function| own.contains(&function.as_str()))
    }

    /// A number as such, or what a loop counts.
    fn is_number(&self, node: Node) -> bool {
        let counts = |loops: &HashSet<usize>| self.parents.above(node).any(|around| loops.contains(&around.id()));
        node.kind() == "integer" || (node.kind() == "identifier" && self.loops.get(self.text(node)).is_some_and(counts))
    }

    /// Identifiers that name something here rather than use it.
    fn is_a_definition(&self, node: Node) -> bool {
        let Some(parent) = self.parents.parent(node) else { return false };
        let field = |name| parent.child_by_field_name(name) == Some(node);
        match parent.kind() {
            "attribute" => field("attribute"),
            "keyword_argument" | "function_definition" | "class_definition" => field("name"),
            "dotted_name" | "aliased_import" => true,
            "assignment" => field("left"),
            _ => false,
        }
    }

    /// A target of an assignment.
    fn changed(&mut self, target: Node) {
        match target.kind() {
            "attribute" => {
                let attribute = target.child_by_field_name("attribute").map_or("", |a| text(a, self.source));
                if matches!(attribute, "__class__" | "__code__") {
                    self.add(Token::PatchesLibrary, target);
                }
                if let Some(object) = target.child_by_field_name("object") {
                    self.changed_object(object, target);
                }
            }
            "subscript" => {
                if let Some(object) = target.child_by_field_name("value").filter(|o| self.text(*o) != "__builtins__") {
                    let dotted = self.names.dotted(object).unwrap_or_default();
                    if dotted.ends_with(".__dict__") {
                        self.changed_object(object, target);
                    }
                } else {
                    self.add(Token::PatchesLibrary, target);
                }
            }
            "pattern_list" | "tuple_pattern" | "list_pattern" => {
                named(target).into_iter().for_each(|part| self.changed(part));
            }
            _ => {}
        }
    }

    fn changed_object(&mut self, object: Node, place: Node) {
        let Some(dotted) = self.names.dotted(object).filter(|_| self.names.is_imported(object)) else { return };
        if starts_with_any(&dotted, &RUNNERS) || starts_with_any(&dotted, &OURS) {
            self.add(Token::PatchesRunner, place);
        } else if starts_with_any(&dotted, &LIBRARIES) {
            self.add(Token::PatchesLibrary, place);
        }
    }

    fn except(&mut self, node: Node) {
        let clause = named(node);
        let caught = clause.iter().find(|child| child.kind() != "block").map_or("", |caught| self.text(*caught));
        let caught = caught.split(" as ").next().unwrap_or_default().trim();
        let row = u32::try_from(node.start_position().row + 1).unwrap_or(u32::MAX);
        if matches!(caught, "" | "BaseException" | "Exception") && (self.wanted)(row) {
            self.found.insert((Token::BroadExcept, row));
        }
    }

    fn function(&mut self, node: Node) {
        if node.child_by_field_name("name").is_some_and(|name| self.text(name) == "__del__") {
            self.add(Token::ExitHooks, node);
        } else if equality::defines_always_equal(node, self.source) {
            self.add(Token::AlwaysEqual, node);
        }
    }
}

fn starts_with_any(dotted: &str, modules: &[&str]) -> bool {
    modules
        .iter()
        .any(|module| dotted.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Names that loops bind, with the ids of the loops and of what these stand in: a name counts in the loop and beside it.
fn loops<'s>(nodes: &[Node], parents: &Parents, source: &'s str) -> BTreeMap<&'s str, HashSet<usize>> {
    let mut loops: BTreeMap<_, HashSet<usize>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| matches!(node.kind(), "for_statement" | "for_in_clause")) {
        let bound = node.child_by_field_name("left").map_or("", |left| text(left, source));
        loops.entry(bound).or_default().extend([*node].into_iter().chain(parents.parent(*node)).map(|node| node.id()));
    }
    loops
}
