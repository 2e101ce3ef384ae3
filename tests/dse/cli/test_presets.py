"""Presets: their options, what overrides them, and that a run's own record repeats them."""

import argparse
import json

import pytest

from macwright.dse.cli import dse
from macwright.dse.cli.config import add_config_argument, given_options, with_config
from macwright.dse.cli.main import main
from macwright.dse.cli.presets import PRESETS, with_preset
from macwright.hw.errors import RefusedInput


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    dse.add_arguments(parser)
    add_config_argument(parser)
    return parser


def _options(*words: str) -> dict[str, object]:
    """What a command line with `words` gives."""
    parser = _parser()
    return given_options(parser, parser.parse_args(with_preset(parser, words)))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_options(name):
    words = [f"--{option}={value}" for option, value in PRESETS[name].items()]
    assert _options("--preset", name) == {**_options(*words), "preset": name}
    assert len(_options(*words)) == len(PRESETS[name])


@pytest.mark.parametrize("name", PRESETS)
def test_no_option_of_a_preset_has_a_default(name):
    parser = _parser()
    for option in PRESETS[name]:
        assert not parser.get_default(option.replace("-", "_")), option


@pytest.mark.parametrize("words", [("--preset=edge-asic", "--objective=bops"), None])
def test_own_options_count_more(words):
    # One that may be repeated is replaced, too, not added to.
    given = _options(*(words or ("--objective", "bops", "--preset", "edge-asic")))
    assert given["objective"] == ["bops"]
    assert given["technology"] == PRESETS["edge-asic"]["technology"]


def test_a_file_counts_more_and_the_record_of_a_run_repeats_it(tmp_path):
    given = _options("--preset", "tiny-fpga", "--weights", "int3", "--points", "4")
    (tmp_path / "run.json").write_text(json.dumps({"options": given}))
    parser = _parser()
    words = with_config(parser, ["--config", str(tmp_path / "run.json")])
    assert given_options(parser, parser.parse_args(with_preset(parser, words))) == given
    (tmp_path / "own.toml").write_text('preset = "tiny-fpga"\nactivations = "int8"\n')
    parser = _parser()
    words = with_config(parser, ["--config", str(tmp_path / "own.toml"), "--weights=int2"])
    again = given_options(parser, parser.parse_args(with_preset(parser, words)))
    assert (again["activations"], again["weights"]) == ("int8", "int2")
    assert again["switched"] == [PRESETS["tiny-fpga"]["switched"]]


def test_unknown_preset_is_refused():
    with pytest.raises(RefusedInput, match=r"^Option --preset must be one of tiny-fpga, edge-asic"):
        with_preset(_parser(), ["--preset", "huge"])


def test_through_the_command_line(capsys, tmp_path):
    assert main(["dse", "--preset", "huge"]) == 1
    assert "must be one of tiny-fpga, edge-asic, not 'huge'" in capsys.readouterr().err
    # Abbreviated as argparse lets one.
    assert main(["dse", "--pres", "huge"]) == 1
    assert "must be one of tiny-fpga, edge-asic, not 'huge'" in capsys.readouterr().err
    # From a file alone, too.
    (tmp_path / "own.toml").write_text('preset = "huge"\n')
    assert main(["dse", "--config", str(tmp_path / "own.toml")]) == 1
    assert "must be one of tiny-fpga, edge-asic, not 'huge'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["dse", "--help"])
    text = capsys.readouterr().out
    for options in PRESETS.values():
        assert all(f"--{option} {value}" in text for option, value in options.items())
