"""Values of documents by the types of dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from macwright.sim.fields import from_document


@dataclass(frozen=True)
class Inner:
    size: int
    name: str = "x"


@dataclass(frozen=True)
class Outer:
    share: float
    pair: tuple[int, int]
    parts: tuple[Inner, ...] = ()
    by_name: Mapping[str, float | None] = field(default_factory=dict)
    on: bool = False
    best: Inner | None = None


GOOD = {"share": 1, "pair": [2, 3], "parts": [{"size": 4}], "by_name": {"a": None, "b": 0.5}}


def test_values_of_all_types():
    found = from_document(Outer, {**GOOD, "on": True, "best": {"size": 1, "name": "y"}}, "it")
    parts, best = (Inner(4),), Inner(1, "y")
    assert found == Outer(1.0, (2, 3), parts, {"a": None, "b": 0.5}, on=True, best=best)
    assert type(found.share) is float


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": "1"}, "Field it.share must be a finite number, not '1'"),
        ({"share": True}, "Field it.share must be a finite number, not True"),
        ({"share": float("nan")}, "Field it.share must be a finite number, not nan"),
        ({"share": 10**400}, "Field it.share must be a finite number, not one of 1329 bits"),
        ({"share": None}, "Field it.share must be a finite number, not None"),
        ({"pair": [1]}, r"Field it.pair must be a list of 2, not \[1\]"),
        ({"pair": 7}, "Field it.pair must be a list, not 7"),
        ({"pair": [1, 2.0]}, r"Field it.pair\[1\] must be a whole number, not 2.0"),
        ({"pair": [1, 1 << 63]}, r"Field it.pair\[1\] must be a whole number of at most 63 bits"),
        ({"parts": [{"size": 1}, 3]}, r"Field it.parts\[1\] must be an object, not 3"),
        ({"parts": [{"name": "a"}]}, r"Field it.parts\[0\].size must be there, and is missing"),
        ({"parts": [{"size": 1, "sze": 2}]}, r"Fields of it.parts\[0\] must be among size, name"),
        ({"by_name": {"a": "0"}}, "Field it.by_name.a must be a finite number, not '0'"),
        ({"by_name": []}, r"Field it.by_name must be an object, not \[\]"),
        ({"on": 1}, "Field it.on must be true or false, not 1"),
        ({"best": {"size": "z" * 99}}, r"must be a whole number, not 'z{59}\.\.\.$"),
    ],
)
def test_values_of_other_types(change, message):
    with pytest.raises(ValueError, match=message):
        from_document(Outer, {**GOOD, **change}, "it")
