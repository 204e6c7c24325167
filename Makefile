# make demo: see it work.  make test: check it.  Everything else is for contributors (see CONTRIBUTING.md).
SHELL := /bin/bash
CARGO ?= cargo

.PHONY: bench-ask bench-recall bench-scan help deps demo test test-browser test-neon lint doc msrv fixtures bench-hash bench-index bench-video

help:
	@sed -n '1p' Makefile

deps:
	@sh scripts/deps.sh

# Indexes fixtures/removed, scans fixtures/uploads, and compares what was found with fixtures/truth.csv.
demo: deps
	@$(CARGO) build --locked --release --example refrain --example demo
	@sh scripts/demo.sh

test: deps
	$(CARGO) test --locked

# The reports in headless Chromium; needs chromium, node and npm. Screenshots land in target/browser/shots.
test-browser: deps
	@CARGO="$(CARGO)" sh tests/browser/run.sh

# Hashes and searches on 64-bit ARM, run by QEMU; needs rustup, gcc-aarch64-linux-gnu and qemu-user, installs them on Debian.
test-neon:
	@CARGO="$(CARGO)" sh scripts/neon.sh

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# No dependency may ask for a newer Rust than Cargo.toml states.
msrv:
	@sh scripts/msrv.sh

# Draws fixtures/ anew; needs the ffmpeg command.
fixtures:
	$(CARGO) run --locked --release --example fixtures

# refrain beside pdqhash, threatexchange and image_hasher in one run; writes docs/benchmarks/hash.md and hash.svg.
bench-hash:
	@CARGO="$(CARGO)" sh benches/hash.sh

# The index beside FAISS and usearch in one run, up to 1e7 hashes (FULL=1: 1e8); writes docs/benchmarks/index.md and index.svg.
bench-index:
	@CARGO="$(CARGO)" sh benches/index.sh

# scan and dedupe beside czkawka, imagehash and imagededup in one run (COUNT=20000 stills); writes docs/benchmarks/scan.md and scan.svg.
bench-scan:
	@CARGO="$(CARGO)" sh benches/scan.sh

# Films beside vpdq, vid_dup_finder_lib and plain FFmpeg in one run (COUNT=10000000 hashes); writes docs/benchmarks/video.md and video.svg.
bench-video:
	@CARGO="$(CARGO)" sh benches/video.sh

# Milliseconds of a question under each preset, on one core, about COUNT=100000 references that are drawn; prints JSON lines.
bench-ask:
	@RAYON_NUM_THREADS=1 $(CARGO) bench --locked --bench ask -- $(or $(COUNT),100000)

# Which attacked copies are found, at what rate of false matches (DATA=../shared/recall); writes docs/benchmarks/recall.md and src/bank/rates.csv.
bench-recall:
	@CARGO="$(CARGO)" sh benches/recall.sh
