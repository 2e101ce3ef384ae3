"""Golden models, cocotb benches and the simulator runner."""
