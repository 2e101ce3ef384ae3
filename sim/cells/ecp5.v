// For simulators; synthesis, which defines SYNTHESIS, has cells of its own.
`ifndef SYNTHESIS
// Behaviour of the ECP5 carry cell: two bits, each a LUT4 whose lowest four entries also are the
// generate function. The tables are trees of multiplexers, not indexed, so that an unknown input
// that makes no difference leaves the output known, as in the hardware.
module CCU2C (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  parameter [15:0] INIT0 = 0, INIT1 = 0;
  parameter INJECT1_0 = "YES", INJECT1_1 = "YES";
  wire [7:0] d0 = D0 ? INIT0[15:8] : INIT0[7:0];
  wire [7:0] d1 = D1 ? INIT1[15:8] : INIT1[7:0];
  wire [3:0] c0 = C0 ? d0[7:4] : d0[3:0];
  wire [3:0] c1 = C1 ? d1[7:4] : d1[3:0];
  wire [1:0] b0 = B0 ? c0[3:2] : c0[1:0];
  wire [1:0] b1 = B1 ? c1[3:2] : c1[1:0];
  wire p0 = A0 ? b0[1] : b0[0];
  wire p1 = A1 ? b1[1] : b1[0];
  wire [1:0] h0 = B0 ? INIT0[3:2] : INIT0[1:0];
  wire [1:0] h1 = B1 ? INIT1[3:2] : INIT1[1:0];
  wire g0 = INJECT1_0 == "YES" ? 1'b0 : (A0 ? h0[1] : h0[0]);
  wire g1 = INJECT1_1 == "YES" ? 1'b0 : (A1 ? h1[1] : h1[0]);
  wire middle = p0 ? CIN : g0;
  assign S0 = p0 ^ (INJECT1_0 == "YES" ? 1'b0 : CIN);
  assign S1 = p1 ^ (INJECT1_1 == "YES" ? 1'b0 : middle);
  assign COUT = p1 ? middle : g1;
endmodule
`endif
