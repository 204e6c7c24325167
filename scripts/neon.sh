#!/bin/sh
# `make test-neon`: hashes and searches on 64-bit ARM, without FFmpeg: cross-compiled, and run by QEMU. Needs rustup, and on Debian the
# packages gcc-aarch64-linux-gnu and qemu-user, which are installed if they are missing. With --if-installable it says aloud what cannot be
# had and ends well. On 64-bit ARM itself `make test` does it all.
set -eu
cd "$(dirname "$0")/.."
lenient=${1:-}
target=aarch64-unknown-linux-gnu
skip() {
  echo "SKIPPED: tests on 64-bit ARM: $1" >&2
  if [ "$lenient" = --if-installable ]; then exit 0; else exit 2; fi
}
case $(uname -sm) in
  "Linux aarch64") echo "this is 64-bit ARM: make test tests NEON"; exit 0 ;;
  Linux*) ;;
  *) skip "they run on Linux" ;;
esac

emulator() { command -v qemu-aarch64 || command -v qemu-aarch64-static || true; }
if ! command -v aarch64-linux-gnu-gcc >/dev/null || [ -z "$(emulator)" ]; then
  command -v apt-get >/dev/null || skip "aarch64-linux-gnu-gcc and qemu-aarch64 are missing"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  install="$sudo env DEBIAN_FRONTEND=noninteractive timeout 120 apt-get install -y -qq --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
  { $sudo timeout 60 apt-get update -qq && $install >/dev/null; } || skip "gcc-aarch64-linux-gnu and qemu-user did not install"
fi
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
  command -v rustup >/dev/null || skip "there is no rustup to install Rust's library for $target"
  timeout 120 rustup target add "$target" || skip "Rust's library for $target did not install"
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$(emulator) -L /usr/aarch64-linux-gnu"
# Nearly all of the time goes into compiling: only what the tests spend theirs in is optimised.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=0
check() {
  "${CARGO:-cargo}" test --locked -q --no-default-features --target "$target" \
    --config 'profile.dev.package.refrain.opt-level=3' --config 'profile.dev.package.redb.opt-level=1' "$@"
}
# Left out: pictures that take QEMU minutes for their size, and the longest test of joining; they call no other kernels than the others do.
check --lib -- simd:: hash:: image::jpeg:: --skip twelve_megapixels --skip long_and_thin --skip random_sizes --skip sides_at_every
check --test index_oracle --test index_join --test index_conformance --test hash_conformance -- --skip pairs_are_what_comparing
