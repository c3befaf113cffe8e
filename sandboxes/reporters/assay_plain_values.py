"""The values that a test gets: what the functions that make them give, what is built in, and the sets of a parametrised test.
Joined with the stand-ins by `assay_plain`.
"""

import io
import itertools
import os
import tempfile
import types


class Place(object):
    """Where the values of one test live: what was made, and how to undo it."""

    def __init__(self, makers, instance, direct, chosen):
        self.makers, self.instance, self.made, self.chosen = makers, instance, dict(direct), chosen
        self.undo, self.making = [], {}

    def value(self, name):
        if name in self.made:
            return self.made[name]
        if name in BUILT_IN and name not in self.makers:
            made = BUILT_IN[name](self)
        else:
            made = self.make(name)
        self.made[name] = made
        return made

    def make(self, name):
        depth = self.making.get(name, 0)
        known = self.makers.get(name, [])
        if depth >= len(known):
            raise Unsuited(name)
        maker_, bound = known[-1 - depth]
        self.making[name] = depth + 1
        wanted = arguments_of(maker_.function)
        first = wanted[:1] if bound else []
        values = {}
        for wish in wanted[len(first):]:
            if wish == "request":
                values[wish] = Request(self, name)
            elif wish == name:
                values[wish] = self.make(name)
            else:
                values[wish] = self.value(wish)
        made = maker_.function(self.instance, **values) if bound else maker_.function(**values)
        self.making[name] = depth
        if isinstance(made, types.GeneratorType):
            generator, made = made, next(made)
            self.undo.append(lambda: next(generator, None))
        elif isinstance(made, types.CoroutineType) or hasattr(made, "__anext__"):
            raise Unsuited(name)
        return made

    def clear(self):
        first = None
        while self.undo:
            try:
                self.undo.pop()()
            except Exception as error:
                first = first or error
        if first is not None:
            raise first


class Request(object):
    def __init__(self, place, name):
        self.place = place
        if name in place.chosen:
            self.param = place.chosen[name]

    def getfixturevalue(self, name):
        return self.place.value(name)

    def addfinalizer(self, function):
        self.place.undo.append(function)


class Patch(object):
    """Changes attributes, items and variables until the test is over."""

    def __init__(self, place):
        self.place = place

    def keep(self, target, name, read, put, drop):
        try:
            old = read(target, name)
        except (AttributeError, KeyError):
            self.place.undo.append(lambda: drop(target, name))
        else:
            self.place.undo.append(lambda: put(target, name, old))

    def attribute(self, target, name):
        if isinstance(target, type):
            return vars(target)[name]
        return getattr(target, name)

    def setattr(self, target, name, *value, **options):
        if not value:
            path, _, last = target.rpartition(".")
            target, name, value = __import__(path, fromlist=["*"]), last, (name,)
        if options.get("raising", True):
            getattr(target, name)
        self.keep(target, name, self.attribute, setattr, lambda t, n: hasattr(t, n) and delattr(t, n))
        setattr(target, name, value[0])

    def delattr(self, target, name, raising=True):
        if raising or hasattr(target, name):
            self.keep(target, name, self.attribute, setattr, delattr)
            delattr(target, name)

    def setitem(self, target, name, value):
        self.keep(target, name, lambda t, n: t[n], lambda t, n, v: t.__setitem__(n, v), lambda t, n: t.pop(n, None))
        target[name] = value

    def delitem(self, target, name, raising=True):
        if raising or name in target:
            self.keep(target, name, lambda t, n: t[n], lambda t, n, v: t.__setitem__(n, v), lambda t, n: None)
            del target[name]

    def setenv(self, name, value, prepend=None):
        if prepend and name in os.environ:
            value = value + prepend + os.environ[name]
        self.setitem(os.environ, name, str(value))

    def delenv(self, name, raising=True):
        self.delitem(os.environ, name, raising)

    def chdir(self, path):
        old = os.getcwd()
        self.place.undo.append(lambda: os.chdir(old))
        os.chdir(str(path))


class Printed(object):
    """What is printed to the two streams."""

    def __init__(self, place):
        old = sys.stdout, sys.stderr
        self.kind = None

        def back():
            sys.stdout, sys.stderr = old

        place.undo.append(back)
        self.start()

    def start(self):
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()

    def readouterr(self):
        self.kind = self.kind or __import__("collections").namedtuple("Printed", "out err")
        seen = self.kind(sys.stdout.getvalue(), sys.stderr.getvalue())
        self.start()
        return seen


def folder(_place):
    import pathlib

    return pathlib.Path(tempfile.mkdtemp())


