#!/bin/sh
# `make bench-video`: fingerprints of films beside PyPI vpdq, the crate vid_dup_finder_lib and plain FFmpeg decoding, each on one
# core, and ten minutes of query hashes against an index of COUNT=10000000; writes docs/benchmarks/video.md and video.svg.
# Needs Python 3 with venv, ffmpeg, and the network once. vpdq comes as source: it needs CMake and FFmpeg's headers
# (libavdevice-dev and libavfilter-dev as well); where it cannot be built the table says so.
# One of the steps alone: --build, --measure, --report.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
work=${WORK:-$target/bench-video}
count=${COUNT:-10000000}
step=${1:-all}
case $step in all | --build)
    mkdir -p "$work"
    [ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check vpdq==0.2.5 2>"$work/vpdq.log" || echo "vpdq cannot be built: $work/vpdq.log" >&2
    "${CARGO:-cargo}" build --quiet --release --manifest-path benches/peers/Cargo.toml --target-dir "$target/peers" --features films --bin films ||
        echo "vid_dup_finder_lib cannot be built" >&2
    built=$("${CARGO:-cargo}" bench --bench video --no-run --message-format=json |
        sed -n 's/.*"name":"video".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    cp "$built" "$work/video"
    "${CARGO:-cargo}" build --quiet --release --example refrain
    cp "$target/release/examples/refrain" "$work/refrain"
    cp "$target/peers/release/films" "$work/films" 2>/dev/null || true
    "$work/venv/bin/python" benches/video.py films "$work"
    # Made anew for every build: formats change.
    rm -rf "$work/list-$count"
    "$work/video" list "$work/list-$count" "$count" >"$work/list-$count.json"
    ;;
esac
case $step in all | --measure)
    "$work/venv/bin/python" benches/video.py measure "$work" "$count"
    ;;
esac
case $step in all | --measure | --report)
    "$work/venv/bin/python" benches/video.py report "$work" docs/benchmarks
    ;;
esac
