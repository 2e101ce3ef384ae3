"""WebAssembly text of the glitch simulator's inner loop.

WebAssembly, because Amaranth's own Yosys already brings a compiler for it (wasmtime) on every
platform that macwright runs on: a machine without a C compiler simulates at the same speed.

Memory, all 32-bit words unless said otherwise:

- an event list is a run of rising times in ps that ends with `NEVER`;
- `heads`: address of each net's event list;
- source record: value now, address of its head and of its counter, delay of rising and falling
  edges, address of its counter again, weight (float64);
- gate record: number of inputs, truth table (above five inputs its address), state (bit i is
  the value of input i), address of its output's head and of its counter (twice), weight (float64),
  then for each input: address of its head, delay of rising and falling outputs.
"""

__all__ = ["GATE_WORDS", "INPUT_WORDS", "NEVER", "SOURCE_WORDS", "WORD_INPUTS", "kernel_text"]

NEVER = 0x7FFFFFFF
SOURCE_WORDS = 8
GATE_WORDS = 8
INPUT_WORDS = 3
#: Most inputs whose truth table is a word in the record, not bytes elsewhere.
WORD_INPUTS = 5


def kernel_text(
    *,
    pages: int,
    n_sources: int,
    n_gates: int,
    max_inputs: int,
    places: dict[str, int],
) -> str:
    """Text of a module that exports `memory` and ``run(first, end)``.

    Parameters
    ----------
    pages : int
        Memory, in 64 KiB.
    n_sources, n_gates : int
        Number of records.
    max_inputs : int
        Most inputs of a gate, at least 1.
    places : dict of str to int
        Addresses: `values` (a byte per vector and source), `counted` (a byte per vector),
        `energies` (a float64 per vector), `sources`, `gates`, `empty` (an empty event list),
        `queue` (spare words for samples that wait), `heap` (the event lists; the last).

    Returns
    -------
    str
    """
    arities = range(1, max_inputs + 1)
    opened = "\n      ".join(f"(block $is{k}" for k in reversed(arities))
    table = " ".join(f"$is{k}" for k in arities)
    bodies = "\n".join(
        f"     (local.set $heap (call $gate{k} (local.get $record) (local.get $heap))) (br $done))"
        for k in arities
    )
    functions = "\n".join(_gate(k, places) for k in arities)
    # The last case of br_table is the default; the arity is checked where records are written.
    return f"""(module
 (memory (export "memory") {pages})
{functions}
 (func (export "run") (param $vector i32) (param $end i32)
  (local $heap i32) (local $start i32) (local $count i32) (local $counted i32)
  (local $i i32) (local $record i32) (local $values i32) (local $new i32)
  (local $j i32) (local $energy f64)
  (loop $vectors
   (local.set $heap (i32.const {places["heap"]}))
   (local.set $energy (f64.const 0))
   (local.set $counted (i32.load8_u offset={places["counted"]} (local.get $vector)))
   (local.set $values (i32.add (i32.const {places["values"]})
     (i32.mul (local.get $vector) (i32.const {n_sources}))))
   (local.set $record (i32.const {places["sources"]}))
   (local.set $i (i32.const {n_sources}))
   (loop $sources
    (local.set $new (i32.load8_u (local.get $values)))
    (if (i32.eq (local.get $new) (i32.load (local.get $record)))
     (then (i32.store (i32.load offset=4 (local.get $record)) (i32.const {places["empty"]})))
     (else
      (i32.store (local.get $record) (local.get $new))
      (i32.store (i32.load offset=4 (local.get $record)) (local.get $heap))
      (i32.store (local.get $heap) (select (i32.load offset=12 (local.get $record))
        (i32.load offset=16 (local.get $record)) (local.get $new)))
      (i32.store offset=4 (local.get $heap) (i32.const {NEVER}))
      (local.set $heap (i32.add (local.get $heap) (i32.const 8)))
      (local.set $count (i32.const 1))
      {_count()}))
    (local.set $record (i32.add (local.get $record) (i32.const {4 * SOURCE_WORDS})))
    (local.set $values (i32.add (local.get $values) (i32.const 1)))
    (br_if $sources (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
   (local.set $record (i32.const {places["gates"]}))
   (local.set $i (i32.const {n_gates}))
   (loop $gates
    (local.set $start (local.get $heap))
    (block $done
      {opened}
      (br_table {table} (i32.sub (i32.load (local.get $record)) (i32.const 1))))
{bodies}
    (local.set $count
      (i32.shr_u (i32.sub (local.get $heap) (local.get $start)) (i32.const 2)))
    (if (local.get $count)
     (then
      (i32.store (i32.load offset=12 (local.get $record)) (local.get $start))
      (i32.store (local.get $heap) (i32.const {NEVER}))
      (local.set $heap (i32.add (local.get $heap) (i32.const 4)))
      {_count()})
     (else (i32.store (i32.load offset=12 (local.get $record)) (i32.const {places["empty"]}))))
    (local.set $record (i32.add (local.get $record) (i32.add (i32.const {4 * GATE_WORDS})
      (i32.mul (i32.load (local.get $record)) (i32.const {4 * INPUT_WORDS})))))
    (br_if $gates (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
   (f64.store offset={places["energies"]} (i32.shl (local.get $vector) (i32.const 3))
     (local.get $energy))
   (br_if $vectors (i32.lt_u
     (local.tee $vector (i32.add (local.get $vector) (i32.const 1))) (local.get $end)))))
)
"""


def _count() -> str:
    """Add `$count` to the counter (word 5 of a record), and its energy, if the vector counts."""
    return """(if (local.get $counted) (then
       (local.set $j (i32.load offset=20 (local.get $record)))
       (i32.store (local.get $j) (i32.add (i32.load (local.get $j)) (local.get $count)))
       (local.set $energy (f64.add (local.get $energy) (f64.mul
         (f64.convert_i32_u (local.get $count)) (f64.load offset=24 (local.get $record)))))))"""


