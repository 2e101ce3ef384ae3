"""From an allocation to a machine: Verilog, memories, benches, and what they cost."""
