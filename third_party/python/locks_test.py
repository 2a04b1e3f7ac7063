"""Each lock belongs to the .in file beside it, and pins and hashes everything."""

import re

import pytest
from packaging import requirements

from third_party.python import update_locks

LOCKS = [
    pytest.param(folder, stem, id=folder + "/" + stem) for folder, stem, _ in update_locks.LOCKS
]


def _read(folder, name):
    with open(folder + "/" + name) as text:
        return text.read()


def _pins(lock):
    """{normalized name: (version, [hashes])} of a lock's text."""
    logical = [
        line for line in lock.replace("\\\n", " ").splitlines() if line and line[0] not in "# "
    ]
    pins = {}
    for line in logical:
        pin, *hashes = line.split()
        name, version = pin.split("==")
        pins[_normalize(name)] = (version, hashes)
    return pins


def _normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("folder, stem", LOCKS)
def test_lock_was_made_from_its_source(folder, stem):
    lock = _read(folder, stem + "_lock.txt")
    assert lock.startswith(update_locks.header("%s/%s.in" % (folder, stem))), (
        "%s/%s_lock.txt is stale: run ./bazelw run //third_party/python:update_locks"
        % (folder, stem)
    )


@pytest.mark.parametrize("folder, stem", LOCKS)
def test_every_pin_has_a_sha256(folder, stem):
    pins = _pins(_read(folder, stem + "_lock.txt"))
    assert pins
    for name, (_, hashes) in pins.items():
        assert hashes, name
        assert [h for h in hashes if not re.match(r"--hash=sha256:[0-9a-f]{64}$", h)] == [], name


@pytest.mark.parametrize("folder, stem", LOCKS)
def test_lock_satisfies_its_source(folder, stem):
    pins = _pins(_read(folder, stem + "_lock.txt"))
    for line in _read(folder, stem + ".in").splitlines():
        if line and not line.startswith("#"):
            wanted = requirements.Requirement(line)
            assert wanted.specifier.contains(pins[_normalize(wanted.name)][0]), line


@pytest.mark.parametrize("folder, stem", LOCKS)
def test_lock_names_no_index(folder, stem):
    assert (
        re.search(r"https?://|--(extra-)?index-url|--find-links", _read(folder, stem + "_lock.txt"))
        is None
    )
