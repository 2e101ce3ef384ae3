"""Options from a file say what the same words on the command line say."""

import argparse
import json

import pytest

from macwright.dse.cli.config import add_config_argument, given_options, with_config
from macwright.dse.cli.main import main
from macwright.hw.errors import RefusedInput


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("--weights")
    parser.add_argument("--budget", action="append", default=[])
    parser.add_argument("--points", type=int, default=32)
    parser.add_argument("--no-verify", action="store_true")
    add_config_argument(parser)
    return parser


def _read(tmp_path, text: str, *more: str, name: str = "run.toml") -> argparse.Namespace:
    (tmp_path / name).write_text(text)
    parser = _parser()
    return parser.parse_args(with_config(parser, ["--config", str(tmp_path / name), *more]))


def test_every_kind_of_option(tmp_path):
    args = _read(
        tmp_path,
        'model = "net.onnx"\nweights = ["int4", "int8"]\nbudget = ["bops<=1e9", "luts<=5"]\n'
        "points = 5\nno-verify = true\n",
    )
    assert (args.model, args.weights, args.points) == ("net.onnx", "int4,int8", 5)
    assert args.budget == ["bops<=1e9", "luts<=5"]
    assert args.no_verify is True


def test_the_command_line_counts_more(tmp_path):
    args = _read(
        tmp_path, 'model = "a.onnx"\npoints = 5\nno_verify = false\n', "b.onnx", "--points=7"
    )
    assert (args.model, args.points, args.no_verify) == ("b.onnx", 7, False)


def test_what_a_run_keeps_is_what_was_given(tmp_path):
    parser = _parser()
    args = parser.parse_args(["net.onnx", "--budget", "bops<=1", "--points", "32"])
    given = given_options(parser, args)
    assert given == {"model": "net.onnx", "budget": ["bops<=1"]}
    text = json.dumps({"options": given})
    (tmp_path / "run.json").write_text(text)
    parser = _parser()
    again = parser.parse_args(with_config(parser, ["--config", str(tmp_path / "run.json")]))
    assert given_options(parser, again) == given


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("weight = 'int4'", r"'weight' of '.*' must be one of the command, such as 'weights'"),
        ("points = {a = 1}", r"'points' of '.*' must be a text or a number, not {'a': 1}"),
        ("no-verify = 1", r"'no-verify' of '.*' must be true or false, not 1"),
        ("points = ", r"must be TOML: "),
        ("config = 'other.toml'", r"'config' of '.*' must be one of the command"),
    ],
)
def test_refused_in_a_sentence(tmp_path, text, words):
    (tmp_path / "run.toml").write_text(text)
    parser = _parser()
    with pytest.raises(RefusedInput, match=words):
        with_config(parser, ["--config", str(tmp_path / "run.toml")])


def test_through_the_command_line(tmp_path, capsys):
    (tmp_path / "run.json").write_text("[1]")
    assert main(["dse", "--config", str(tmp_path / "run.json")]) == 1
    assert "must be run.json of a run, with its options, not other JSON" in capsys.readouterr().err
    (tmp_path / "run.toml").write_text("points = 'many'")
    with pytest.raises(SystemExit) as end:
        main(["dse", "--config", str(tmp_path / "run.toml")])
    assert end.value.code == 2
    assert "invalid int value: 'many'" in capsys.readouterr().err


def test_never_read_in_part_or_in_silence(tmp_path, capsys):
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("json = true")
    one, two = (f"{tmp_path}/{name}" for name in ("a.toml", "b.toml"))
    assert main(["cache", "show", "--conf", one]) == 1
    assert "--config must be written out, not abbreviated" in capsys.readouterr().err
    assert main(["cache", "show", f"--config={one}", "--config", two]) == 1
    assert "--config must be given once, not 2 times" in capsys.readouterr().err
    assert main(["cache", "show", "--config", one]) == 0
    assert "folder" in json.loads(capsys.readouterr().out)
    with pytest.raises(SystemExit) as end:
        main(["cache", "show", "--config"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("usage:") == 1
    assert "argument --config: expected one argument" in said
