"""Flags in groups: values from the command line, from a file and by default, and every refusal."""

import re
import sys

import pytest

from data_pipeline import errors
from launch import flags
from model import parameter_flags

_GROUPS = {
    "data": (
        flags.Flag("train_file", flags.text, "rows to train on", "FILE", required=True),
        flags.Flag("rows", flags.integer(10), "rows to generate", "ROWS", 400),
    ),
    "cluster": (
        flags.Flag("sync", flags.boolean, "synchronous updates", "true|false", False),
        flags.Flag("wait", flags.seconds, "seconds to wait", "SECONDS", 600.0),
        flags.Flag("export", flags.choice("best", "latest"), "which", "best|latest", "best"),
        flags.Flag("dir", flags.text, "gets it", "DIR", shown="a new one"),
    ),
}


def _parser():
    return flags.Parser("prog", "What it does.", "The end.", _GROUPS)


def _parse(*argv):
    return vars(_parser().parse(argv))


def _config(folder, text):
    path = folder / "c.yaml"
    path.write_text(text)
    return "--config=%s" % path


def test_values_not_given_are_the_defaults():
    assert _parse("--train_file=x") == {
        "train_file": "x",
        "rows": 400,
        "sync": False,
        "wait": 600.0,
        "export": "best",
        "dir": None,
    }


def test_values_are_typed():
    values = _parse("--train_file=x", "--rows=10", "--wait=1e1", "--export=latest", "--hidden=4,2")
    assert values["rows"] == 10 and values["export"] == "latest"
    assert (values["wait"], type(values["wait"])) == (10.0, float)
    assert values["hidden"] == (4, 2)


@pytest.mark.parametrize(
    "flag, want",
    [("--sync", True), ("--sync=true", True), ("--sync=false", False), ("--sync=TRUE", True)],
)
def test_a_boolean_needs_no_value(flag, want):
    assert _parse("--train_file=x", flag)["sync"] is want


def test_a_value_may_stand_apart_and_the_last_one_counts():
    assert _parse("--train_file", "x", "--rows=20", "--rows", "30")["rows"] == 30


def test_values_come_from_the_file(tmp_path):
    text = "train_file: x\nsync: true\nwait: 5\nhidden: [4, 2]\n"
    want = _parse("--train_file=x", "--sync", "--wait=5", "--hidden=4,2")
    assert _parse(_config(tmp_path, text)) == want


def test_flags_go_before_the_file_wherever_they_stand(tmp_path):
    config = _config(tmp_path, "train_file: x\nsync: true\nrows: 20\nhidden: [4]\n")
    own = ("--sync=false", "--hidden=8")
    for argv in (own + (config,), (config,) + own):
        values = _parse(*argv)
        assert (values["sync"], values["hidden"], values["rows"]) == (False, (8,), 20)


def test_a_flag_that_says_the_default_goes_before_the_file(tmp_path):
    config = _config(tmp_path, "train_file: x\nrows: 20\nsync: true\n")
    values = _parse(config, "--rows=400", "--sync=false")
    assert (values["rows"], values["sync"]) == (400, False)


def test_an_empty_file_changes_nothing(tmp_path):
    assert _parse("--train_file=x", _config(tmp_path, "")) == _parse("--train_file=x")


def test_of_two_files_the_last_one_counts(tmp_path):
    first = _config(tmp_path, "train_file: x\n")
    (tmp_path / "second").mkdir()
    second = _config(tmp_path / "second", "rows: 20\n")
    assert _parse(second, first)["rows"] == 400


def test_parsing_leaves_no_trace_in_the_parser():
    parser = _parser()
    parser.parse(["--train_file=x", "--rows=20", "--hidden=4"])
    assert vars(parser.parse(["--train_file=x"])) == _parse("--train_file=x")


