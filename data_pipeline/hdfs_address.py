"""Which NameNode a URL of HDFS means, and which path there.

Source of the names: hdfs-default.xml and core-default.xml of Hadoop 2.7 to 3.3.
"""

import os
import posixpath
from typing import Dict, List, NamedTuple, Optional
from xml.etree import ElementTree

from data_pipeline import errors

_RPC_PORT = "8020"  # of hdfs:// without a port
_TLS = "swebhdfs"


class Address(NamedTuple):
    """A NameNode, or the NameNodes of a highly available HDFS.

    Attributes:
      prefix: How paths there start: SCHEME://AUTHORITY.
      urls: http://HOST:PORT or https://HOST:PORT of each NameNode; at most one is active.
    """

    prefix: str
    urls: List[str]


def of(path: str, config_dir: Optional[str]) -> Address:
    """Returns where a path lies.

    Args:
      path: webhdfs://HOST:PORT/..., swebhdfs://HOST:PORT/... (TLS), both with commas between the
        NameNodes of a highly available HDFS, HOST:PORT,HOST:PORT, or one of these schemes, or
        hdfs://, with what the configuration calls so: a nameservice, a NameNode's RPC address, or
        nothing for fs.defaultFS.
      config_dir: Folder of core-site.xml and hdfs-site.xml; None if there is none.

    Raises:
      InputError: No address is found; the text says how to give it.
    """
    scheme, _, rest = path.partition("://")
    authority = rest.partition("/")[0]
    prefix = "%s://%s" % (scheme, authority)
    if scheme != "hdfs" and ":" in authority:
        http = "https" if scheme == _TLS else "http"
        return Address(prefix, ["%s://%s" % (http, node) for node in authority.split(",")])
    if not config_dir:
        raise _missing("HADOOP_CONF_DIR is not set", path)
    config = _Config(config_dir)
    urls = config.urls(authority, scheme == _TLS)
    if not urls:
        raise _missing("%s has none for it" % os.path.join(config_dir, "hdfs-site.xml"), path)
    return Address(prefix, urls)


def path_of(path: str) -> str:
    """Returns the normal, absolute path within HDFS of a URL.

    Raises:
      InputError: There is a % in it. WebHDFS of Hadoop 2.7 decodes names once too often, so that
        a%41 would be written to the file aA.
    """
    if "%" in path:
        raise errors.InputError("expected a path in HDFS without %%, got %s" % path)
    return posixpath.normpath("/" + path.partition("://")[2].partition("/")[2].lstrip("/"))


class _Config:
    """What a folder of configuration says about NameNodes."""

    def __init__(self, folder: str) -> None:
        core = os.path.join(folder, "core-site.xml")
        self._properties = _properties(core) if os.path.exists(core) else {}
        self._properties.update(_properties(os.path.join(folder, "hdfs-site.xml")))

    def urls(self, authority: str, tls: bool) -> List[str]:
        """Returns the URLs of the NameNodes of an authority of hdfs://; empty if unknown."""
        authority = authority or self._default()
        tls = tls or self._properties.get("dfs.http.policy") == "HTTPS_ONLY"
        scheme = "https" if tls else "http"
        addresses = [
            self._properties.get("dfs.namenode.%s-address%s" % (scheme, suffix))
            for suffix in self._suffixes(authority)
        ]
        host = authority.partition(":")[0]
        # A NameNode that listens everywhere is configured so.
        return ["%s://%s" % (scheme, a.replace("0.0.0.0", host)) for a in addresses if a]

    def _suffixes(self, authority: str) -> List[str]:
        """Returns what follows the names of the properties of an authority."""
        if authority in self._names("dfs.nameservices"):
            nodes = self._names("dfs.ha.namenodes." + authority)
            return [".%s.%s" % (authority, node) for node in nodes] or ["." + authority, ""]
        rpc = "dfs.namenode.rpc-address"
        for name, value in self._properties.items():
            if name.startswith(rpc) and _with_port(value) == _with_port(authority):
                return [name[len(rpc) :]]
        # A single NameNode is named once, in core-site.xml.
        return [""] if authority and _with_port(authority) == _with_port(self._default()) else []

    def _default(self) -> str:
        old_name = self._properties.get("fs.default.name", "")
        return self._properties.get("fs.defaultFS", old_name).partition("://")[2].partition("/")[0]

    def _names(self, name: str) -> List[str]:
        return [item.strip() for item in self._properties.get(name, "").split(",") if item.strip()]


def _properties(path: str) -> Dict[str, str]:
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as e:
        got = e.strerror if isinstance(e, OSError) else e
        raise errors.InputError("expected Hadoop's configuration, got %s: %s" % (got, path)) from e
    found = {}
    for item in root.iter("property"):
        found[item.findtext("name", "").strip()] = item.findtext("value", "").strip()
    return found


def _with_port(authority: str) -> str:
    return authority if ":" in authority else "%s:%s" % (authority, _RPC_PORT)


def _missing(got: str, path: str) -> errors.InputError:
    return errors.InputError(
        "expected webhdfs://HOST:PORT/PATH, or dfs.namenode.http-address in hdfs-site.xml of"
        " HADOOP_CONF_DIR, got %s: %s" % (got, path)
    )
