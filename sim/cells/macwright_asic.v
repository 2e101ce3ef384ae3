// Behaviour of the modules that ASIC targets instantiate (macwright.hw.arith.target).
// A synthesis flow maps them to library cells; without such cells these lines are the fallback.

module macwright_fa (input a, input b, input c, output s, output co);
  wire x = a ^ b;
  assign s = x ^ c;
  assign co = (a & b) | (x & c);
endmodule

module macwright_fan (input a, input b, input c, output sn, output con);
  wire x = a ^ b;
  assign sn = ~(x ^ c);
  assign con = ~((a & b) | (x & c));
endmodule

module macwright_dffq (input clk, input d, output reg q, output qn);
  always @(posedge clk) q <= d;
  assign qn = ~q;
endmodule
