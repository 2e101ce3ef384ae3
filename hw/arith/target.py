"""Targets: what a generator may instantiate when it builds an adder or a register.

A generator takes a target and asks it for full adders, half adders and accumulator registers.
`GENERIC` answers with plain expressions, which simulate anywhere; the ASIC targets answer with
instances of the modules below, which the synthesis flow maps to library cells (plain Verilog for
each is in `sim/cells`, so that the result also simulates, and so that a library without such a
cell falls back to gates).

========================= ============================================ ==========================
module                    ports                                        library cell, for example
========================= ============================================ ==========================
``macwright_fa``          in a, b, c; out s = a^b^c, co = maj(a, b, c) ``FA_X1``
``macwright_fan``         in a, b, c; out sn = ~(a^b^c), con = ~maj    ``FAx1_ASAP7_75t_R``
``macwright_dffq``        in clk, d; out q, qn = ~q                    ``DFF_X1``
========================= ============================================ ==========================

The carry-chain targets are in `macwright.hw.arith.chain`.
"""

from contextlib import nullcontext
from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Module, Mux, Signal, Value

from macwright.hw.errors import RefusedInput

__all__ = [
    "ASIC",
    "ASIC_INVERTING",
    "GENERIC",
    "TARGETS",
    "Asic",
    "Bit",
    "Target",
    "check_target",
    "target_of",
]


@dataclass(frozen=True)
class Bit:
    """One bit of a sum, perhaps available only complemented.

    Parameters
    ----------
    signal : Value
        One bit.
    inverted : bool
        Whether the bit meant is the complement of `signal`.
    arrival : float
        When it is known, in full-adder delays; dimensionless.
    """

    signal: Value
    inverted: bool = False
    arrival: float = 0.0

    @property
    def value(self) -> Value:
        """The bit meant, with an inverter if need be."""
        return (~self.signal)[0] if self.inverted else self.signal

    def __invert__(self) -> "Bit":
        return Bit(self.signal, not self.inverted, self.arrival)


@dataclass(frozen=True)
class Target:
    """Plain expressions: every technology, every simulator.

    Parameters
    ----------
    name : str
        Name, as in the `target` field of a spec.
    """

    name: str = "generic"

    def full_adder(self, m: Module, bits: list[Bit]) -> tuple[Bit, Bit]:
        """Add three bits to `m`: sum and carry."""
        a, b, c = (bit.value for bit in sorted(bits, key=lambda bit: bit.arrival))
        arrival = max(bit.arrival for bit in bits) + 1
        half, total, carry = Signal(name="x"), Signal(name="s"), Signal(name="co")
        m.d.comb += [
            half.eq(a ^ b),
            total.eq(half ^ c),
            carry.eq((a & b) | (half & c)),
        ]
        return Bit(total, False, arrival + 0.3), Bit(carry, False, arrival)

    def half_adder(self, m: Module, bits: list[Bit], *, plus_one: bool = False) -> tuple[Bit, Bit]:
        """Add two bits, and a constant one if `one` is true: sum and carry."""
        a, b = (bit.value for bit in bits)
        arrival = max(bit.arrival for bit in bits) + 0.4
        total, carry = Signal(name="s"), Signal(name="co")
        m.d.comb += [
            total.eq(~(a ^ b) if plus_one else a ^ b),
            carry.eq((a | b) if plus_one else (a & b)),
        ]
        return Bit(total, False, arrival), Bit(carry, False, arrival)

    def parity(self, m: Module, bits: list[Bit]) -> Bit:
        """Add two or three bits to `m` whose carry nobody reads."""
        a, b, *more = bits
        total = Signal(name="s")
        m.d.comb += total.eq(a.signal ^ b.signal ^ (more[0].signal if more else 0))
        inverted = sum(bit.inverted for bit in bits) % 2 == 1
        return Bit(total, inverted, max(bit.arrival for bit in bits) + 0.8)

    def register(
        self,
        m: Module,
        data: Value,
        *,
        name: str,
        en: Value | None = None,
        rst: Value | None = None,
        ones: bool = False,
    ) -> tuple[Value, Value]:
        """Register: its value and the complement of it, each as wide as `data`.

        `en` = 0 holds it; `rst` (the reset of the domain) sets it to 0, or to all ones.
        """
        init = (1 << len(data)) - 1 if ones and rst is not None else 0
        q = Signal(len(data), name=name, init=init, reset_less=rst is None)
        with nullcontext() if en is None else m.If(en):
            m.d.sync += q.eq(data)
        return q, (~q)[: len(data)]


