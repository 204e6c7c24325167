#!/bin/sh
# The recall benchmark over a folder of pictures (DATA, by default ../shared/recall), and one picture of each attack made of
# this project's own fixtures; writes docs/benchmarks/recall.md and recall-attacks.jpg.
set -e
cd "$(dirname "$0")/.."
DATA="${DATA:-../shared/recall}"
OUT="${OUT:-target/recall}"
[ -d "$DATA" ] || { echo "bench-recall: $DATA is not there; name a folder of pictures with DATA=" >&2; exit 1; }
${CARGO:-cargo} build --locked --release --example refrain
refrain="${CARGO_TARGET_DIR:-target}/release/examples/refrain"
"$refrain" eval --data "$DATA" --out "$OUT"
"$refrain" eval --data fixtures/removed --out "$OUT-sheet" --pictures 1
cp "$OUT/recall.md" docs/benchmarks/recall.md
cp "$OUT-sheet/attacks.jpg" docs/benchmarks/recall-attacks.jpg
