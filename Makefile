# The doors of the house. `make help` lists them.
CARGO ?= cargo
BINARY := target/release/ringback
PRESET ?= plumbing
LISTEN ?= 127.0.0.1:8080
QUICK ?=

.DEFAULT_GOAL := help
.PHONY: help demo build test unit browser check licences bench crash hostile isolation campaigns picture

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## build and run everything in one, with sample leads; Ctrl-C ends it
	@echo "Building Ringback; the first time takes some minutes."
	$(CARGO) run --release --locked --package ringback -- demo --preset $(PRESET) --listen $(LISTEN)

build: ## the release binary
	$(CARGO) build --release --locked --package ringback

# The crates' tests come last, whatever the browser said, so that the last line counts them.
test: ## every test, the browser's too
	tests/install
	@browser=0; $(MAKE) --no-print-directory browser || browser=$$?; $(MAKE) --no-print-directory unit && exit $$browser

unit: ## the tests of all crates
	$(CARGO) test --workspace --locked --doc --quiet
	@if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else $(CARGO) test --workspace --locked --all-targets --no-fail-fast; fi

browser: ## the dashboard and the forms in a real Chromium
	$(CARGO) build --locked --package ringback
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) npm test

check: ## formatting, lints, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(MAKE) --no-print-directory licences

licences: ## the licence of every crate against the list in deny.toml
	tests/licences

bench: build ## measure the release binary; QUICK=1 for half a minute
	$(CARGO) run --release --locked --quiet --package ringback-bench -- run --binary $(BINARY) $(if $(QUICK),--quick)

crash: build ## kill it under load and compare what everybody remembers
	$(CARGO) run --release --locked --quiet --package ringback-bench -- crash --binary $(BINARY)

hostile: build ## 2,000 hostile bodies for every route
	$(CARGO) run --release --locked --quiet --package ringback-bench -- hostile --binary $(BINARY)

isolation: build ## every route with another tenant's key
	$(CARGO) run --release --locked --quiet --package ringback-bench -- isolation --binary $(BINARY)

campaigns: crash hostile isolation ## the three above

picture: ## docs/images/overview.png from the running page
	tests/install
	$(CARGO) build --locked --package ringback
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) node picture.mjs ../../docs/images/overview.png
