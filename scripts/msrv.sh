#!/bin/sh
# Fails if a dependency in Cargo.lock declares a newer Rust than the one that Cargo.toml states.
# What our own code uses of the standard library is watched by clippy (incompatible_msrv is denied).
set -eu
cd "$(dirname "$0")/.."
stated=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$stated" ] || { echo "Cargo.toml states no rust-version" >&2; exit 1; }
newer=$(cargo metadata --locked --format-version 1 | tr '{' '\n' | sed -n \
  's/^"name":"\([^"]*\)","version":"\([^"]*\)","id":.*$/package \1 \2/p; s/.*"rust_version":"\([^"]*\)".*/needs \1/p' |
  awk -v stated="$stated" '
    function older(a, b,   x, y, i) { split(a, x, "."); split(b, y, "."); for (i = 1; i <= 3; i++) { if (x[i]+0 != y[i]+0) return x[i]+0 < y[i]+0 } return 0 }
    $1 == "package" { name = $2 " " $3 }
    $1 == "needs" && older(stated, $2) { print "  " name " needs Rust " $2 }')
if [ -n "$newer" ]; then
  printf 'Cargo.toml states Rust %s, but:\n%s\n' "$stated" "$newer" >&2
  exit 1
fi
echo "no dependency needs a newer Rust than $stated"
