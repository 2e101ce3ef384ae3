"""Frame rates in refusals: what is said can be had, and no more."""

import re

import pytest

from macwright.dse.cli import main as cli

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("architecture", ["dataflow", "temporal"])
def test_a_rate_that_is_refused_names_the_one_to_be_had(architecture, work, model, capsys):
    words = ["dse", str(model), "--weights", "int4,int8", "--activations", "int4,int8"]
    words += ["--no-verify", "--measure", "0", "--points", "2", "--architecture", architecture]
    words += ["-o", str(work / f"rate-{architecture}"), "--budget", "area<=20000", "--budget"]
    assert cli.main([*words, "throughput_fps>=1e9"]) == 1
    said = capsys.readouterr().err
    rate = re.search(r"at most ([\d,]+) frames/s within area <= 20000, not 1,000,000,000$", said)
    assert rate is not None, said
    most = int(rate[1].replace(",", ""))
    assert cli.main([*words, f"throughput_fps>={0.999 * most}"]) == 0
    assert cli.main([*words, f"throughput_fps>={1.001 * most}"]) == 1