BUILT_IN = {"tmp_path": folder, "monkeypatch": Patch, "capsys": Printed}


def arguments_of(function):
    code = function.__code__
    spare = len(function.__defaults__ or ())
    if code.co_flags & 0x0C:
        raise Unsuited("any number of arguments")
    return list(code.co_varnames[:code.co_argcount - spare])


def label(value, name, spot):
    """The part of a test's id that a value gives."""
    if isinstance(value, str):
        return value.encode("unicode_escape").decode("ascii")
    if isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii").replace("\\\\x", "\\x")
    if value is None or isinstance(value, (int, float, complex)):
        return str(value)
    if type(value) is type(re.compile("")):
        return label(value.pattern, name, spot)
    if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
        return str(value)
    own = getattr(value, "__name__", None)
    return own if isinstance(own, str) else "{}{}".format(name, spot)


def named(ids, spot, names, values):
    given = None
    if callable(ids):
        parts = [ids(value) for value in values]
        parts = [label(value, name, spot) if part is None else label(part, name, spot)
                 for part, value, name in zip(parts, values, names)]
        return "-".join(parts)
    if ids is not None:
        given = list(ids)[spot]
    if given is not None:
        return label(given, names[0], spot)
    return "-".join(label(value, name, spot) for value, name in zip(values, names))


def value_sets(note):
    """(direct values, values for makers, id, notes) of every set that a note gives."""
    names = note.values[0]
    names = [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)
    indirect = note.options["indirect"]
    indirect = names if indirect is True else list(indirect or ())
    sets = []
    for spot, row in enumerate(note.values[1]):
        name, notes = None, ()
        if isinstance(row, Given):
            row, name, notes = row.values, row.name, row.notes
        elif len(names) == 1:
            row = (row,)
        row = list(row)
        if len(row) != len(names):
            raise Unsuited("values")
        name = named(note.options["ids"], spot, names, row) if name is None else name
        pairs = list(zip(names, row))
        direct = [pair for pair in pairs if pair[0] not in indirect]
        sets.append((direct, [pair for pair in pairs if pair[0] in indirect], name, as_list(notes)))
    return sets


def as_list(notes):
    return list(notes) if isinstance(notes, (list, tuple)) else [notes]


def notes_of(function, kind, module_notes):
    notes = list(getattr(function, "notes", ()))
    for base in kind.__mro__ if kind else ():
        notes += list(vars(base).get("notes", ())) + as_list(vars(base).get(work["module_notes"], ()))
    return notes + as_list(module_notes)


def reached(name, makers, seen):
    """Every maker that a name leads to."""
    if name in seen or name not in makers:
        return
    seen.append(name)
    for maker_, bound in makers[name]:
        for wish in arguments_of(maker_.function)[1 if bound else 0:]:
            reached(wish, makers, seen)


def combinations(function, kind, makers, module_notes, wanted):
    """(number of the test, direct values, values for makers, notes) of those that are wanted."""
    notes = notes_of(function, kind, module_notes)
    if any(not isinstance(note, Note) or note.kind == "unsuited" for note in notes):
        return
    sets = [value_sets(note) for note in notes if note.kind == "values"]
    given = {name for rows in sets for row in rows[:1] for name, _ in row[0] + row[1]}
    names = []
    wishes = arguments_of(function)[1 if kind else 0:]
    wishes += [name for note in notes if note.kind == "wanted" for name in note.values]
    wishes += [name for name in makers if makers[name][-1][0].always]
    for wish in wishes:
        reached(wish, makers, names)
    made = []
    for name in names:
        maker_ = makers[name][-1][0]
        if maker_.params is not None and name not in given:
            rows = [(given_row.values[0], given_row.name, given_row.notes) if isinstance(given_row, Given)
                    else (given_row, None, ()) for given_row in maker_.params]
            made.append([([], [(name, value)], named(maker_.ids, spot, [name], [value]) if own is None else own,
                          as_list(marks)) for spot, (value, own, marks) in enumerate(rows)])
    found = {}
    for rows in itertools.product(*(sets + made)):
        parts = [row[2] for row in rows]
        direct, makers_ = parts[:len(sets)], parts[len(sets):]
        keys = {"-".join(order) for order in (direct + makers_, makers_ + direct)} if parts else {None}
        for key in keys & set(wanted):
            found.setdefault(wanted[key], []).append(rows)
    for number, all_rows in sorted(found.items()):
        if len(all_rows) != 1:
            continue
        rows = all_rows[0]
        more = notes + [note for row in rows for note in row[3]]
        yield (number, dict(pair for row in rows for pair in row[0]), dict(pair for row in rows for pair in row[1]),
               wishes, more)
