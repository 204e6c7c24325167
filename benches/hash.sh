#!/bin/sh
# `make bench-hash`: refrain beside PyPI pdqhash and threatexchange, crate pdqhash and image_hasher, in one run.
# Needs Python 3 with venv, and the network once. One of the steps alone: --build, --measure, --report.
set -eu
cd "$(dirname "$0")/.."
work=target/bench-hash
step=${1:-all}
case $step in all | --build)
    mkdir -p "$work"
    if [ ! -x "$work/venv/bin/python" ]; then
        python3 -m venv "$work/venv" || { echo "install Python's venv module (Debian: apt-get install python3-venv)" >&2; exit 2; }
    fi
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check pdqhash==0.2.8 threatexchange==1.2.17 numpy pillow
    "${CARGO:-cargo}" build --quiet --release --manifest-path benches/peers/Cargo.toml --target-dir target/peers
    ;;
esac
case $step in all | --measure)
    : >"$work/lines.new"
    sizes=$(target/peers/release/peers generate "$work")
    "$work/venv/bin/python" benches/peers/encode.py "$work"
    for size in $sizes; do
        echo "measuring $size" >&2
        target/peers/release/peers measure "$work" "$size" >>"$work/lines.new"
        "$work/venv/bin/python" benches/peers/measure.py "$work" "$size" >>"$work/lines.new"
    done
    mv "$work/lines.new" "$work/lines"
    ;;
esac
case $step in all | --measure | --report)
    machine="$(nproc) cores of $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo 2>/dev/null | head -1), $(uname -sm), $(rustc --version | cut -d' ' -f1,2)"
    "$work/venv/bin/python" benches/peers/report.py "$work/lines" docs/benchmarks "$machine"
    ;;
esac
