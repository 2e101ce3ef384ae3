// Behaviour of the iCE40 look-up table and carry.
module SB_LUT4 (input I0, I1, I2, I3, output O);
  parameter [15:0] LUT_INIT = 0;
  assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule

module SB_CARRY (input I0, I1, CI, output CO);
  assign CO = (I0 & I1) | (I0 & CI) | (I1 & CI);
endmodule
