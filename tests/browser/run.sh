#!/bin/sh
# `make test-browser`: the reports in headless Chromium. Needs chromium, node and npm (Debian: apt-get install chromium
# nodejs npm). Screenshots land in target/browser/shots. With --if-installable it says aloud what is missing and ends well.
# REFRAIN names a program that is built already.
set -eu
cd "$(dirname "$0")/../.."
lenient=${1:-}
work=target/browser
skip() {
    echo "SKIPPED: browser tests: $1" >&2
    if [ "$lenient" = --if-installable ]; then exit 0; else exit 2; fi
}
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[ "$chromium" ] || skip "no chromium (Debian: apt-get install chromium)"
command -v npm >/dev/null || skip "no npm (Debian: apt-get install nodejs npm)"
mkdir -p "$work"
cp tests/browser/package.json tests/browser/package-lock.json tests/browser/*.mjs "$work/"
timeout 60 npm ci --prefix "$work" --no-audit --no-fund --ignore-scripts --silent ||
    skip "playwright-core did not install within a minute"
if [ -z "${REFRAIN:-}" ]; then
    "${CARGO:-cargo}" build --quiet --locked --example refrain
    REFRAIN=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/refrain")
fi
export REFRAIN CHROMIUM="$chromium" FIXTURES="$PWD/fixtures"
node "$work/report.mjs" "$work/shots"
node "$work/groups.mjs" "$work/shots"
