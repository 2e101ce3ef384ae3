// For simulators; synthesis, which defines SYNTHESIS, has cells of its own.
`ifndef SYNTHESIS
// Behaviour of the 7-series carry chain: four bits.
module CARRY4 (input CI, CYINIT, input [3:0] DI, S, output [3:0] O, CO);
  wire c0 = CI | CYINIT;
  assign CO[0] = S[0] ? c0 : DI[0];
  assign CO[1] = S[1] ? CO[0] : DI[1];
  assign CO[2] = S[2] ? CO[1] : DI[2];
  assign CO[3] = S[3] ? CO[2] : DI[3];
  assign O = S ^ {CO[2:0], c0};
endmodule
`endif
