"""A real MIT KDC on this machine for tests.

It listens on 127.0.0.1 over TCP, all its files lie in one folder, and it needs no root, no
installed package and no configuration of the machine. Source of the settings: MIT Kerberos 1.20
documentation, krb5.conf and kdc.conf.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import time
from typing import Dict, Iterator, List, Optional

REALM = "EXAMPLE.COM"

_READY_SECS = 30.0

# In the order in which they need one another.
_LIBRARIES = (
    "libkeyutils.so.1",
    "libcom_err.so.2",
    "libkrb5support.so.0",
    "libk5crypto.so.3",
    "libkrb5.so.3",
    "libgssapi_krb5.so.2",
)

_KRB5_CONF = """[libdefaults]
  default_realm = {realm}
  dns_canonicalize_hostname = false
  dns_lookup_kdc = false
  dns_lookup_realm = false
  forwardable = true
  plugin_base_dir = {plugins}
  rdns = false
  renew_lifetime = 7d
  ticket_lifetime = 24h
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {realm}
"""

_KDC_CONF = """[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    max_life = 24h
    max_renewable_life = 7d
    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
  }}
[dbmodules]
  db_module_dir = {plugins}/kdb
[logging]
  kdc = FILE:{folder}/kdc.log
"""


class KdcError(Exception):
    """The KDC cannot be started, or refuses; the text says what is missing, or what it said."""


class Kdc:
    """A running KDC; made by running().

    Attributes:
      config: Path of the clients' krb5.conf.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._programs = _programs()
        self._process: Optional["subprocess.Popen[bytes]"] = None
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.config = os.path.join(folder, "krb5.conf")

    def create(self) -> None:
        """Makes the configuration and an empty database. Raises KdcError."""
        facts = {
            "folder": self._folder,
            "plugins": os.path.join(self._programs, "lib", "krb5", "plugins"),
            "port": self._port,
            "realm": REALM,
        }
        for path, text in ((self.config, _KRB5_CONF), (self._kdc_conf(), _KDC_CONF)):
            with open(path, "w") as file:
                file.write(text.format(**facts))
        self._run(["kdb5_util", "create", "-r", REALM, "-s", "-P", os.urandom(16).hex()])

    def start(self) -> None:
        """Returns when it answers. Raises KdcError."""
        with open(os.path.join(self._folder, "kdc.out"), "ab") as log:
            self._process = subprocess.Popen(
                [self.program("krb5kdc"), "-n", "-r", REALM],
                env=self._server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is the test's to handle
            )
        end = time.monotonic() + _READY_SECS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            if self._process.poll() is not None or time.monotonic() > end:
                with open(os.path.join(self._folder, "kdc.out"), errors="replace") as log_text:
                    raise KdcError("the KDC did not start: %s" % log_text.read())
            time.sleep(0.01)

    def stop(self) -> None:
        """Kills and reaps it, if it runs; start() starts it again."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def keytab(self, path: str, *principals: str) -> str:
        """Writes a keytab with fresh keys of principals, made where they are new; returns its path.

        Keys that earlier keytabs have of them are void from then on.
        """
        commands = []
        for principal in principals:
            commands += ["addprinc -randkey %s" % principal, "ktadd -k %s %s" % (path, principal)]
        said = self._run(["kadmin.local"], "\n".join(commands) + "\n")
        if said.count("added to keytab") < len(principals):
            raise KdcError("no keytab of %s: %s" % (", ".join(principals), said))
        os.chmod(path, 0o600)
        return path

    def program(self, name: str) -> str:
        """Path of kinit, klist, kdestroy, or a program of the KDC."""
        return os.path.join(self._programs, "bin", name)

    def environment(self, ccache: str) -> Dict[str, str]:
        """Environment of a client whose tickets lie in the file `ccache`."""
        return dict(
            os.environ,
            KRB5_CONFIG=self.config,
            KRB5CCNAME="FILE:" + ccache,
            # The client library too, which is not on every machine.
            LD_LIBRARY_PATH=os.path.join(self._programs, "lib"),
        )

    def load_library(self) -> None:
        """Makes this very process use the fetched client library, which not every machine has."""
        for name in _LIBRARIES:
            ctypes.CDLL(os.path.join(self._programs, "lib", name), mode=ctypes.RTLD_GLOBAL)

    def kinit(self, keytab: str, principal: str, ccache: str, *flags: str) -> str:
        """Fetches a ticket; returns `ccache`. Raises KdcError with what kinit says."""
        command = [self.program("kinit"), "-k", "-t", keytab] + list(flags) + [principal]
        _output(command, self.environment(ccache))
        return ccache

    def _kdc_conf(self) -> str:
        return os.path.join(self._folder, "kdc.conf")

    def _server_environment(self) -> Dict[str, str]:
        return dict(
            self.environment(os.path.join(self._folder, "no_tickets")),
            KRB5_KDC_PROFILE=self._kdc_conf(),
        )

    def _run(self, command: List[str], text: str = "") -> str:
        command = [self.program(command[0])] + command[1:]
        return _output(command, self._server_environment(), text)


@contextlib.contextmanager
def running(folder: str) -> Iterator[Kdc]:
    """Yields a KDC without principals of its own; it is dead and reaped afterwards.

    Args:
      folder: Gets all files; must be there and be empty.

    Raises:
      KdcError: There are no programs, or it did not start.
    """
    kdc = Kdc(folder)
    try:
        kdc.create()
        kdc.start()
        yield kdc
    finally:
        kdc.stop()


def _output(command: List[str], environment: Dict[str, str], text: str = "") -> str:
    process = subprocess.run(
        command,
        input=text,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    )
    if process.returncode:
        raise KdcError("%s: %s" % (os.path.basename(command[0]), process.stdout.strip()))
    return process.stdout


def _programs() -> str:
    folder = os.path.join(os.environ["TEST_SRCDIR"], "kerberos", "kerberos")
    missing = os.path.join(folder, "MISSING.txt")
    if os.path.exists(missing):
        with open(missing) as reason:
            raise KdcError("expected MIT Kerberos, got: " + reason.read().strip())
    return folder
