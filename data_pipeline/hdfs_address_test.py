"""Tests of where URLs of HDFS lead."""

import pytest

from data_pipeline import errors, hdfs_address

_ONE = {
    "dfs.namenode.rpc-address": "n1:9000",
    "dfs.namenode.http-address": "n1:50070",
    "dfs.namenode.https-address": "n1:50470",
}
_TWO = {
    "dfs.nameservices": "other, pair",
    "dfs.ha.namenodes.pair": "a, b",
    "dfs.namenode.http-address.other": "n3:50070",
    "dfs.namenode.http-address.pair.a": "n1:50070",
    "dfs.namenode.http-address.pair.b": "n2:50070",
    "dfs.namenode.rpc-address.pair.a": "n1:8020",
    "dfs.namenode.rpc-address.pair.b": "n2:8020",
}
_CORE = {"fs.defaultFS": "hdfs://n1"}


def _write(path, properties):
    line = "<property><name>%s</name><value> %s </value><final>true</final></property>"
    text = "".join(line % item for item in properties.items())
    path.write_text("<configuration>%s</configuration>" % text)


def _urls(folder, path, hdfs_site, core_site=None):
    _write(folder / "hdfs-site.xml", hdfs_site)
    if core_site:
        _write(folder / "core-site.xml", core_site)
    return hdfs_address.of(path, str(folder)).urls


@pytest.mark.parametrize(
    "path, want",
    [
        ("webhdfs://h:1/a/b", ("webhdfs://h:1", ["http://h:1"])),
        ("swebhdfs://h:1", ("swebhdfs://h:1", ["https://h:1"])),
    ],
)
def test_web_address_needs_no_configuration(path, want):
    assert hdfs_address.of(path, None) == want


@pytest.mark.parametrize(
    "path, hdfs_site, core_site, want",
    [
        pytest.param("hdfs://n1:9000/x", _ONE, None, ["http://n1:50070"], id="rpc_address"),
        pytest.param("swebhdfs://n1:9000/x", {}, None, ["https://n1:9000"], id="as_it_is"),
        pytest.param(
            "hdfs://n1:9000/x",
            dict(_ONE, **{"dfs.http.policy": "HTTPS_ONLY"}),
            None,
            ["https://n1:50470"],
            id="https_only",
        ),
        pytest.param(
            "hdfs://n1:8020/x",
            {"dfs.namenode.http-address": "0.0.0.0:50070"},
            _CORE,
            ["http://n1:50070"],
            id="named_in_core_site_and_listening_everywhere",
        ),
        pytest.param("hdfs:///x", _TWO, _CORE, ["http://n1:50070"], id="default_and_port_8020"),
        pytest.param(
            "hdfs:///x",
            _TWO,
            {"fs.default.name": "hdfs://pair"},
            ["http://n1:50070", "http://n2:50070"],
            id="old_name_of_the_default",
        ),
        pytest.param(
            "hdfs://pair/x", _TWO, None, ["http://n1:50070", "http://n2:50070"], id="pair"
        ),
        pytest.param(
            "webhdfs://pair/x", _TWO, None, ["http://n1:50070", "http://n2:50070"], id="web_pair"
        ),
        pytest.param("hdfs://other/x", _TWO, None, ["http://n3:50070"], id="nameservice_of_one"),
        pytest.param("hdfs://n2/x", _TWO, None, ["http://n2:50070"], id="one_of_a_pair"),
    ],
)
def test_configuration_leads_to_name_nodes(tmp_path, path, hdfs_site, core_site, want):
    assert _urls(tmp_path, path, hdfs_site, core_site) == want


@pytest.mark.parametrize(
    "path, hdfs_site",
    [
        pytest.param("hdfs://elsewhere/x", _ONE, id="another_cluster"),
        pytest.param("hdfs:///x", _ONE, id="no_default"),
        pytest.param("webhdfs://n1/x", {}, id="no_port"),
        pytest.param("hdfs://n1:9000/x", {"dfs.namenode.rpc-address": "n1:9000"}, id="no_http"),
    ],
)
def test_unknown_name_node_is_refused_with_both_ways_to_name_it(tmp_path, path, hdfs_site):
    match = "^expected webhdfs://HOST:PORT/PATH, or dfs.namenode.http-address in .*: %s$" % path
    with pytest.raises(errors.InputError, match=match):
        _urls(tmp_path, path, hdfs_site)


def test_missing_configuration_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="got HADOOP_CONF_DIR is not set: hdfs://n1/x"):
        hdfs_address.of("hdfs://n1/x", None)
    with pytest.raises(errors.InputError, match="got No such file or directory: .*/hdfs-site.xml"):
        hdfs_address.of("hdfs://n1/x", str(tmp_path))
    (tmp_path / "hdfs-site.xml").write_text("<configuration>")
    with pytest.raises(errors.InputError, match="configuration, got no element found.*-site.xml"):
        hdfs_address.of("hdfs://n1/x", str(tmp_path))


@pytest.mark.parametrize(
    "path, want",
    [
        ("hdfs://h", "/"),
        ("hdfs://h/", "/"),
        ("hdfs:///a//b/", "/a/b"),
        ("hdfs://h//a/./b/../c", "/a/c"),
        ("hdfs://h/a b#c?d", "/a b#c?d"),
    ],
)
def test_path(path, want):
    assert hdfs_address.path_of(path) == want


def test_path_that_webhdfs_would_change_is_refused():
    with pytest.raises(errors.InputError, match="a path in HDFS without %, got hdfs://h/a%41"):
        hdfs_address.path_of("hdfs://h/a%41")
