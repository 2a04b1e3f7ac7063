"""A real HDFS on this machine for tests: one NameNode, one DataNode, Hadoop 2.7.3.

With Kerberos, or without: then it takes one's word for who one is. All sockets listen on 127.0.0.1,
all files lie in one folder, and it needs neither the network nor a host name that resolves. Source
of the properties: hdfs-default.xml and core-default.xml of that version.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from typing import Any, Dict, Iterator, List, Optional
from xml.sax import saxutils

from third_party.kerberos import kdc as kdc_lib

# Who may do everything; owns / with mode 755.
SUPERUSER = "hdfs"

# Small, so that a test of a few megabytes has files of several blocks.
BLOCK_BYTES = 1 << 20

# From the start of the first JVM; 5 s on a free machine.
READY_SECS = 120.0

_NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
_DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"

_JAVA_FLAGS = [
    "-Xmx128m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # the servers live too briefly for more
    "-Djava.net.preferIPv4Stack=true",
]

# Hadoop 2.7 asks inner classes of the JDK; without these, Java 17: "Can't get Kerberos realm".
_KERBEROS_JAVA_FLAGS = [
    "--add-exports=java.security.jgss/sun.security.jgss=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
]

# A principal's first part is the user: hadoop/172.0.1.5@EXAMPLE.COM is hadoop.
_KERBEROS_CORE = {
    "hadoop.rpc.protection": "authentication",
    "hadoop.security.authentication": "kerberos",
    "hadoop.security.authorization": "true",
}
_PRINCIPAL, _WEB_PRINCIPAL = [
    "%s/localhost@%s" % (name, kdc_lib.REALM) for name in ("hdfs", "HTTP")
]
_KERBEROS_CLIENT = {
    "dfs.block.access.token.enable": "true",
    "dfs.data.transfer.protection": "authentication",
    "dfs.datanode.kerberos.principal": _PRINCIPAL,
    "dfs.namenode.kerberos.principal": _PRINCIPAL,
}

_LOG4J = """log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""


class HdfsClusterError(Exception):
    """The HDFS cannot be started; the text says what is missing, or ends with a server's log."""