def test_names_are_those_a_file_may_have():
    own = ["train_file", "rows", "sync", "wait", "export", "dir"]
    assert _parser().names == sorted(own + list(parameter_flags.readers()))


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--rows=9", "--rows: expected at least 10, got 9"),
        ("--rows=x", "--rows: expected an integer from 10, got 'x'"),
        ("--rows=1.5", "--rows: expected an integer from 10, got '1.5'"),
        ("--rows", "--rows: expected one argument"),
        ("--sync=yes", "--sync: expected true or false, got 'yes'"),
        ("--wait=-1", "--wait: expected a number of seconds from 0, got '-1'"),
        ("--wait=nan", "--wait: expected a number of seconds from 0, got 'nan'"),
        ("--wait=inf", "--wait: expected a number of seconds from 0, got 'inf'"),
        ("--wait=soon", "--wait: expected a number of seconds from 0, got 'soon'"),
        ("--export=all", "--export: expected one of best, latest, got 'all'"),
        ("--dir=a\0b", r"--dir: expected text without NUL, got 'a\x00b'"),
        ("--dir=\ud800", r"--dir: expected text that a path can hold, got '\ud800'"),
        ("--hidden=a", "--hidden: expected positive integers, got 'a'"),
        ("--row=20", "unknown flag --row; the nearest is --rows (--help lists all)"),
        ("--Train-File=x", "unknown flag --Train-File; the nearest is --train_file (--help"),
        ("--confg=x", "unknown flag --confg; the nearest is --config (--help lists all)"),
        ("-x", "unknown flag -x; the nearest is --"),
        ("x.tsv", "expected flags, got 'x.tsv'"),
    ],
)
def test_refuses_a_flag(flag, message):
    with pytest.raises(errors.InputError, match="^" + re.escape(message)):
        _parse("--train_file=x", flag)


@pytest.mark.parametrize("argv", [(), ("--train_file=",)])
def test_refuses_a_required_flag_that_is_missing(argv):
    message = "expected also --train_file, here or in the file of --config"
    with pytest.raises(errors.InputError, match=message):
        _parse(*argv)


@pytest.mark.parametrize(
    "text, message",
    [
        ("row: 20", "--config: .*c.yaml:1: expected the name of a flag, got 'row'; .* is rows"),
        ("\nrows: 9", "--config: .*c.yaml:2: rows: expected at least 10, got 9"),
        ("sync: yes", "c.yaml:1: sync: expected true or false, got 'yes'"),
        ("config: x", "c.yaml:1: expected the name of a flag, got 'config'"),
        ("hidden: [4, x]", "c.yaml:1: hidden: expected positive integers, got '4,x'"),
        ("batch_norm: 1", "c.yaml:1: batch_norm: expected true or false, got '1'"),
        ('dir: "\\0"', r"c.yaml:1: dir: expected text without NUL"),
        ('dir: "\\ud800"', r"c.yaml:1: dir: expected text that a path can hold"),
    ],
)
def test_refuses_a_file(tmp_path, text, message):
    with pytest.raises(errors.InputError, match=message):
        _parse("--train_file=x", _config(tmp_path, text))


def test_refuses_a_missing_file(tmp_path):
    with pytest.raises(errors.InputError, match="--config: expected a file, got No such.*/none"):
        _parse("--config=%s" % (tmp_path / "none"))


def test_only_config_needs_pyyaml(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert _parse("--train_file=x", "--rows=20")["rows"] == 20
    with pytest.raises(errors.InputError, match="--config: .*c.yaml: expected PyYAML"):
        _parse(_config(tmp_path, "train_file: x\n"))


def test_help_has_groups_with_units_and_defaults(capsys):
    with pytest.raises(SystemExit) as e:
        _parse("--help")
    assert e.value.code == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("usage: prog [--flag=value ...]\n\nWhat it does.\n")
    titles = re.findall("^([a-z-]+):$", help_text, re.MULTILINE)
    assert titles == ["data", "cluster", "hyper-parameters", "general"]
    flat = " ".join(help_text.split())
    for line in (
        "--train_file FILE rows to train on (required)",
        "--rows ROWS rows to generate (400)",
        "--sync [true|false] synchronous updates (false)",
        "--dir DIR gets it (a new one)",
        "--config FILE YAML file",
    ):
        assert line in flat
    assert help_text.endswith("The end.\n")
