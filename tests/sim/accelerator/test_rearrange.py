"""Slices and pads: bits against the integer network, cycles against the control twin."""

import numpy as np
import pytest
from helpers.machines import frames_of, run_machine

from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.network import Edge, Network, Pad, Slice
from macwright.hw.accelerator.rearrange import PadSpec, SliceSpec
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format
from macwright.sim.accelerator.control import Control
from macwright.sim.accelerator.sizing import size_buffers, with_depths

SHAPE = (4, 6, 5)
#: A shortcut of ResNet-20, an odd cut, one channel; and pads after it.
SLICES = {
    "shortcut": ((0, 0, 0), (4, 6, 5), (1, 2, 2)),
    "cut": ((2, 1, 0), (4, 5, 3), (1, 1, 1)),
    "odd": ((1, 1, 1), (2, 6, 5), (1, 3, 2)),
}
PADS = {
    "channels": ((2, 2), (0, 0), (0, 0)),
    "around": ((0, 0), (1, 2), (2, 0)),
    "all": ((1, 0), (0, 1), (1, 1)),
    "none": ((0, 0), (0, 0), (0, 0)),
}


def network(cut, pads) -> Network:
    fmt = parse_format("int4")
    ends = zip(*cut, strict=True)
    sliced = tuple(len(range(*end)) for end in ends)
    padded = tuple(n + sum(pad) for n, pad in zip(sliced, pads, strict=True))
    shapes = {"x": SHAPE, "s": sliced, "y": padded}
    starts, stops, steps = cut
    return Network(
        name="wires",
        model_sha256="00",
        input="x",
        output="y",
        edges=tuple(
            Edge(name=n, format=fmt, scale=1.0, zero=0, shape=shape) for n, shape in shapes.items()
        ),
        nodes=(
            Slice(name="cut", input="x", output="s", starts=starts, stops=stops, steps=steps),
            Pad(name="pad", input="s", output="y", pads=pads, level=-3),
        ),
    )


@pytest.mark.parametrize("pads", PADS)
@pytest.mark.parametrize("cut", SLICES)
@pytest.mark.parametrize("interval", [20, 2000])
def test_bits_and_cycles(cut, pads, interval):
    wires = network(SLICES[cut], PADS[pads])
    spec = compose(wires, interval=max(interval, 60))
    spec = with_depths(spec, size_buffers(spec).depths)
    words, want = frames_of(wires, spec, 4, seed=1)
    seen = run_machine(spec, words, len(want))
    assert seen.words == want
    ends = [seen.given[k] - seen.taken[0] for k in seen.lasts]
    timing = Control(spec, frames=4).timing()
    assert ends == timing.ends.tolist()
    assert np.diff(ends).tolist()[-1] == spec.interval


@pytest.mark.parametrize(("offer", "accept"), [(0.3, 1.0), (1.0, 0.2), (0.5, 0.5)])
def test_bits_under_stalls(offer, accept):
    wires = network(SLICES["shortcut"], PADS["all"])
    spec = compose(wires, interval=100)
    words, want = frames_of(wires, spec, 3, seed=2)
    assert run_machine(spec, words, len(want), offer=offer, accept=accept).words == want


def test_channels_that_are_left_out_between_others_are_refused():
    wires = network(((0, 0, 0), SHAPE, (2, 1, 1)), PADS["none"])
    with pytest.raises(RefusedInput, match="Node cut must keep channels in a row to be built"):
        compose(wires, interval=2000)


def test_specs_that_do_not_fit_are_refused():
    spec = compose(network(SLICES["cut"], PADS["all"]), interval=2000)
    cut, pad = (stage.spec for stage in spec.stages)
    with pytest.raises(RefusedInput, match=r"Words that are kept must be some of 2, not \(2,\)"):
        SliceSpec(fifos=cut.fifos, words=60, counts=(2, 5, 6), chosen=((2,), (0,), (0,)))
    with pytest.raises(RefusedInput, match="Words of the input must be some of 3, not 3 after 1"):
        PadSpec(
            fifos=pad.fifos, words=3, counts=(3, 1, 1), before=(1, 0, 0), taken=(3, 1, 1), code=0
        )
