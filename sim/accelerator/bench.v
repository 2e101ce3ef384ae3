// Bench of a machine: words of a file go in, words that come out go to a file, each with its cycle.
// Plus arguments: +words=N in, +results=N out, +offer=K and +accept=K, how many of 65,536 cycles a
// word is offered and taken in, +seed=N, +patience=N, cycles without a word after which it ends.
`timescale 1ns / 1ps
module bench;
  reg clk = 1, rst = 1;
  reg [IN_BITS-1:0] s_axis_tdata = 0;
  reg s_axis_tvalid = 0, s_axis_tlast = 0, m_axis_tready = 0;
  wire s_axis_tready, m_axis_tvalid, m_axis_tlast;
  wire [OUT_BITS-1:0] m_axis_tdata;
  TOP machine (
    .clk(clk), .rst(rst),
    .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tlast(s_axis_tlast),
    .s_axis_tready(s_axis_tready),
    .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tlast(m_axis_tlast),
    .m_axis_tready(m_axis_tready)
  );
  integer source, sink, words, results, offer, accept, patience;
  integer offered = 0, taken = 0, given = 0, cycle = 0, idle = 0, got;
  reg [31:0] chance;
  reg [IN_BITS-1:0] word;
  initial begin
    if (!$value$plusargs("words=%d", words)) words = 0;
    if (!$value$plusargs("results=%d", results)) results = 0;
    if (!$value$plusargs("offer=%d", offer)) offer = 65536;
    if (!$value$plusargs("accept=%d", accept)) accept = 65536;
    if (!$value$plusargs("seed=%d", chance)) chance = 1;
    if (!$value$plusargs("patience=%d", patience)) patience = 1000000;
    source = $fopen("input.hex", "r");
    sink = $fopen("output.txt", "w");
    m_axis_tready = accept == 65536;
  end
  always #5 clk = ~clk;
  function [31:0] next(input [31:0] x);
    begin
      next = x ^ (x << 13);
      next = next ^ (next >> 17);
      next = next ^ (next << 5);
    end
  endfunction
  always @(posedge clk) begin
    rst <= 0;
    if (!rst) begin
      cycle <= cycle + 1;
      idle <= idle + 1;
      if (s_axis_tvalid && s_axis_tready) begin
        $fwrite(sink, "i %0d\n", cycle);
        taken <= taken + 1;
        idle <= 0;
      end
      if (m_axis_tvalid && m_axis_tready) begin
        $fwrite(sink, "o %0d %0d %h\n", cycle, m_axis_tlast, m_axis_tdata);
        given <= given + 1;
        idle <= 0;
        if (given + 1 == results) begin
          $fclose(sink);
          $finish;
        end
      end
      if (idle > patience) begin
        $fwrite(sink, "hangs\n");
        $fclose(sink);
        $finish;
      end
    end
    chance = next(chance);
    if (!s_axis_tvalid || s_axis_tready) begin
      s_axis_tvalid <= 0;
      if (offered < words && {16'd0, chance[15:0]} < offer) begin
        got = $fscanf(source, "%h\n", word);
        s_axis_tdata <= word;
        s_axis_tvalid <= 1;
        offered <= offered + 1;
      end
    end
    chance = next(chance);
    m_axis_tready <= {16'd0, chance[15:0]} < accept;
  end
endmodule
