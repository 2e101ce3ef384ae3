"""Number formats, arithmetic blocks, processing elements and Verilog output."""
