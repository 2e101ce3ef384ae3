// Memory behind AXI4 that a machine reads its weights from, and whoever writes its registers.
// Plus arguments: +latency=N, cycles from an address to its first beat, at least 2; +memory=K, how
// many of 65,536 cycles an address is taken and a beat given in; +seed=N.
module bench_memory (
  input clk, input rst,
  input [31:0] araddr, input [7:0] arlen, input arvalid, output reg arready,
  output reg [BITS-1:0] rdata, output reg rlast, output reg rvalid, input rready,
  output reg [4:0] awaddr, output reg [31:0] wdata, output reg awvalid, input awready
);
  localparam [31:0] BASE = 32'h12345000;
  reg [BITS-1:0] beats [0:COUNT-1];
  // Bursts that are asked for: first beat, beats less one, cycle of the first.
  reg [31:0] first [0:1023];
  reg [7:0] length [0:1023];
  integer due [0:1023];
  integer head = 0, tail = 0, cycle = 0, share, latency;
  reg [7:0] at = 0;
  reg [1:0] written = 0;
  reg [31:0] chance;
  function [31:0] next(input [31:0] x);
    begin
      next = x ^ (x << 13);
      next = next ^ (next >> 17);
      next = next ^ (next << 5);
    end
  endfunction
  initial begin
    $readmemh("IMAGE", beats);
    if (!$value$plusargs("latency=%d", latency)) latency = 40;
    if (!$value$plusargs("memory=%d", share)) share = 65536;
    if (!$value$plusargs("seed=%d", chance)) chance = 1;
    chance = chance ^ 32'h5bd1e995;
    arready = share == 65536;
    rdata = 0; rlast = 0; rvalid = 0; awaddr = 0; wdata = 0; awvalid = 0;
  end
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (!rst) begin
      // Where the weights are, and then: run.
      if (!awvalid && written < 2) begin
        awvalid <= 1;
        awaddr <= written ? 5'd0 : 5'd8;
        wdata <= written ? 32'd1 : BASE;
      end else if (awvalid && awready) begin
        awvalid <= 0;
        written <= written + 1;
      end
      chance = next(chance);
      arready <= {16'd0, chance[15:0]} < share;
      if (arvalid && arready) begin
        first[tail] <= (araddr - BASE) / (BITS / 8);
        length[tail] <= arlen;
        due[tail] <= cycle + latency - 1;
        tail <= (tail + 1) % 1024;
      end
      chance = next(chance);
      if (!rvalid || rready) begin
        rvalid <= 0;
        if (head != tail && due[head] <= cycle && {16'd0, chance[15:0]} < share) begin
          rvalid <= 1;
          rdata <= beats[first[head] + {24'd0, at}];
          rlast <= at == length[head];
          at <= at + 1;
          if (at == length[head]) begin
            at <= 0;
            head <= (head + 1) % 1024;
          end
        end
      end
    end
  end
endmodule
