"""Operands of units with groups and block scales: as the units' protocols want them."""

import numpy as np
import pytest

from macwright.costmodel.stimulus.protocols import OCTAVES, protocol_streams
from macwright.hw.formats import BlockFormat, IntFormat, parse_format
from macwright.hw.pe import DotSpec, RequantSpec, ShiftAddMacSpec
from macwright.hw.registry import registry


def inputs(spec) -> set[str]:
    unit = spec.create()
    unit._MustUse__used = True  # made for its ports alone
    members = unit.signature.members
    return {name for name, member in members.items() if str(member.flow) == "In"}


def test_groups_end_in_every_lane_at_its_own_time():
    spec = ShiftAddMacSpec(
        group=16, scale=IntFormat(8, signed=False), zero=IntFormat(4, signed=False)
    )
    streams = protocol_streams(spec, "gauss", inputs(spec))
    assert streams is not None
    assert set(streams) == inputs(spec) - {"en", "rst"}
    ends = [np.flatnonzero(column) for column in streams["take"].T]
    assert all((np.diff(end) == 16).all() and len(end) >= 4 for end in ends)
    assert len({int(end[0]) for end in ends}) > 8
    np.testing.assert_array_equal(streams["clear"], streams["take"])
    assert ((streams["start"] == 1) <= (streams["take"] == 1)).all()
    assert 0 < streams["start"].sum() < streams["take"].sum()
    for name, width in (("scale", 8), ("zero", 4)):
        changes = np.diff(streams[name], axis=0) != 0
        assert (changes <= (streams["take"][1:] == 1)).all()
        assert 0 <= streams[name].min() < streams[name].max() < 1 << width


@pytest.mark.parametrize("name", ["mxfp8e4m3", "nvfp4"])
def test_scales_stay_for_a_block_and_near_one(name):
    fmt = parse_format(name)
    assert isinstance(fmt, BlockFormat)
    spec = DotSpec(act=fmt, weight=fmt, lanes=4, acc=parse_format("fp32"))
    streams = protocol_streams(spec, "gauss", inputs(spec))
    assert streams is not None
    assert set(streams) == inputs(spec)
    for port in ("a_scale", "w_scale"):
        values = fmt.scale.decode(streams[port])
        assert (np.abs(np.log2(values)) <= OCTAVES).all()
        changed = np.flatnonzero((np.diff(values, axis=0) != 0).any(axis=1)) + 1
        np.testing.assert_array_equal(changed, np.arange(0, 66, fmt.block // 4)[1:])
    assert streams["a"].max() < 1 << 4 * fmt.element.width


@pytest.mark.parametrize("sums", [2, 4])
def test_sums_that_take_turns_start_one_after_the_other_with_scales_of_their_own(sums):
    fmt = parse_format("mxfp8e4m3")
    spec = DotSpec(act=fmt, weight=fmt, lanes=8, acc=parse_format("fp32"), sums=sums)
    streams = protocol_streams(spec, "gauss", inputs(spec))
    assert streams is not None
    for turn in range(sums):
        starts = np.flatnonzero(streams["clear"][turn::sums].any(axis=1))
        np.testing.assert_array_equal(starts, np.arange(0, starts[-1] + 1, 32 // sums))
        scales = streams["a_scale"][turn::sums]
        changed = np.flatnonzero((np.diff(scales, axis=0) != 0).any(axis=1)) + 1
        np.testing.assert_array_equal(changed, np.arange(4, len(scales), 4))
    assert (streams["a_scale"][0] != streams["a_scale"][1]).any()


@pytest.mark.parametrize(("lanes", "cycles"), [(8, 1), (4, 2)])
def test_groups_begin_in_turn_and_have_a_scale_for_each_block(lanes, cycles):
    fmt = parse_format("mxfp4")
    spec = DotSpec(act=fmt, weight=fmt, lanes=lanes, acc=parse_format("fp32"), groups=4)
    streams = protocol_streams(spec, "gauss", inputs(spec))
    assert streams is not None
    assert set(streams) == inputs(spec) - {"clk"}
    starts = np.flatnonzero(streams["first"].all(axis=1))
    np.testing.assert_array_equal(starts, np.arange(0, len(streams["first"]), 4))
    assert (streams["a"].max() >> 4 * (lanes * 4 - 1)) > 0
    for turn in range(4):
        scales = streams["a_scale"][turn::4]
        changed = np.flatnonzero((np.diff(scales, axis=0) != 0).any(axis=1)) + 1
        np.testing.assert_array_equal(changed, np.arange(cycles, len(scales), cycles))
        starts = np.flatnonzero(streams["clear"][turn::4, 0])
        np.testing.assert_array_equal(starts, [0, 8, 16][: 3 if turn < 2 else 2])


def test_only_requantisers_are_without_operands():
    known = {"en", "rst", "clear", "a", "w"}
    without = {
        spec.family
        for spec in registry()
        if not hasattr(spec, "modes")
        and (ports := inputs(spec)) - known
        and protocol_streams(spec, "gauss", ports) is None
    }
    assert without == {RequantSpec.family}
