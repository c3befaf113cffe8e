//! Import roots of Python: which new file would be imported in place of the runner's, the standard library's or an
//! installed module. Pure.

use crate::model::layout::Layout;

/// Modules that a test run imports before the repository's own: the runner, its dependencies and the standard library.
/// A new one of these names at an import root would run in their place. What else a sealed environment holds is asked of
/// it ([`Layout::installed`]).
pub(crate) const SHADOWED: &str = "\
    pytest _pytest pluggy py iniconfig packaging exceptiongroup tomli pygments colorama xdist pytest_cov \
    pytest_timeout pytest_xdist coverage nose nose2 hypothesis assay_reporter pip setuptools pkg_resources \
    _distutils_hack wheel virtualenv __future__ _pydecimal _pyio _weakrefset _collections_abc _sitebuiltins abc \
    argparse array ast asyncio atexit base64 bdb binascii bisect builtins bz2 calendar cmd code codecs codeop \
    collections colorsys compileall concurrent configparser contextlib contextvars copy copyreg csv ctypes \
    curses dataclasses datetime decimal difflib dis distutils doctest email encodings enum errno faulthandler \
    fcntl filecmp fnmatch fractions functools gc genericpath getopt getpass gettext glob graphlib grp gzip \
    hashlib heapq hmac html http imp importlib inspect io ipaddress itertools json keyword linecache locale \
    logging lzma marshal math mimetypes mmap multiprocessing numbers opcode operator os pathlib pdb pickle \
    pkgutil platform posix posixpath pprint profile pwd pydoc queue quopri random re readline reprlib resource \
    runpy secrets select selectors shelve shlex shutil signal site socket socketserver sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess symtable sys sysconfig \
    syslog tarfile tempfile termios textwrap threading time timeit token tokenize tomllib trace traceback \
    tracemalloc types typing unicodedata unittest urllib uuid warnings weakref xml zipfile zipimport zlib \
    zoneinfo";

/// Whether a path is (part of) a new module that would be imported instead of the runner's, the standard library's or an
/// installed one. A module of that name that base has itself is the repository's own.
pub(crate) fn shadows(layout: &Layout, path: &str) -> bool {
    // A folder of data alone takes nobody's place: a real module further down the path goes before it.
    let python = [".py", ".pyi", ".pyx"].iter().any(|suffix| path.ends_with(suffix));
    python
        && layout.roots.iter().any(|(root, own)| {
            let inside = match root.as_str() {
                "" => Some(path),
                root => path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')),
            };
            inside.and_then(top_module).is_some_and(|module| {
                let taken = SHADOWED.split_ascii_whitespace().any(|name| name == module)
                    || layout.installed.contains(module)
                    // The file that would make a package of an import root.
                    || module == "__init__";
                taken && !own.contains(module)
            })
        })
}

/// The module that a path below an import root is part of, as it is imported; `None` if it is not a module.
pub(crate) fn top_module(inside: &str) -> Option<&str> {
    match inside.split_once('/') {
        Some((folder, _)) => Some(folder),
        None => inside.strip_suffix(".py").or_else(|| inside.strip_suffix(".pyi")),
    }
}

/// Dotted name of a module; `None` if it has one part only, which is as often an ordinary word.
pub(crate) fn dotted_name(path: &str) -> Option<String> {
    let path = path.strip_suffix(".py")?;
    let path = path.strip_suffix("/__init__").unwrap_or(path);
    let path = ["src/", "lib/"].iter().find_map(|root| path.strip_prefix(root)).unwrap_or(path);
    path.contains('/').then(|| path.replace('/', "."))
}
