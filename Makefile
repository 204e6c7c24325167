# make demo: see it work.  make test: check it.  Everything else is for contributors.
SHELL := /bin/bash
CARGO ?= cargo

.PHONY: deps test lint doc

deps:
	@sh scripts/deps.sh

test:
	$(CARGO) test

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps
