"""Tests of the command line."""

import os
import re

import pytest

from data_pipeline import criteo, generator, text


def test_generate_writes_the_rows_of_the_seed(tmp_path, capsys):
    path = tmp_path / "rows.txt"
    arguments = ["generate", "--output=%s" % path, "--rows=40000", "--seed=3"]
    assert criteo.main(arguments) == 0
    rows, probability = generator.Generator(3).rows(0, 40000)
    assert path.read_bytes() == text.format(rows)
    summary = re.fullmatch(
        r"(.*): 40000 rows, label rate (0\.\d{4}), best AUC (0\.\d{4})\n", capsys.readouterr().out
    )
    assert summary.group(1) == str(path)
    assert float(summary.group(2)) == pytest.approx(rows.label.mean(), abs=1e-4)
    assert float(summary.group(3)) == pytest.approx(
        generator.auc(rows.label, probability), abs=1e-4
    )


@pytest.mark.parametrize(
    "output, message",
    [
        pytest.param("", "--output: expected a file to write, got a folder", id="folder"),
        pytest.param("file/rows.txt", "writable folder, got .*file/rows.txt", id="parent"),
    ],
)
def test_generate_refuses_an_output(tmp_path, capsys, output, message):
    (tmp_path / "file").write_text("")
    path = os.path.join(str(tmp_path), output)
    assert criteo.main(["generate", "--output=%s" % path, "--rows=2"]) == 2
    assert re.search("criteo: error: .*" + message, capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments, message",
    [
        pytest.param([], "command", id="no_command"),
        pytest.param(["generate", "--rows=1"], "--output", id="no_output"),
        pytest.param(["generate", "--output=x"], "--rows", id="no_rows"),
        pytest.param(
            ["generate", "--output=x", "--rows=0"],
            "--rows: expected 1 .. 9223372036854775807, got 0",
            id="rows_0",
        ),
        pytest.param(
            ["generate", "--output=x", "--rows=x"],
            "--rows: invalid integer value: 'x'",
            id="rows_not_a_number",
        ),
        pytest.param(
            ["generate", "--output=x", "--rows=1", "--seed=-1"],
            "--seed: expected 0 .. 18446744073709551615, got -1",
            id="seed",
        ),
    ],
)
def test_wrong_usage_exits_with_2(capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_info:
        criteo.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
