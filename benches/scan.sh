#!/bin/sh
# `make bench-scan`: refrain beside czkawka_cli (stills, films), imagehash and imagededup (stills) in one run; writes
# docs/benchmarks/scan.md and scan.svg. COUNT=20000 generated stills unless said otherwise. Needs Python 3 with venv, ffmpeg,
# and the network once; for the report's figures chromium, node and npm.
# One of the steps alone: --build, --measure.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
work=${WORK:-$target/bench-scan}
count=${COUNT:-20000}
step=${1:-all}
czkawka=${CZKAWKA:-$work/peers/bin/czkawka_cli}
case $step in all | --build)
    mkdir -p "$work"
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check imagehash pillow numpy \
        PyWavelets scikit-learn scipy matplotlib tqdm
    # without PyTorch, which its hashing methods do not use (see benches/scan.py)
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps imagededup
    [ -x "$czkawka" ] || "${CARGO:-cargo}" install --locked --root "$work/peers" czkawka_cli
    "${CARGO:-cargo}" build --quiet --locked --release --example refrain
    for bench in scan_media scan_parts dedupe_join; do
        built=$("${CARGO:-cargo}" bench --bench "$bench" --no-run --message-format=json |
            sed -n 's/.*"name":"'"$bench"'".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
        cp "$built" "$work/$bench"
    done
    cp "$target/release/examples/refrain" "$work/refrain"
    "$work/scan_media" "$work/media" "$count"
    "$work/venv/bin/python" benches/scan.py films "$work"
    "$work/venv/bin/python" benches/scan.py many "$work"
    ;;
esac
case $step in all | --measure)
    CZKAWKA=$czkawka "$work/venv/bin/python" benches/scan.py measure "$work" docs/benchmarks
    ;;
esac
