# The doors of the house. `make help` lists them.
CARGO ?= cargo
BINARY := target/release/ringback
PRESET ?= plumbing
LISTEN ?= 127.0.0.1:8080
QUICK ?=

.DEFAULT_GOAL := help
.PHONY: help demo build test unit browser faults check licences bench crash hostile isolation seeded sim simbugs campaigns long picture

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
	@failed=0; for part in browser faults; do $(MAKE) --no-print-directory $$part || failed=1; done; \
	$(MAKE) --no-print-directory unit && exit $$failed

unit: ## the tests of all crates
	$(CARGO) test --workspace --locked --doc --quiet
	@if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else $(CARGO) test --workspace --locked --all-targets --no-fail-fast; fi

browser: ## the dashboard and the forms in a real Chromium
	$(CARGO) build --locked --workspace
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) npm test

faults: ## small campaigns against the debug binary: kills, hostile bodies, a stranger's key
	$(CARGO) build --locked --workspace
	target/debug/ringback-bench crash --binary target/debug/ringback --leads 1000 --kills 4 --unknown-seconds 8
	target/debug/ringback-bench hostile --binary target/debug/ringback --per-route 100
	target/debug/ringback-bench isolation --binary target/debug/ringback

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

# A server that answers before it commits: the campaign that finds nothing in the real one must find this.
seeded: ## show that the crash campaign can fail
	$(CARGO) build --locked --workspace --features ringback/seeded-bugs
	cp target/debug/ringback target/debug/ringback-seeded
	$(CARGO) build --locked --workspace
	grep -q RINGBACK_TEST_BUGS target/debug/ringback-seeded
	! grep -q RINGBACK_TEST_BUGS target/debug/ringback
	target/debug/ringback-bench crash --binary target/debug/ringback-seeded --leads 1000 --kills 4 --unknown-seconds 0 --expect-loss

sim: ## 2,000 small worlds in virtual time, and the n-th failure of every operation
	$(CARGO) run --release --locked --quiet --package ringback-sim -- run --seeds 2000
	$(CARGO) run --release --locked --quiet --package ringback-sim -- nth

simbugs: ## put bugs in on purpose, one after the other: each must be found
	$(CARGO) run --release --locked --quiet --package ringback-sim --features seeded-bugs --target-dir target/seeded -- seeded

campaigns: crash hostile isolation seeded ## the four above

# The long forms of tests that take a few hundred cases in `make unit`.
long: ## 10,000 STOP races and 100,000 quiet-hours cases
	RINGBACK_STOP_RACES=10000 RINGBACK_HOURS_CASES=100000 $(CARGO) test --release --locked --package ringback-core --package ringback-server -- --nocapture a_stop_wins_every_race a_naive_judge_agrees

picture: ## docs/images/overview.png from the running page
	tests/install
	$(CARGO) build --locked --package ringback
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) node picture.mjs ../../docs/images/overview.png
