#!/bin/sh
# The recall benchmark over a folder of pictures (DATA, by default ../shared/recall), and one picture of each attack made of
# this project's own fixtures; writes docs/benchmarks/recall.md, recall-attacks.jpg, and src/bank/rates.csv, which the rates of
# `bank set --false-alarms` are reckoned from in the next build. Where Python 3 with venv is there, and
# the network once, imagehash, pdqhash and threatexchange are asked about the queries made of PEERS=16 of the references
# and as many strangers; PEERS=0 leaves that out.
set -e
cd "$(dirname "$0")/.."
DATA="${DATA:-../shared/recall}"
OUT="${OUT:-target/recall}"
PEERS="${PEERS:-16}"
work=target/bench-recall
[ -d "$DATA" ] || { echo "bench-recall: $DATA is not there; name a folder of pictures with DATA=" >&2; exit 1; }
${CARGO:-cargo} build --locked --release --example refrain
refrain="${CARGO_TARGET_DIR:-target}/release/examples/refrain"
"$refrain" eval --data "$DATA" --out "$OUT"
cp "$OUT/recall.md" "$OUT/page.md"
if [ "$PEERS" != 0 ]; then
    mkdir -p "$work"
    if { [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"; } &&
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
            imagehash==4.3.2 pdqhash==0.2.8 threatexchange==1.2.17 numpy pillow; then
        rm -rf "$OUT-peers"
        "$refrain" eval --data "$DATA" --export "$OUT-peers" --pictures "$PEERS"
        "$work/venv/bin/python" benches/recall_peers.py "$refrain" "$OUT-peers" >>"$OUT/page.md"
    else
        echo "bench-recall: Python or its packages are not there; other programs are left out" >&2
        printf '\nOther programs were not asked: Python or their packages were not there.\n' >>"$OUT/page.md"
    fi
fi
"$refrain" eval --data fixtures/removed --out "$OUT-sheet" --pictures 1
cp "$OUT/rates.csv" src/bank/rates.csv
mv "$OUT/page.md" docs/benchmarks/recall.md
cp "$OUT-sheet/attacks.jpg" docs/benchmarks/recall-attacks.jpg