class Cluster:
    """A running HDFS; made by running().

    Attributes:
      http_address: HOST:PORT of the NameNode's WebHDFS.
      rpc_address: HOST:PORT of the NameNode's RPC, as in hdfs://.
      config_dir: Folder with the clients' core-site.xml and hdfs-site.xml (HADOOP_CONF_DIR).
    """

    def __init__(
        self, folder: str, kdc: Optional[kdc_lib.Kdc] = None, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._folder = folder
        self._block_bytes = block_bytes
        self._kdc = kdc
        self._java = _java()
        self._jars = _jars()
        self._processes = {}  # type: Dict[str, subprocess.Popen[bytes]]
        rpc_port, http_port = _free_ports(2)
        self.rpc_address = "localhost:%d" % rpc_port
        self.http_address = "localhost:%d" % http_port
        self.config_dir = os.path.join(folder, "client_conf")
        self._server_dir = os.path.join(folder, "conf")

    def start(self) -> None:
        """Returns when files can be written. Raises HdfsClusterError."""
        self._configure()
        with self._log("format") as log:
            code = subprocess.call(
                self._command(_NAMENODE) + ["-format", "-nonInteractive"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=READY_SECS,
            )
        if code:
            raise self._error("format")
        self.start_namenode()
        self.start_datanode()
        self.wait()

    def wait(self) -> None:
        """Returns when files can be written. Raises HdfsClusterError."""
        end = time.monotonic() + READY_SECS
        while not self._is_ready():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise self._error(name)
            if time.monotonic() > end:
                raise self._error("datanode")
            time.sleep(0.05)

    def start_namenode(self) -> None:
        """Starts a NameNode, with the files of the one before it; see wait()."""
        self._spawn("namenode", _NAMENODE)

    def start_datanode(self) -> None:
        """Starts a DataNode, with the blocks of the one before it; see wait()."""
        self._spawn("datanode", _DATANODE)

    def kill_namenode(self) -> None:
        """Returns when the NameNode is dead."""
        self._kill("namenode")

    def kill_datanode(self) -> None:
        """Returns when the DataNode is dead."""
        self._kill("datanode")

    def stop(self) -> None:
        """Kills and reaps what still runs; nothing in the folder is meant to outlive a test."""
        for name in list(self._processes):
            self._kill(name)

    def _configure(self) -> None:
        core = {"fs.defaultFS": "hdfs://" + self.rpc_address}
        client = {
            "dfs.namenode.rpc-address": self.rpc_address,
            "dfs.namenode.http-address": self.http_address,
        }
        servers = _server_properties(self._folder)
        if self._kdc:
            core.update(_KERBEROS_CORE)
            client.update(_KERBEROS_CLIENT)
            servers.update(self._keytabs(self._kdc))
        servers["dfs.blocksize"] = str(self._block_bytes)
        _write_site(self.config_dir, core, client)
        core["hadoop.tmp.dir"] = self._folder + "/tmp"
        _write_site(self._server_dir, core, dict(client, **servers))
        _write(os.path.join(self._server_dir, "log4j.properties"), _LOG4J)
        # Looked up by the JVM in place of /etc/hosts and DNS, where a sandbox's name is not found.
        hosts = "127.0.0.1 localhost %s\n" % socket.gethostname()
        _write(os.path.join(self._folder, "hosts"), hosts)
        # The servers insist on folders of web pages, which PySpark leaves out.
        for page in ("datanode", "hdfs", "static"):
            os.makedirs(os.path.join(self._folder, "webapps", page))

    def _keytabs(self, kdc: kdc_lib.Kdc) -> Dict[str, str]:
        """Makes the servers' keytabs; returns the properties that name them."""
        own, web = [os.path.join(self._folder, name + ".keytab") for name in ("hdfs", "http")]
        kdc.keytab(own, "hdfs/localhost")
        kdc.keytab(web, "HTTP/localhost")
        return {
            "dfs.datanode.keytab.file": own,
            "dfs.namenode.keytab.file": own,
            "dfs.web.authentication.kerberos.keytab": web,
            "dfs.web.authentication.kerberos.principal": _WEB_PRINCIPAL,
            # The other way is to start the DataNode as root.
            "ignore.secure.ports.for.testing": "true",
        }

    def java_command(self, config_dir: str, main_class: str) -> List[str]:
        """The command that starts a class of Hadoop's with a folder of configuration."""
        class_path = [config_dir, self._folder, self._jars + "/*"]
        flags = _JAVA_FLAGS + ["-Djdk.net.hosts.file=%s/hosts" % self._folder]
        if self._kdc:
            flags = flags + _KERBEROS_JAVA_FLAGS
            flags.append("-Djava.security.krb5.conf=" + self._kdc.config)
        return [self._java] + flags + ["-cp", ":".join(class_path), main_class]

    def _command(self, main_class: str) -> List[str]:
        return self.java_command(self._server_dir, main_class)

    def _environment(self) -> Dict[str, str]:
        return dict(os.environ, HADOOP_USER_NAME=SUPERUSER)

    def _spawn(self, name: str, main_class: str) -> None:
        with self._log(name) as log:
            self._processes[name] = subprocess.Popen(
                self._command(main_class),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is the test's to handle
            )

    def _kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def _is_ready(self) -> bool:
        """The DataNode has registered and the NameNode has left safe mode."""
        query = "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open("http://%s%s" % (self.http_address, query), timeout=5) as answer:
                state = json.loads(answer.read().decode())["beans"][0]  # type: Dict[str, Any]
        except (OSError, IndexError):
            return False  # not up yet, or this bean is not
        return state.get("NumLiveDataNodes") == 1 and state.get("FSState") == "Operational"

    def _log(self, name: str) -> Any:
        return open(self._log_path(name), "ab")

    def _log_path(self, name: str) -> str:
        return os.path.join(self._folder, name + ".log")

    def _error(self, name: str) -> HdfsClusterError:
        with open(self._log_path(name), errors="replace") as lines:
            last = "".join(lines.readlines()[-20:])
        return HdfsClusterError("HDFS's %s did not start; its log ends with:\n%s" % (name, last))


@contextlib.contextmanager
def running(
    folder: str, kdc: Optional[kdc_lib.Kdc] = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[Cluster]:
    """Yields an HDFS that is ready; its servers are dead and reaped afterwards.

    Args:
      folder: Gets all files; must be there and be empty.
      kdc: Where users and servers have their keys; without, HDFS believes whoever asks.
      block_bytes: Of files for which the client does not say.

    Raises:
      HdfsClusterError: There is no Java, there are no jars, or a server did not start.
    """
    cluster = Cluster(folder, kdc, block_bytes)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _java() -> str:
    """Java of JAVA_HOME, else of PATH; 8 to 22, since Hadoop before 3.5 fails on newer ones."""
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")
    if not java or not os.access(java, os.X_OK):
        raise HdfsClusterError(
            "expected Java to start HDFS, got none at %s: install a JDK, 8 to 22"
            % (java or "JAVA_HOME or PATH")
        )
    return java


def _jars() -> str:
    folder = os.path.join(os.environ["TEST_SRCDIR"], "hadoop", "jars")
    missing = os.path.join(folder, "MISSING.txt")
    if os.path.exists(missing):
        with open(missing) as reason:
            raise HdfsClusterError("expected Hadoop's jars, got: " + reason.read().strip())
    return folder


def _free_ports(count: int) -> List[int]:
    """Nobody else takes them: a test has a network of its own."""
    ports = []
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            each = stack.enter_context(socket.socket())
            each.bind(("127.0.0.1", 0))
            ports.append(each.getsockname()[1])
    return ports


def _server_properties(folder: str) -> Dict[str, str]:
    return {
        "dfs.datanode.address": "127.0.0.1:0",
        "dfs.datanode.data.dir": "file://%s/blocks" % folder,
        "dfs.datanode.hostname": "localhost",
        "dfs.datanode.http.address": "127.0.0.1:0",
        "dfs.datanode.ipc.address": "127.0.0.1:0",
        "dfs.heartbeat.interval": "1",  # seconds; the registered DataNode is seen at once
        "dfs.namenode.handler.count": "4",
        "dfs.namenode.name.dir": "file://%s/names" % folder,
        "dfs.namenode.safemode.extension": "0",
        "dfs.replication": "1",
    }


def _write_site(folder: str, core: Dict[str, str], hdfs: Dict[str, str]) -> None:
    os.makedirs(folder)
    _write(os.path.join(folder, "core-site.xml"), _xml(core))
    _write(os.path.join(folder, "hdfs-site.xml"), _xml(hdfs))


def _xml(properties: Dict[str, str]) -> str:
    line = "<property><name>%s</name><value>%s</value></property>\n"
    lines = [line % (saxutils.escape(k), saxutils.escape(v)) for k, v in properties.items()]
    return "<configuration>\n%s</configuration>\n" % "".join(lines)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
