"""What the script that runs test bodies apart is to do: which files, made neutral, and which tests of them.

Python 3.5 and newer, standard library only.
"""

import ast
import os
import sys

from assay_neutral import (AROUND, HOOKS, LOADERS, METHODS, MODULE_NOTES, RUNNERS, Neutral, Unsuited, bound, compiled,
                           definitions, identifiers, imported, main_guard, runner_hook, runner_names, speaks_of_tests)


class Work(object):
    """What the script is to do: its own code, and the test files with the tests that are wanted of them."""

    def __init__(self, sources, workdir, runner, words, script):
        self.workdir, self.runner, self.words, self.script = workdir, runner, words, script
        self.own = ast.parse(b"\n".join(sources))
        self.everywhere = set(METHODS) | set(HOOKS) | {MODULE_NOTES} | {name for pair in AROUND for name in pair}
        self.everywhere |= {name for name in identifiers(self.own) if name.startswith("assert")}
        self.trees, self.used, self.paths = {}, set(), []
        # Path -> part, or None for one that is being made or cannot be.
        self.helpers = {}

    def tree(self, path):
        if path not in self.trees:
            self.trees[path] = parsed(os.path.join(self.workdir, path))
            if self.trees[path] is not None:
                self.words.taken |= identifiers(self.trees[path])
        return self.trees[path]

    def script_code(self):
        self.words.taken |= identifiers(self.own)
        kinds = (ast.FunctionDef, ast.ClassDef)
        top = {node.name for node in self.own.body if isinstance(node, kinds)} | {"note_other"}
        return compiled(Neutral(self.words, top, self.everywhere), self.own, self.script)

    def part(self, path, wanted, own_names=True):
        """A file made ready to run; None where it uses what has no stand-in."""
        tree = self.tree(path)
        if tree is None:
            return None
        # What others import by name keeps it.
        names = {name for name in definitions(tree) | bound(tree) if name in wanted or speaks_of_tests(name)}
        names = names if own_names else set()
        helpers = self.with_helpers(path, tree)
        try:
            neutral = Neutral(self.words, names, self.everywhere, runner_names(tree))
        except Unsuited:
            return None
        wants_file = "__file__" in identifiers(tree)
        self.find_neighbours(path, tree)
        tree.body = [node for node in tree.body if not main_guard(node) and not runner_hook(node)]
        if ast.get_docstring(tree, clean=False) is not None:
            del tree.body[0]
        code = compiled(neutral, tree, self.script)
        self.used |= neutral.used
        return {
            "code": code, "mock": neutral.mock, "package": package_of(path, self.workdir)[0] if relative(tree) else None,
            "helpers": helpers, "hidden": sorted(imported(tree).intersection(LOADERS)),
            "file": os.path.join(self.workdir, path) if wants_file else self.script,
        }

    def with_helpers(self, path, tree):
        """Makes the modules beside a test file neutral that use the runner too, points the imports of the file at them, and
        gives them, those first that others need."""
        folder, found = os.path.dirname(path), []

        def neutral(name):
            helper = folder + "/" + name + ".py"
            if not any(part.startswith("test") for part in folder.split("/")) or self.tree(helper) is None:
                return None
            if helper not in self.helpers:
                if not imported(self.tree(helper)).intersection(RUNNERS):
                    return None
                self.helpers[helper] = None
                made = self.part(helper, set(), own_names=False)
                self.helpers[helper] = made and dict(made, module=self.words.of("module " + helper))
            made = self.helpers[helper]
            if made is None:
                return None
            found.extend(one for one in made["helpers"] + [made] if one not in found)
            return made["module"]

        class Imports(ast.NodeTransformer):
            def visit_ImportFrom(self, node):
                if node.level == 1 and node.module is None:
                    names = [neutral(alias.name) for alias in node.names]
                    if not all(names):
                        return node
                    aliases = [ast.alias(name, alias.asname or alias.name) for name, alias in zip(names, node.names)]
                    return ast.copy_location(ast.Import(aliases), node)
                where, _, last = (node.module or "").rpartition(".")
                here = not where if node.level == 1 else node.level == 0 and where in beside
                name = neutral(last) if here else None
                return ast.copy_location(ast.ImportFrom(name, node.names, 0), node) if name else node

        package = package_of(path, self.workdir)[0]
        # As a package, by its path from the work directory, and by the directory that a runner adds.
        beside = {package or "", folder.replace("/", ".")}
        Imports().visit(tree)
        return found

    def find_neighbours(self, path, tree):
        """Adds the directory that the runner would add, where the file imports something of it."""
        root = os.path.join(self.workdir, package_of(path, self.workdir)[1])
        near = any(os.path.exists(os.path.join(root, name + end)) for name in imported(tree) for end in ("", ".py"))
        if (relative(tree) or (near and self.runner == "pytest")) and root not in sys.path + self.paths:
            self.paths.append(root)


def prepare(sources, files, only, workdir, runner, words, script):
    """The work of the script, and the ids of its tests by number. Files that use what has no stand-in are left out."""
    work = Work(sources, workdir, runner, words, script)
    asked = {path: [] for path in files}
    for name in only:
        path, _, rest = name.partition("::")
        if path in asked and rest:
            where, bracket, values = rest.partition("[")
            asked[path].append((name, where.split("::"), values[:-1] if bracket else None))
    chains = {path: conftests(path, workdir) if runner == "pytest" else [] for path in files}
    for path in [name for path in files for name in chains[path] + [path]]:
        work.tree(path)
    code = work.script_code()
    makers = {name: work.part(name, set()) for name in sorted({name for chain in chains.values() for name in chain})}
    ids, parts = [], []
    for path in files:
        wanted = {one for _, where, _ in asked[path] for one in where}
        part = work.part(path, wanted)
        if part is None:
            continue
        known, tests, bodies = definitions(work.trees[path]) | wanted, {}, []
        # In the order of the ids: the new names have another one in every run.
        for name, where, values in sorted(asked[path], key=lambda one: (one[1][:-1], one[0])):
            where = tuple(words.given.get(one, one) if one in known else one for one in where)
            if where not in tests:
                tests[where] = {"owner": where[:-1], "name": where[-1], "wanted": {}}
                bodies.append(tests[where])
            tests[where]["wanted"][values] = len(ids)
            ids.append(name)
        before = [makers[one] for one in chains[path] if makers[one] is not None]
        parts.append(dict(part, number=files.index(path), before=before, bodies=bodies))
    return {
        "code": code, "files": parts, "used": sorted(words.of(name) for name in work.used),
        "module_notes": words.of(MODULE_NOTES), "around": [[words.of(name) for name in pair] for pair in AROUND],
        "path": sys.path + work.paths,
    }, ids


def parsed(path):
    try:
        with open(path, "rb") as stream:
            return ast.parse(stream.read())
    except (OSError, SyntaxError, ValueError):
        return None


def conftests(path, workdir):
    """Files of the runner that hold makers for this one, the outermost first."""
    parts = path.split("/")[:-1]
    found = ["/".join(parts[:depth] + ["conftest.py"]) for depth in range(len(parts) + 1)]
    return [name for name in found if os.path.isfile(os.path.join(workdir, name))]


def package_of(path, workdir):
    """The package that a file belongs to, by its `__init__` files, and the directory that the package lies in."""
    folder, names = os.path.dirname(path), []
    while folder and os.path.isfile(os.path.join(workdir, folder, "__init__.py")):
        names.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    return ".".join(names) or None, folder


def relative(tree):
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
