"""cocotb benches: one file for each unit family."""
