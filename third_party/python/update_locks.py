"""Writes the lock of each requirements file anew: `./bazelw run //third_party/python:update_locks`.

Every lock starts with the sha256 of the .in file it was made from, which
//third_party/python:locks_test compares. Names no index: pip's own configuration does.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from typing import Dict, List, Optional

# Folder, stem of the .in file, and the one distribution locked without what its metadata asks for
# ("" for none): then the lock holds exactly what the .in file names.
LOCKS = (
    ("third_party/python", "build_requirements", ""),
    ("third_party/python", "requirements", ""),
    ("third_party/pyspark", "requirements", ""),
    ("third_party/tikit", "requirements", "tikit"),
    ("third_party/zig", "requirements", ""),
)


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0; raises where a lock could not be resolved, which then stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--upgrade", action="store_true", help="newest versions, not the locked ones"
    )
    parser.add_argument(
        "--root",
        default=os.environ.get("BUILD_WORKSPACE_DIRECTORY"),
        help="the repository (default: the one bazel runs in)",
    )
    options = parser.parse_args(argv)
    if not options.root:
        parser.error("--root is needed outside `bazel run`")
    for folder, stem, alone in LOCKS:
        update(os.path.join(options.root, folder), stem, alone, options.upgrade)
    return 0


def update(folder: str, stem: str, alone: str, upgrade: bool) -> None:
    """Replaces FOLDER/STEM_lock.txt, or leaves it alone and raises CalledProcessError."""
    source = os.path.join(folder, stem + ".in")
    lock = os.path.join(folder, stem + "_lock.txt")
    print("%s: resolving (minutes) ..." % source, flush=True)
    with open(source, encoding="utf-8") as text:
        wanted = [line.strip() for line in text if line.strip() and not line.startswith("#")]
    with tempfile.TemporaryDirectory() as scratch:
        resolvable = [line for line in wanted if not alone or not line.startswith(alone + "==")]
        old = "" if upgrade or not os.path.exists(lock) else _read(lock)
        pins = _compile(scratch, resolvable, old)
        if alone:
            names = {_name(line) for line in wanted}
            pins = [pin for pin in pins if _name(pin) in names]
            pins += [_pin_alone(scratch, line) for line in wanted if line not in resolvable]
    # Beside its place, so that the rename is atomic.
    with open(lock + ".new", "w", encoding="utf-8") as out:
        out.write(header(source) + "".join(pin + "\n" for pin in sorted(pins)))
    os.replace(lock + ".new", lock)
    print("%s: %d pins" % (lock, len(pins)), flush=True)


def _compile(scratch: str, requirements: List[str], old: str) -> List[str]:
    """The resolved pins with all hashes, one folded line each; `old` pins are kept if they fit."""
    source = os.path.join(scratch, "requirements.in")
    lock = os.path.join(scratch, "lock.txt")
    for path, content in ((source, "\n".join(requirements)), (lock, old)):
        with open(path, "w", encoding="utf-8") as out:
            out.write(content)
    # Not `-m piptools`: that also imports its sync command, which pip 24 breaks.
    command = [sys.executable, "-c", "from piptools.scripts import compile; compile.cli()"]
    command += ["--quiet", "--generate-hashes", "--allow-unsafe", "--strip-extras"]
    command += ["--resolver=backtracking", "--no-header", "--no-annotate"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"]
    subprocess.run(command + ["--output-file", lock, source], check=True, cwd=scratch, env=_env())
    folded = _read(lock).replace("\\\n", "\\\0")
    lines = [line.replace("\0", "\n") for line in folded.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _pin_alone(scratch: str, pin: str) -> str:
    """The pin with the sha256 of its one file, whatever its metadata asks for."""
    target = os.path.join(scratch, "alone")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        target,
        pin,
    ]
    subprocess.run(command, check=True, env=_env())
    (name,) = os.listdir(target)
    with open(os.path.join(target, name), "rb") as archive:
        return "%s \\\n    --hash=sha256:%s" % (pin, hashlib.sha256(archive.read()).hexdigest())


def _name(pin: str) -> str:
    return re.split(r"[=<>~!; \[]", pin)[0].lower().replace("_", "-").replace(".", "-")


def _env() -> Dict[str, str]:
    return dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as text:
        return text.read()


def header(source: str) -> str:
    """The first lines of a lock: where it comes from, and the sha256 that ties it to that file."""
    with open(source, "rb") as text:
        digest = hashlib.sha256(text.read()).hexdigest()
    name = os.path.basename(source)
    return (
        "# Made from %s by //third_party/python:update_locks; do not edit.\n# %s sha256: %s\n"
        % (
            name,
            name,
            digest,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
