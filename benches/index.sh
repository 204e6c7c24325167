#!/bin/sh
# refrain's index beside FAISS and usearch: makes an environment for Python, builds the runner, measures, writes docs.
set -eu
cargo="${CARGO:-cargo}"
environment=target/bench-index
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet numpy matplotlib faiss-cpu usearch ||
    "$environment/bin/pip" install --quiet numpy matplotlib faiss-cpu
runner=$("$cargo" bench --bench index_figures --no-run --message-format=json |
    sed -n 's/.*"name":"index_figures".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
"$environment/bin/python" benches/index.py "$runner" docs/benchmarks
