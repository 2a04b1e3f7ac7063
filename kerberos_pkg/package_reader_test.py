import io
import os
import tarfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerberos_pkg import package_reader


def _tar(path, *members):
    with tarfile.open(str(path), "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def _member(name, **facts):
    info = tarfile.TarInfo(name)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info


def test_folder_gives_files_and_links_as_links(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"data")
    os.chmod(str(tmp_path / "a" / "b" / "file"), 0o600)
    (tmp_path / "a" / "link").symlink_to("/etc/passwd")
    (tmp_path / "a" / "folder_link").symlink_to("/etc")
    got = [e._replace(mode=e.mode if e.is_file else 0) for e in package_reader.read(str(tmp_path))]
    assert got == [
        ("a/b/file", 0o600, "", True, b"data"),
        ("a/folder_link", 0, "", False, b""),
        ("a/link", 0, "", False, b""),
    ]


def test_tar_gives_modes_owners_and_kinds(tmp_path):
    path = tmp_path / "p.tar.gz"
    _tar(
        path,
        (_member("folder", type=tarfile.DIRTYPE), b""),
        (_member("file", mode=0o600), b"data"),
        (_member("theirs", mode=0o644, uid=5, gid=6), b""),
        (_member("link", type=tarfile.SYMTYPE, linkname="/etc/passwd", mode=0o777), b""),
    )
    assert package_reader.read(str(path)) == [
        ("file", 0o600, "root:root", True, b"data"),
        ("link", 0o777, "root:root", False, b""),
        ("theirs", 0o644, "5:6", True, b""),
    ]


def test_zip_gives_modes_and_kinds(tmp_path):
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(str(path), "w") as archive:
        for name, mode, data in (("file", 0o100600, b"data"), ("link", 0o120777, b"/etc/passwd")):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    assert package_reader.read(str(path)) == [
        ("file", 0o600, "", True, b"data"),
        ("link", 0o777, "", False, b""),
    ]


@pytest.mark.parametrize("name", ["p.tar.gz", "p.zip"])
def test_archive_that_would_be_too_large_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(package_reader, "MOST_BYTES", 1000)
    path = tmp_path / name
    if name == "p.zip":
        with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", b"\0" * 5000)
    else:
        _tar(path, (_member("a"), b"\0" * 5000))
    with pytest.raises(package_reader.PackageReadError, match="at most 1000 bytes in all"):
        package_reader.read(str(path))


@pytest.mark.parametrize(
    "name, message",
    [("none", "got nothing"), ("file.txt", "expected a folder, .tar.gz, .tgz or .zip")],
)
def test_what_is_no_package_is_refused(tmp_path, name, message):
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(package_reader.PackageReadError, match=message):
        package_reader.read(str(tmp_path / name))


@given(data=st.binary(), name=st.sampled_from(["p.tar.gz", "p.zip"]), cut=st.integers(0, 200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, name, cut):
    path = tmp_path_factory.mktemp("any") / name
    _tar(path, (_member("a"), b"data"))
    path.write_bytes(path.read_bytes()[:cut] + data)
    try:
        package_reader.read(str(path))
    except package_reader.PackageReadError:
        pass