@dataclass(frozen=True)
class Asic(Target):
    """Full adders and registers as instances.

    Parameters
    ----------
    name : str
        Name, as in the `target` field of a spec.
    inverting : bool
        Whether the library's full adder gives complemented outputs.
    """

    name: str = "asic"
    inverting: bool = False

    def full_adder(self, m: Module, bits: list[Bit]) -> tuple[Bit, Bit]:
        """Add three bits to `m`: sum and carry."""
        arrival = max(bit.arrival for bit in bits) + 1
        # A full adder is self-dual: complemented inputs give complemented outputs. Follow the
        # majority, so that at most one input needs an inverter.
        flip = sum(bit.inverted for bit in bits) >= 2
        ins = [(~bit if flip else bit).value for bit in sorted(bits, key=lambda b: b.arrival)]
        total, carry = Signal(name="s"), Signal(name="co")
        ports = {f"i_{port}": bit for port, bit in zip("abc", ins, strict=True)}
        if self.inverting:
            m.submodules += Instance("macwright_fan", **ports, o_sn=total, o_con=carry)
            flip = not flip
        else:
            m.submodules += Instance("macwright_fa", **ports, o_s=total, o_co=carry)
        return Bit(total, flip, arrival + 0.3), Bit(carry, flip, arrival)

    def parity(self, m: Module, bits: list[Bit]) -> Bit:
        """Add two or three bits to `m` whose carry nobody reads."""
        if self.inverting and len(bits) == 3:
            return self.full_adder(m, bits)[0]
        return super().parity(m, bits)

    def register(
        self,
        m: Module,
        data: Value,
        *,
        name: str,
        en: Value | None = None,
        rst: Value | None = None,
        ones: bool = False,
    ) -> tuple[Value, Value]:
        """Register: its value and the complement of it, each as wide as `data`."""
        width = len(data)
        q, qn = Signal(width, name=name), Signal(width, name=f"{name}_n")
        after = Signal(width, name=f"{name}_d")
        value = data if en is None else Mux(en, data, q)
        if rst is not None:
            level = rst.replicate(width)
            value = value | level if ones else value & ~level
        m.d.comb += after.eq(value)
        for k in range(width):
            m.submodules += Instance(
                "macwright_dffq", i_clk=ClockSignal(), i_d=after[k], o_q=q[k], o_qn=qn[k]
            )
        return q, qn


GENERIC = Target()
ASIC = Asic()
ASIC_INVERTING = Asic("asic_inverting", inverting=True)
_BY_NAME = {target.name: target for target in (GENERIC, ASIC, ASIC_INVERTING)}

#: Names of all targets; "generic" is plain expressions.
TARGETS = (*_BY_NAME, "ecp5", "ice40", "xc7")


def check_target(name: str) -> str:
    """Name of a target, or a refusal.

    Raises
    ------
    RefusedInput
        If there is no such target.
    """
    if name not in TARGETS:
        raise RefusedInput(f"Unit target must be one of {', '.join(TARGETS)}, not {name!r}")
    return name


def target_of(name: str) -> Target:
    """Target of that name.

    Raises
    ------
    ValueError
        If there is no such target.
    """
    if name not in _BY_NAME:
        raise RefusedInput(f"Target must be one of {', '.join(_BY_NAME)}, not {name!r}")
    return _BY_NAME[name]
