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

from dataclasses import dataclass

from amaranth.hdl import ClockSignal, Instance, Module, Signal, Value, ValueLike

__all__ = ["ASIC", "ASIC_INVERTING", "GENERIC", "Asic", "Bit", "Target", "target_of"]


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
        return Bit(total, False, arrival), Bit(carry, False, arrival)

    def half_adder(self, m: Module, bits: list[Bit], *, one: bool = False) -> tuple[Bit, Bit]:
        """Add two bits, and a constant one if `one` is true: sum and carry."""
        a, b = (bit.value for bit in bits)
        arrival = max(bit.arrival for bit in bits) + 0.5
        total, carry = Signal(name="s"), Signal(name="co")
        m.d.comb += [
            total.eq(~(a ^ b) if one else a ^ b),
            carry.eq((a | b) if one else (a & b)),
        ]
        return Bit(total, False, arrival), Bit(carry, False, arrival)

    def register(self, m: Module, data: Value, *, name: str, en: ValueLike | None = None) -> tuple:
        """Register without reset: its value and the complement of it, each as wide as `data`."""
        q = Signal(len(data), name=name, reset_less=True)
        if en is None:
            m.d.sync += q.eq(data)
        else:
            with m.If(en):
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
        return Bit(total, flip, arrival), Bit(carry, flip, arrival)

    def register(self, m: Module, data: Value, *, name: str, en: ValueLike | None = None) -> tuple:
        """Register without reset: its value and the complement of it, each as wide as `data`."""
        q, qn = Signal(len(data), name=name), Signal(len(data), name=f"{name}_n")
        if en is not None:
            held, data = data, Signal(len(data), name=f"{name}_d")
            for k in range(len(data)):
                m.d.comb += data[k].eq((held[k] & en) | (q[k] & ~Value.cast(en)[0]))
        for k in range(len(data)):
            m.submodules += Instance(
                "macwright_dffq", i_clk=ClockSignal(), i_d=data[k], o_q=q[k], o_qn=qn[k]
            )
        return q, qn


GENERIC = Target()
ASIC = Asic()
ASIC_INVERTING = Asic("asic_inverting", inverting=True)


def target_of(name: str) -> Target:
    """Target of that name.

    Raises
    ------
    ValueError
        If there is no such target.
    """
    targets = {target.name: target for target in (GENERIC, ASIC, ASIC_INVERTING)}
    if name not in targets:
        raise ValueError(f"Target must be one of {', '.join(targets)}, not {name!r}")
    return targets[name]