def _least(terms: list[str]) -> str:
    """Expression: the least of some expressions."""
    text = terms[0]
    for term in terms[1:]:
        text = (
            f"(select (local.tee $x {text}) (local.tee $y {term}) "
            f"(i32.lt_u (local.get $x) (local.get $y)))"
        )
    return text


def _gate(arity: int, places: dict[str, int]) -> str:
    """Merge the input events of a gate of `arity` inputs into output events.

    Every change of the function schedules a sample one delay later, at which the output takes
    the value that the function then has: a pulse shorter than the delay leaves no trace. This is
    how Icarus Verilog simulates specify paths. The delay is that of the input that changed (the
    least, if several change at once) and of the edge of the output.

    Conditions that depend on the data are arithmetic, not branches, which would be mispredicted:
    a time is stored always, and the end of the list moves on only if it counts. At most one
    sample waits, nearly always; others wait in the queue, the latest first.
    """
    queue = places["queue"]
    head = 4 * GATE_WORDS
    inputs = range(arity)
    pointers = " ".join(f"(local $p{i} i32) (local $t{i} i32) (local $m{i} i32)" for i in inputs)
    load = "\n".join(
        f"""  (local.set $p{i} (i32.load (i32.load offset={head + 12 * i} (local.get $record))))
  (local.set $t{i} (i32.load (local.get $p{i})))"""
        for i in inputs
    )
    first = f"(local.set $t {_least([f'(local.get $t{i})' for i in inputs])})"
    apply = "\n".join(
        f"""   (local.set $m{i} (i32.eq (local.get $t{i}) (local.get $t)))
   (local.set $state (i32.xor (local.get $state) (i32.shl (local.get $m{i}) (i32.const {i}))))
   (local.set $p{i} (i32.add (local.get $p{i}) (i32.shl (local.get $m{i}) (i32.const 2))))
   (local.set $t{i} (i32.load (local.get $p{i})))"""
        for i in inputs
    )
    delay = _least(
        [
            f"(select (i32.load offset={head + 12 * i + 4} (local.get $edge)) "
            f"(i32.const {NEVER >> 1}) (local.get $m{i}))"
            for i in inputs
        ]
    )
    value = "(i32.load8_u (i32.add (local.get $table) (local.get $state)))"
    if arity <= WORD_INPUTS:
        value = "(i32.and (i32.shr_u (local.get $table) (local.get $state)) (i32.const 1))"
    return f""" (func $gate{arity} (param $record i32) (param $heap i32) (result i32)
  (local $t i32) (local $f i32) (local $out i32) (local $state i32) (local $table i32)
  (local $sample i32) (local $waiting i32) (local $due i32) (local $edge i32)
  (local $new i32) (local $j i32) (local $x i32) (local $y i32) {pointers}
{load}
  {first}
  (if (i32.eq (local.get $t) (i32.const {NEVER})) (then (return (local.get $heap))))
  (local.set $table (i32.load offset=4 (local.get $record)))
  (local.set $state (i32.load offset=8 (local.get $record)))
  (local.set $f {value})
  (local.set $out (local.get $f))
  (local.set $sample (i32.const -1))
  (block $merged (loop $merge
   (loop $samples
    (local.set $due (i32.le_u (local.get $sample) (local.get $t)))
    (i32.store (local.get $heap) (local.get $sample))
    (local.set $heap (i32.add (local.get $heap) (i32.shl
      (i32.and (local.get $due) (i32.xor (local.get $out) (local.get $f))) (i32.const 2))))
    (local.set $out (select (local.get $f) (local.get $out) (local.get $due)))
    (local.set $sample (select (i32.const -1) (local.get $sample) (local.get $due)))
    (if (i32.and (local.get $due) (i32.ne (local.get $waiting) (i32.const 0))) (then
     (local.set $waiting (i32.sub (local.get $waiting) (i32.const 4)))
     (local.set $sample (i32.load offset={queue} (local.get $waiting)))
     (br $samples))))
   (br_if $merged (i32.eq (local.get $t) (i32.const {NEVER})))
{apply}
   (local.set $new {value})
   (local.set $due (i32.xor (local.get $new) (local.get $f)))
   (local.set $f (local.get $new))
   (local.set $edge (i32.add (local.get $record)
     (i32.shl (i32.eqz (local.get $f)) (i32.const 2))))
   (local.set $new (i32.add (local.get $t) {delay}))
   (if (i32.and (local.get $due) (i32.ne (local.get $sample) (i32.const -1)))
    (then
     (if (i32.lt_u (local.get $new) (local.get $sample)) (then
      (local.set $j (local.get $sample))
      (local.set $sample (local.get $new))
      (local.set $new (local.get $j))))
     (local.set $j (local.get $waiting))
     (block $placed (loop $place
      (br_if $placed (i32.eqz (local.get $j)))
      (local.set $x (i32.load offset={queue - 4} (local.get $j)))
      (br_if $placed (i32.ge_u (local.get $x) (local.get $new)))
      (i32.store offset={queue} (local.get $j) (local.get $x))
      (local.set $j (i32.sub (local.get $j) (i32.const 4)))
      (br $place)))
     (i32.store offset={queue} (local.get $j) (local.get $new))
     (local.set $waiting (i32.add (local.get $waiting) (i32.const 4))))
    (else
     (local.set $sample (select (local.get $new) (local.get $sample) (local.get $due)))))
   {first}
   (br $merge)))
  (i32.store offset=8 (local.get $record) (local.get $state))
  (local.get $heap))"""
