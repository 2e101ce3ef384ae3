"""Golden model of the multiply-accumulate unit with a floating-point accumulator."""

from macwright.sim.golden.decode import Special, decode
from macwright.sim.golden.mac import MacModel
from macwright.sim.golden.rounding import round_to_code

__all__ = ["FloatMacModel", "add_special", "nan_of"]


class FloatMacModel(MacModel):
    """What :class:`~macwright.hw.pe.FloatMac` must do.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> from macwright.hw.pe import MinifloatMacSpec
    >>> mac = FloatMacModel(MinifloatMacSpec(acc=parse_format("fp32")))
    >>> mac.step(a=0x38, w=0xB8, clear=1)  # 1 * -1
    >>> hex(mac.acc)
    '0xbf800000'
    """

    def _add(self, a: int, w: int, clear: int) -> None:
        fmt = self.spec.acc
        x, y = self._acts[a], self._weights[w]
        signs = [isinstance(v, Special) and v == "-inf" for v in (x, y)]
        for k, (own, code, value) in enumerate(((self.spec.act, a, x), (self.spec.weight, w, y))):
            if not isinstance(value, Special):
                # The sign bit, so that zeros have one too.
                signs[k] = _negative(own, code)
        negative = signs[0] != signs[1]
        product: tuple[int, int] | Special
        if "nan" in (x, y):
            product = "nan"
        elif isinstance(x, Special) or isinstance(y, Special):
            zero = any(not isinstance(v, Special) and v[0] == 0 for v in (x, y))
            product = "nan" if zero else "-inf" if negative else "inf"
        else:
            product = x[0] * y[0], x[1] + y[1]
        if fmt.specials == "none":
            if isinstance(product, Special):
                self.acc, self.invalid = None, 1
                return
            if clear:
                self.invalid = 0
        else:
            self.invalid = 0
        before = 0 if clear else self.acc
        if before is not None:
            self.acc = add_special(fmt, before, product, negative)


def _negative(fmt: object, code: int) -> bool:
    """Sign bit of a code; binary's 0 stands for -1."""
    width = getattr(fmt, "width", 1)
    if width == 1 and str(fmt) == "binary":
        return code == 0
    return bool(getattr(fmt, "signed", True)) and code >= 2 ** (width - 1)


def nan_of(fmt: object) -> int:
    """Code of the NaN that arithmetic gives: quiet, positive."""
    specials, exp, man = (getattr(fmt, x) for x in ("specials", "exp_bits", "man_bits"))
    if specials == "ieee":
        return (2**exp - 1) * 2**man + 2 ** (man - 1)
    return 2 ** (exp + man) - (specials == "fn")


def add_special(fmt: object, before: int, term: tuple[int, int] | Special, negative: bool) -> int:
    """Code of the sum of a code and an exact number or special value, rounded once.

    `negative` is the sign of a term that is zero.
    """
    acc = decode(fmt, before)
    infinities = {v for v in (acc, term) if v in ("inf", "-inf")}
    if "nan" in (acc, term) or len(infinities) == 2:
        return nan_of(fmt)
    if infinities:
        if getattr(fmt, "specials", "") != "ieee":
            return nan_of(fmt)
        top = nan_of(fmt) - 2 ** (getattr(fmt, "man_bits", 0) - 1)
        return top + (2 ** (getattr(fmt, "width", 0) - 1) if "-inf" in infinities else 0)
    (n, k), (p, q) = acc, term  # type: ignore[misc]
    n, k, p, q = int(n), int(k), int(p), int(q)
    low = min(k, q)
    total = n * 2 ** (k - low) + p * 2 ** (q - low)
    # Zero is negative if both addends are negative zeros.
    both = negative and before >= 2 ** (getattr(fmt, "width", 0) - 1)
    return round_to_code(fmt, total, low, negative=both and n == p == 0)
