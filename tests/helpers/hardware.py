"""Components for tests."""

from amaranth.hdl import Module
from amaranth.lib import wiring


class Around(wiring.Component):
    """A component alone, with its ports, where a module of its own is wanted around it."""

    def __init__(self, inner):
        self.inner = inner
        super().__init__(inner.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        wiring.connect(m, wiring.flipped(self), self.inner)
        return m
