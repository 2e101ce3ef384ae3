// Bench of a machine behind a serial line: bytes of a file go in bit by bit, and bytes that come out
// go to a file. First there is half a frame and a break, which makes the machine begin anew; then
// each frame waits for the result of the one before.
// Plus arguments: +frames=N, +in=N and +out=N, bytes of a frame and of a result, +patience=N, cycles
// without a byte after which it ends.
`timescale 1ns / 1ps
module bench;
  reg clk = 1, rst = 1, rx = 1;
  wire tx;
  SHELL shell (.clk(clk), .rst(rst), .rx(rx), .tx(tx));
  integer source, sink, frames, in_bytes, out_bytes, patience;
  integer frame, number, got, idle = 0, received = 0, bits;
  reg [7:0] value;
  reg [7:0] heard;
  initial begin
    if (!$value$plusargs("frames=%d", frames)) frames = 0;
    if (!$value$plusargs("in=%d", in_bytes)) in_bytes = 1;
    if (!$value$plusargs("out=%d", out_bytes)) out_bytes = 1;
    if (!$value$plusargs("patience=%d", patience)) patience = 1000000;
    source = $fopen("input.hex", "r");
    sink = $fopen("output.txt", "w");
    repeat (4) @(posedge clk);
    rst <= 0;
    repeat (in_bytes / 2) send(8'ha5);
    rx <= 0;
    repeat (30 * DIVISOR) @(posedge clk);
    rx <= 1;
    repeat (2 * DIVISOR) @(posedge clk);
    for (frame = 0; frame < frames; frame = frame + 1) begin
      for (number = 0; number < in_bytes; number = number + 1) begin
        got = $fscanf(source, "%h\n", value);
        send(value);
      end
      while (received < (frame + 1) * out_bytes) @(posedge clk);
    end
    $fclose(sink);
    $finish;
  end
  always #5 clk = ~clk;
  task send(input [7:0] data);
    integer k;
    begin
      rx <= 0;
      repeat (DIVISOR) @(posedge clk);
      for (k = 0; k < 8; k = k + 1) begin
        rx <= data[k];
        repeat (DIVISOR) @(posedge clk);
      end
      rx <= 1;
      repeat (DIVISOR) @(posedge clk);
      idle <= 0;
    end
  endtask
  initial forever begin
    while (tx !== 0) @(posedge clk);
    repeat (DIVISOR / 2) @(posedge clk);
    for (bits = 0; bits < 8; bits = bits + 1) begin
      repeat (DIVISOR) @(posedge clk);
      heard = {tx, heard[7:1]};
    end
    repeat (DIVISOR) @(posedge clk);
    $fwrite(sink, "%h\n", heard);
    received <= received + 1;
    idle <= 0;
    while (tx !== 1) @(posedge clk);
  end
  always @(posedge clk) begin
    idle <= idle + 1;
    if (idle > patience) begin
      $fclose(sink);
      $finish;
    end
  end
endmodule
