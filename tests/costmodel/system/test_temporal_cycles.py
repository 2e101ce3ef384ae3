"""Cycles of the temporal machine: against a prototype's figures and a schedule that is played."""

import itertools

import pytest
from helpers.machines import small_network

from macwright.costmodel.system.temporal_cycles import frame_cycles, intake_cycles, pass_cycles
from macwright.costmodel.system.temporal_passes import Pass, addition, dense, depthwise, largest
from macwright.hw.accelerator.temporal.compile import compile_network


@pytest.mark.parametrize(("size", "cycles"), [(8, 16_800), (16, 8_400), (32, 4_200)])
def test_depthwise_layers_of_a_keyword_network_take_what_a_prototype_took(size, cycles):
    """Four layers of 3 x 3 over 25 x 5 positions of 64 channels; 16.8k, 8.4k and 4.2k measured."""
    one = depthwise(height=25, width=5, channels=64, columns=size, kernel=(3, 3))
    assert 4 * pass_cycles(one, size).issue == cycles


def played(layer: Pass, rows: int) -> int:
    """Cycles of the steps, by playing which row is at work."""
    cycles = 0
    before = 0
    for _ in range(layer.words):
        positions = list(itertools.product(range(layer.height), range(layer.width)))
        while positions:
            tile = [positions.pop(0)]
            most = 1 if layer.mode == "largest" else rows
            while (
                positions
                and len(tile) < most
                and (layer.mode == "dense" or positions[0][0] == tile[0][0])
            ):
                tile.append(positions.pop(0))
            begun = cycles
            for taps in layer.taps:
                # (row, tap) at work in a cycle; the word of a cycle is that of one or all rows.
                if layer.mode == "dense":
                    cycles += max(2, len(tile), taps)
                else:
                    cycles += max(
                        2, len({row + tap for row in range(len(tile)) for tap in range(taps)})
                    )
            # The bus of results takes a row a cycle.
            cycles = max(cycles, begun + before)
            before = len(tile)
    return cycles


@pytest.mark.parametrize("rows", [1, 3, 4, 8])
def test_steps_of_all_modes_take_as_long_as_when_played(rows):
    layers = [
        dense(height=3, width=3, in_channels=2, out_channels=9, columns=4),
        dense(height=5, width=7, in_channels=11, out_channels=9, columns=4, kernel=(3, 2)),
        dense(height=5, width=7, in_channels=1, out_channels=9, columns=4, kernel=(3, 3), joined=1),
        dense(height=5, width=7, in_channels=1, out_channels=9, columns=6, kernel=(5, 2), joined=3),
        depthwise(height=4, width=9, channels=9, columns=4, kernel=(3, 5), stride=2, parts=2),
        addition(height=4, width=9, channels=9, columns=4, parts=(1, 2)),
        largest(height=4, width=9, channels=9, columns=4, kernel=(2, 2)),
    ]
    for layer in layers:
        assert pass_cycles(layer, rows).issue == played(layer, rows)


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_connected_layers_share_their_words_of_channels_between_rows(rows):
    """As if their words of output channels were positions."""
    one = dense(height=1, width=1, in_channels=11, out_channels=27, columns=4)
    other = dense(height=7, width=1, in_channels=11, out_channels=4, columns=4)
    assert pass_cycles(one, rows, stages=1).total == pass_cycles(other, rows, stages=1).total
    assert pass_cycles(one, rows).weights == 7 * 11


def test_a_frame_is_input_passes_and_results():
    one = pass_cycles(
        dense(height=3, width=3, in_channels=4, out_channels=4, columns=4), 4, stages=1
    )
    assert (one.issue, one.overhead) == (4 + 4 + 4, 1 + 11 + 1)
    assert frame_cycles([one, one], inputs=10, results=3) == 2 * one.total + 13 + 1


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="Taps of a pass must be those of one step"):
        Pass(mode="dense", height=1, width=1, words=1, taps=())
    with pytest.raises(ValueError, match="must fit 4 columns to be joined, not be 6"):
        dense(height=1, width=1, in_channels=1, out_channels=1, columns=4, kernel=(3, 3), joined=2)


@pytest.mark.parametrize(
    ("rows", "columns", "stages"), [(4, 4, 1), (3, 2, 0), (16, 8, 2), (16, 12, 0)]
)
def test_the_model_says_what_the_compiler_makes(rows, columns, stages):
    """The compiler's cycles are those of the hardware, as tests of it see."""
    program = compile_network(small_network(), rows=rows, columns=columns)
    convolution = dense(
        height=7, width=6, in_channels=2, out_channels=4, columns=columns, kernel=(3, 3)
    )
    joined = dense(
        height=7, width=6, in_channels=2, out_channels=4, columns=max(6, columns), kernel=(3, 3),
        joined=min(2, max(6, columns) // 6),
    )  # fmt: skip
    second = dense(height=7, width=6, in_channels=4, out_channels=4, columns=columns, kernel=(3, 3))
    passes = [
        convolution,
        convolution,
        second,
        addition(height=7, width=6, channels=4, columns=columns, parts=(2, 2)),
        depthwise(height=4, width=3, channels=4, columns=columns, kernel=(3, 3), stride=2),
        largest(height=2, width=2, channels=4, columns=columns, kernel=(2, 2)),
        depthwise(height=1, width=1, channels=4, columns=columns, kernel=(2, 2)),
        dense(height=1, width=1, in_channels=4, out_channels=3, columns=columns),
    ]
    made = [pass_cycles(one, rows, stages=stages) for one in passes]
    inputs = 42
    if columns >= 6:
        made[:2] = [pass_cycles(joined, rows, stages=stages)] * 2
        inputs = intake_cycles(
            height=7, width=6, kernel=3, before=1, positions=6, below=columns // 12
        )
        assert inputs == (7 + columns // 12) * (6 + 1)
    assert [one.total for one in made] == [one.cycles(rows, stages) for one in program.passes]
    assert [one.weights for one in made] == [
        one.weights.shape[0] * one.weights.shape[1] for one in program.passes
    ]
    assert frame_cycles(made, inputs=inputs, results=3) == program.frame_cycles(stages)
