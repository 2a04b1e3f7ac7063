"""A real HDFS with a real KDC, and who is who there."""

import contextlib
import os
import pathlib
import subprocess
from typing import Dict, Iterator

from data_pipeline import hdfs_storage, storage
from e2e import programs
from third_party.hadoop import hdfs_cluster
from third_party.kerberos import kdc as kdc_lib

# The guide's user, and one whom nobody let in.
USER = "hadoop/172.0.1.5"
STRANGER = "mallory"

# Where the guide has the data, and a folder that is closed to others.
FOLDER = "/criteo"
CLOSED = "/closed"


class SecuredHdfs:
    """The servers, and their users' keys.

    Args:
      kdc: The KDC.
      cluster: The HDFS.
      folder: For keytabs and tickets.
    """

    def __init__(
        self, kdc: kdc_lib.Kdc, cluster: hdfs_cluster.Cluster, folder: pathlib.Path
    ) -> None:
        self.kdc = kdc
        self.cluster = cluster
        self._folder = folder
        self.keytab = kdc.keytab(str(folder / "emr.keytab"), USER)
        self.strangers_keytab = kdc.keytab(str(folder / "mallory.keytab"), STRANGER)
        self._superusers = kdc.keytab(str(folder / "superuser.keytab"), hdfs_cluster.SUPERUSER)
        self._tickets = kdc.kinit(
            self._superusers, hdfs_cluster.SUPERUSER, str(folder / "superuser.cc")
        )
        # For the requests of the test itself.
        kdc.load_library()
        os.environ["KRB5_CONFIG"] = kdc.config
        os.environ["KRB5CCNAME"] = "FILE:" + self._tickets

    def url(self, path: str) -> str:
        """The URL of a path."""
        return "webhdfs://%s%s" % (self.cluster.http_address, path)

    def storage(self) -> hdfs_storage.HdfsStorage:
        """The HDFS, for its superuser."""
        found = storage.of(self.url("/"))
        assert isinstance(found, hdfs_storage.HdfsStorage)
        return found

    def make_folders(self) -> None:
        """Makes FOLDER and CLOSED, which are USER's; the latter is closed to others."""
        with self.storage().client("a folder", self.url("/")) as client:
            for path, mode in ((FOLDER, "755"), (CLOSED, "750")):
                client.makedirs(path)
                client.set_owner(path, owner=USER.partition("/")[0], group="hadoop")
                client.set_permission(path, mode)

    def superusers_environment(self) -> Dict[str, str]:
        """Environment of a client who may do everything."""
        return self.kdc.environment(self._tickets)

    def remove(self, path: str) -> None:
        """Removes a file; it may be gone."""
        self.storage().remove(self.url(path))

    def environment(self, tickets: str = "none") -> Dict[str, str]:
        """Environment of a client whose tickets are in a file of that name."""
        return self.kdc.environment(str(self._folder / tickets))

    def start(self, *arguments: str, tickets: str = "none") -> "subprocess.Popen[str]":
        """Starts //data_pipeline:hdfs."""
        return subprocess.Popen(
            [programs.binary("data_pipeline/hdfs")] + list(arguments),
            env=self.environment(tickets),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    def run(self, *arguments: str, tickets: str = "none") -> "subprocess.CompletedProcess[str]":
        """Runs //data_pipeline:hdfs to its end."""
        process = self.start(*arguments, tickets=tickets)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def admin(self, *arguments: str) -> None:
        """Runs Hadoop's own `hdfs dfsadmin` as the superuser."""
        main_class = "org.apache.hadoop.hdfs.tools.DFSAdmin"
        command = self.cluster.java_command(self.cluster.config_dir, main_class)
        environment = self.superusers_environment()
        subprocess.run(command + list(arguments), env=environment, check=True, timeout=120)


@contextlib.contextmanager
def running(
    folder: pathlib.Path, block_bytes: int = hdfs_cluster.BLOCK_BYTES
) -> Iterator[SecuredHdfs]:
    """Yields the servers, ready, with the folders of make_folders().

    Args:
      folder: Gets all files; must be empty.
      block_bytes: Of files.
    """
    for name in ("kdc", "hdfs", "keys"):
        (folder / name).mkdir()
    with contextlib.ExitStack() as stack:
        kdc = stack.enter_context(kdc_lib.running(str(folder / "kdc")))
        cluster = stack.enter_context(hdfs_cluster.running(str(folder / "hdfs"), kdc, block_bytes))
        secured = SecuredHdfs(kdc, cluster, folder / "keys")
        secured.make_folders()
        yield secured
