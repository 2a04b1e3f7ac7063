"""What each flag takes, refuses and means when it is left out."""

import pytest

from serving import server_options


def test_defaults_are_those_of_the_help(capsys):
    options = server_options.parse(["--model_dir=d"])
    assert options.service.endswith("model_service.py")
    assert options._replace(service="") == server_options.Options(
        model_dir="d",
        service="",
        model_name="m",
        reload=True,
        warmup=True,
        address="127.0.0.1",
        port=8501,
        port_file=None,
        workers=1,
        max_body_mib=32,
        body_timeout_secs=10.0,
        predict_timeout_secs=30.0,
        max_concurrent=256,
        access_log=True,
    )


def test_help_names_every_flag_in_its_group(capsys):
    with pytest.raises(SystemExit) as ended:
        server_options.parse(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for flag in server_options.Options._fields:
        assert "  --%s " % flag in text
    assert text.index("\nmodel:") < text.index("\nprocess:") < text.index("\nlimits")


@pytest.mark.parametrize("text, want", [("=false", False), ("=true", True), ("", True)])
def test_booleans_take_true_and_false(text, want):
    flags = ["--model_dir=d"]
    flags += ["--%s%s" % (name, text) for name in ("reload", "warmup", "access_log")]
    options = server_options.parse(flags)
    assert [options.reload, options.warmup, options.access_log] == [want] * 3


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--port=70000", "--port: expected 0 to 65535, got '70000'"),
        ("--port=-1", "--port: expected 0 to 65535, got '-1'"),
        ("--model_name=a/b", "--model_name: expected letters, digits, _ . and -, got 'a/b'"),
        ("--workers=0", "--workers: expected a number from 1 to 999999, got '0'"),
        ("--max_body_mib=1.5", "--max_body_mib: expected a number from 1 to 999999, got '1.5'"),
        ("--max_concurrent=0", "--max_concurrent: expected a number from 1"),
        ("--body_timeout_secs=0", "--body_timeout_secs: expected seconds, above 0 to 86400"),
        ("--predict_timeout_secs=nan", "expected seconds, above 0 to 86400, got 'nan'"),
        ("--reload=yes", "--reload: expected true or false, got 'yes'"),
        ("--access_log=1", "expected true or false, got '1'"),
    ],
)
def test_wrong_values_are_refused(flag, message, capsys):
    with pytest.raises(SystemExit) as ended:
        server_options.parse(["--model_dir=d", flag])
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_model_dir_is_required(capsys):
    with pytest.raises(SystemExit):
        server_options.parse([])
    assert "the following arguments are required: --model_dir" in capsys.readouterr().err
