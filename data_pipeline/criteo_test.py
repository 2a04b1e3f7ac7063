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


@pytest.fixture(name="blocks")
def _blocks(tmp_path, capsys):
    """Row blocks of 1,000 rows and one malformed line, and the text of the rows."""
    data = text.format(generator.Generator(1).rows(0, 1000)[0])
    (tmp_path / "rows.tsv").write_bytes(data + b"bad\n")
    folder = str(tmp_path / "blocks")
    arguments = ["--input", str(tmp_path / "rows.tsv"), "--output", folder]
    assert criteo.main(["encode", "--max_rejects=0.01"] + arguments) == 0
    assert capsys.readouterr().out.startswith("%s: 1,000 rows, label rate 0.2" % folder)
    return folder, data


def test_encode_refuses_too_many_malformed_lines(tmp_path, capsys):
    (tmp_path / "f").write_bytes(b"bad\n")
    arguments = ["--input", str(tmp_path / "f"), "--output", str(tmp_path / "blocks")]
    assert criteo.main(["encode"] + arguments) == 2
    assert "error: expected at most 0.1 % malformed lines, got 1" in capsys.readouterr().err


def test_decode_writes_the_text(tmp_path, blocks):
    folder, data = blocks
    output = tmp_path / "back.tsv"
    assert criteo.main(["decode", "--input", folder, "--output", str(output)]) == 0
    assert output.read_bytes() == data


def test_inspect_shows_columns_and_draws_them(tmp_path, blocks, capsys):
    picture = tmp_path / "columns.png"
    arguments = ["inspect", "--input", blocks[0], "--picture", str(picture), "--max_rows=900"]
    assert criteo.main(arguments) == 0
    output = capsys.readouterr().out
    assert "1 of 1,001 lines rejected (1 columns)" in output
    assert "900 rows, label rate" in output
    assert len(re.findall(r"^[IC]\d+ ", output, re.MULTILINE)) == 39
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_verify_exits_with_1_where_something_is_wrong(tmp_path, blocks, capsys):
    folder, _ = blocks
    assert criteo.main(["verify", "--input", folder]) == 0
    assert "verified: every byte" in capsys.readouterr().out
    os.remove(os.path.join(folder, "rows-00000-00000.tfrecord"))
    assert criteo.main(["verify", "--input", folder]) == 1
    assert "rows-00000-00000.tfrecord" in capsys.readouterr().out


def test_split_writes_train_and_eval(tmp_path, blocks, capsys):
    arguments = ["split", "--input", blocks[0], "--output", str(tmp_path / "s")]
    assert criteo.main(arguments + ["--by=hash", "--columns=C1,C2", "--eval_share=0.3"]) == 0
    output = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in output] == [
        str(tmp_path / "s" / "train"),
        str(tmp_path / "s" / "eval"),
    ]


@pytest.mark.parametrize("command", ["encode", "decode", "inspect", "verify", "split", "generate"])
def test_help_of_every_command(capsys, command):
    with pytest.raises(SystemExit) as exit_info:
        criteo.main([command, "--help"])
    assert exit_info.value.code == 0
    output = capsys.readouterr().out
    assert "usage: criteo " + command in output
    assert "examples:\n  criteo " + command in output
