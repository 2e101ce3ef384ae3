// For simulators; synthesis, which defines SYNTHESIS, has cells of its own.
`ifndef SYNTHESIS
// Behaviour of the iCE40 look-up table and carry. The table is a tree of multiplexers, not indexed,
// so that an unknown input that makes no difference leaves the output known, as in the hardware.
module SB_LUT4 (input I0, I1, I2, I3, output O);
  parameter [15:0] LUT_INIT = 0;
  wire [7:0] i3 = I3 ? LUT_INIT[15:8] : LUT_INIT[7:0];
  wire [3:0] i2 = I2 ? i3[7:4] : i3[3:0];
  wire [1:0] i1 = I1 ? i2[3:2] : i2[1:0];
  assign O = I0 ? i1[1] : i1[0];
endmodule

module SB_CARRY (input I0, I1, CI, output CO);
  assign CO = (I0 & I1) | (I0 & CI) | (I1 & CI);
endmodule
`endif
