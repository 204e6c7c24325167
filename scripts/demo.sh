#!/bin/sh
# Indexes fixtures/removed, scans fixtures/uploads, and shows what was found. Everything it writes is in demo/.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}/release/examples
rm -rf demo
mkdir demo

echo "Indexing fixtures/removed ($(ls fixtures/removed | wc -l | tr -d ' ') files) into the store demo/known.refrain:"
"$target/refrain" add --store demo/known.refrain --bank removed --no-cache fixtures/removed >demo/added.txt

echo
echo "Scanning fixtures/uploads ($(ls fixtures/uploads | wc -l | tr -d ' ') files):"
scanned=0
"$target/refrain" scan --store demo/known.refrain --json --no-cache --report demo/found.html --references fixtures/removed \
  fixtures/uploads >demo/found.jsonl || scanned=$?
[ "$scanned" -le 1 ] || exit "$scanned"

echo
"$target/demo" fixtures/truth.csv demo/found.jsonl
echo
echo "Every upload as JSON, one a line:  demo/found.jsonl"
echo "The same to look at in a browser:   demo/found.html"
echo "Ask about a file of your own:       $target/refrain match --store demo/known.refrain FILE"
