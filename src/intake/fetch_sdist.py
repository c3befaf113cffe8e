"""Downloads source releases with pip's own index client, without running any of their code.

`pip download` builds a release's metadata, which executes the release. Arguments: name, version, directory.
Prints the path of the file. Exit status 3: pip's inside is not as this script knows it. 4: no such source release.
"""

import sys

# Not from the directory that assay was started in.
sys.path[:] = [entry for entry in sys.path if entry]

import hashlib
import os

try:
    import pip
    from pip._internal.commands import create_command
    from pip._vendor.packaging.version import InvalidVersion, Version
except ImportError as error:
    sys.stderr.write("{}\n".format(error))
    sys.exit(3)


def main(name, version, directory):
    command = create_command("download")
    try:
        options, _ = command.parse_args(["--no-deps", "--no-binary", ":all:", "{}=={}".format(name, version)])
        with command.main_context():
            session = command.get_default_session(options)
            finder = command._build_package_finder(options, session)
            candidates = finder.find_all_candidates(name)
            links = [found.link for found in candidates if same(found.version, version) and not found.link.is_wheel]
            if not links:
                seen = sorted({str(found.version) for found in candidates if not found.link.is_wheel})
                sys.stderr.write("source releases that pip finds: {}\n".format(", ".join(seen[-20:]) or "none"))
                return 4
            path = save(session, links[-1], directory)
    except (AttributeError, TypeError) as error:
        sys.stderr.write("pip {}: {}: {}\n".format(pip.__version__, type(error).__name__, error))
        return 3
    print(path)
    return 0


def same(found, wanted):
    try:
        return Version(str(found)) == Version(wanted)
    except InvalidVersion:
        return False


def save(session, link, directory):
    response = session.get(link.url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True)
    response.raise_for_status()
    digest = hashlib.new(link.hash_name) if link.hash_name else None
    path = os.path.join(directory, os.path.basename(link.filename))
    with open(path, "wb") as file:
        for chunk in response.raw.stream(1 << 16, decode_content=False):
            file.write(chunk)
            if digest:
                digest.update(chunk)
    if digest and digest.hexdigest() != link.hash:
        raise ValueError("{} arrived damaged: its {} differs from the index".format(link.filename, link.hash_name))
    return path


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
