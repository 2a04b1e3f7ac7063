"""Fills a folder with the jars of a Hadoop 2.7.3: NameNode, DataNode with WebHDFS, and FsShell.

Run by a repository rule with the toolchain's interpreter, before any dependency is there: standard
library only, besides that interpreter's own pip (or the one that ensurepip carries).
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import Dict, List, Optional

from third_party.debian import packages

# Of the jars in PySpark's sdist, those that the servers and FsShell load. Jersey 2 stays out, since
# WebHDFS of Hadoop 2.7 needs Jersey 1.
_SDIST_JARS = (
    "commons-cli-1.2",
    "commons-codec-1.10",
    "commons-collections-3.2.2",
    "commons-configuration-1.6",
    "commons-io-2.4",
    "commons-lang-2.6",
    "commons-logging-1.1.3",
    "guava-14.0.1",
    "hadoop-annotations-2.7.3",
    "hadoop-auth-2.7.3",
    "hadoop-common-2.7.3",
    "hadoop-hdfs-2.7.3",
    "htrace-core-3.1.0-incubating",
    "httpclient-4.5.6",
    "httpcore-4.4.10",
    "jackson-core-asl-1.9.13",
    "jackson-mapper-asl-1.9.13",
    "javax.servlet-api-3.1.0",
    "jaxb-api-2.2.2",
    "jetty-6.1.26",
    "jetty-util-6.1.26",
    "leveldbjni-all-1.8",
    "log4j-1.2.17",
    "netty-all-4.1.47.Final",
    "protobuf-java-2.5.0",
    "slf4j-api-1.7.16",
    "slf4j-log4j12-1.7.16",
    "xmlenc-0.52",
)

# Debian package -> its jar below usr/share/java; Debian 12's were tried, 1.19.3-8 and 1.1.1-1.1.
_DEBIAN_JARS = {
    "libjersey1-core-java": "jersey1-core.jar",
    "libjersey1-server-java": "jersey1-server.jar",
    "libjersey1-servlet-java": "jersey1-servlet.jar",
    "libjsr311-api-java": "jsr311-api.jar",
}


def main(argv: Optional[List[str]] = None) -> int:
    """Returns 0; ends the process with the last words of the program that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirement", required=True, help="file of pyspark==VERSION --hash=...")
    parser.add_argument("--target", required=True, help="folder to put the jars into")
    parser.add_argument("--versions", required=True, help="gets the Debian packages' versions")
    options = parser.parse_args(argv)
    os.makedirs(options.target, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.getcwd()) as scratch:
        versions = _unpack_debian(scratch, options.target)
        _unpack_sdist(options.requirement, scratch, options.target)
    packages.write_versions(options.versions, versions)
    return 0


def _unpack_sdist(requirement: str, scratch: str, target: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    command += ["--no-deps", "--no-binary=:all:", "--require-hashes", "--dest", scratch]
    packages.run(command + ["--requirement", requirement], cwd=scratch, env=_pip_environment())
    (sdist,) = glob.glob(os.path.join(scratch, "pyspark-*.tar.gz"))
    wanted = {name + ".jar" for name in _SDIST_JARS}
    with tarfile.open(sdist) as archive:
        for member in archive:
            folder, name = os.path.split(member.name)
            if name in wanted and folder.endswith("/deps/jars"):
                source = archive.extractfile(member)
                assert source is not None  # jars are plain files
                with source, open(os.path.join(target, name), "wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                wanted.remove(name)
    if wanted:
        sys.exit("expected in %s: %s" % (os.path.basename(sdist), ", ".join(sorted(wanted))))


def _pip_environment() -> Dict[str, str]:
    """Adds ensurepip's wheels where the interpreter has no pip (uv's has none)."""
    env = dict(os.environ)
    if subprocess.call([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL):
        import ensurepip

        bundled = os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "*.whl")
        env["PYTHONPATH"] = os.pathsep.join(glob.glob(bundled))
    return env


def _unpack_debian(scratch: str, target: str) -> Dict[str, str]:
    """Takes the jars out of packages that are not installed; returns {package: version}."""
    unpacked = os.path.join(scratch, "debian")
    versions = packages.unpack(list(_DEBIAN_JARS), unpacked, scratch)
    for jar in _DEBIAN_JARS.values():
        # A link to a name with the version in it.
        shutil.copyfile(
            os.path.join(unpacked, "usr", "share", "java", jar), os.path.join(target, jar)
        )
    return versions


if __name__ == "__main__":
    sys.exit(main())
