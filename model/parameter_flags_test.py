import argparse

import pytest

from model import hyper_parameters, parameter_flags


def _parse(*argv):
    parser = argparse.ArgumentParser()
    parameter_flags.add(parser, "hyper-parameters")
    return parameter_flags.given(parser.parse_args(list(argv)))


def test_what_is_not_given_is_not_there():
    assert _parse() == {}


def test_values_are_typed():
    assert _parse("--hidden=8,4", "--batch_norm=true", "--dropout=0.5", "--epochs=2") == {
        "hidden": (8, 4),
        "batch_norm": True,
        "dropout": 0.5,
        "epochs": 2,
    }


@pytest.mark.parametrize("flag, want", [("", True), ("=true", True), ("=false", False)])
def test_a_boolean_needs_no_value(flag, want):
    assert _parse("--batch_norm" + flag) == {"batch_norm": want}


def test_every_hyper_parameter_has_a_flag_that_takes_its_text():
    want = hyper_parameters.HyperParameters(seed=7)
    flags = ["--%s=%s" % (name, hyper_parameters.text_of(v)) for name, v in want._asdict().items()]
    assert hyper_parameters.HyperParameters.from_dict(_parse(*flags)) == want


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--batch_size=0", "argument --batch_size: expected an integer of at least 1, got 0"),
        ("--hidden=4,x", "argument --hidden: expected positive integers, got '4,x'"),
        ("--dropout=1.0", "argument --dropout: expected a share in [0, 1), got 1.0"),
        ("--batch_norm=yes", "argument --batch_norm: expected true or false, got 'yes'"),
        ("--optimizer=sgd", "argument --optimizer: expected one of adagrad, adam, got 'sgd'"),
    ],
)
def test_value_out_of_range_is_a_usage_error(capsys, flag, message):
    with pytest.raises(SystemExit) as e:
        _parse(flag)
    assert e.value.code == 2
    assert message in capsys.readouterr().err


def test_readers_make_what_flags_make():
    want = hyper_parameters.HyperParameters(seed=7, hidden=(), batch_norm=True)._asdict()
    readers = parameter_flags.readers()
    assert {
        name: read(hyper_parameters.text_of(want[name])) for name, read in readers.items()
    } == want


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("batch_size", "0", "expected an integer of at least 1, got 0"),
        ("hidden", "4,x", "expected positive integers, got '4,x'"),
        ("metric", "auc: x", "expected one of auc, log_loss, got 'auc: x'"),
    ],
)
def test_a_reader_refuses_without_the_name(name, text, message):
    with pytest.raises(ValueError, match="^%s$" % message):
        parameter_flags.readers()[name](text)


def test_help_says_effect_and_default(capsys):
    with pytest.raises(SystemExit):
        _parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    for name, parameter in hyper_parameters.PARAMETERS.items():
        assert "--%s " % name in text
        assert "%s (%s)" % (parameter.help, hyper_parameters.default_text(name)) in text
