// Behaviour of the ECP5 carry cell: two bits, each a LUT4 whose lowest four entries also are the
// generate function.
module CCU2C (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  parameter [15:0] INIT0 = 0, INIT1 = 0;
  parameter INJECT1_0 = "YES", INJECT1_1 = "YES";
  wire p0 = INIT0[{D0, C0, B0, A0}];
  wire p1 = INIT1[{D1, C1, B1, A1}];
  wire g0 = INJECT1_0 == "YES" ? 1'b0 : INIT0[{2'b00, B0, A0}];
  wire g1 = INJECT1_1 == "YES" ? 1'b0 : INIT1[{2'b00, B1, A1}];
  wire middle = p0 ? CIN : g0;
  assign S0 = p0 ^ (INJECT1_0 == "YES" ? 1'b0 : CIN);
  assign S1 = p1 ^ (INJECT1_1 == "YES" ? 1'b0 : middle);
  assign COUT = p1 ? middle : g1;
endmodule
