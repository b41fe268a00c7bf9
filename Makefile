# The doors of the house. `make help` lists them.
CARGO ?= cargo
BINARY := target/release/ringback
PRESET ?= plumbing
LISTEN ?= 127.0.0.1:8080
QUICK ?=

.DEFAULT_GOAL := help
.PHONY: help demo build test unit postgres browser faults check licences bench crash hostile isolation seeded failover nodes sim simbugs campaigns campaign long mutants picture

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

unit: ## the tests of all crates, and those of the server once more on PostgreSQL
	$(CARGO) test --workspace --locked --doc --quiet
	$(MAKE) --no-print-directory postgres
	@if $(CARGO) nextest --version >/dev/null 2>&1; then $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else $(CARGO) test --workspace --locked --all-targets --no-fail-fast; fi

# What is about the file of SQLite itself is left out by the name of its module, which says why: crates/server/tests/it/of_the_file.rs.
postgres: ## the server's tests with every house on PostgreSQL
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	RINGBACK_TEST_DATABASE=postgres $(CARGO) nextest run --package ringback-server --test it --test doors --locked --no-fail-fast -E 'not test(/^of_the_file::/)'; \
	else RINGBACK_TEST_DATABASE=postgres $(CARGO) test --package ringback-server --test it --test doors --locked --no-fail-fast -- --skip of_the_file::; fi

browser: ## the dashboard and the forms in a real Chromium
	$(CARGO) build --locked --workspace
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) npm test

# What waits more than it works goes side by side; each result is one line.
SHORT := target/debug/ringback-bench
SHORTLY := --binary target/debug/ringback --unknown-seconds 12
faults: ## small campaigns against the debug binary: kills, power cuts, freezes, a full disk, a wrong clock, faulty providers, a restored backup, hostile bodies
	$(CARGO) build --locked --workspace
	@set -e; \
	$(SHORT) clock $(SHORTLY) --leads 400 --jumps 4 --stay-ms 500 & clock=$$!; \
	$(SHORT) faults $(SHORTLY) --leads 1000 --kills 2 --pace 40 --most-each 1 & providers=$$!; \
	failed=0; \
	$(SHORT) crash --binary target/debug/ringback --leads 1000 --kills 4 --unknown-seconds 8 || failed=1; \
	$(SHORT) power $(SHORTLY) --leads 600 --cuts 8 || failed=1; \
	$(SHORT) power $(SHORTLY) --leads 200 --cuts 4 --lying-disk || failed=1; \
	$(SHORT) disk $(SHORTLY) --leads 800 --times 4 || failed=1; \
	$(SHORT) freeze $(SHORTLY) --leads 800 --freezes 2 || failed=1; \
	$(SHORT) bulk --binary target/debug/ringback --leads 2000 --tries 20 --slow-ms 4000 || failed=1; \
	$(SHORT) restore $(SHORTLY) --leads 300 --times 2 --pace 60 || failed=1; \
	$(SHORT) hostile --binary target/debug/ringback --per-route 100 || failed=1; \
	$(SHORT) isolation --binary target/debug/ringback || failed=1; \
	wait $$clock || failed=1; wait $$providers || failed=1; exit $$failed

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
seeded: ## show that the crash campaign can fail, and that a message which kills the server is put aside
	$(CARGO) build --locked --workspace --features ringback/seeded-bugs
	cp target/debug/ringback target/debug/ringback-seeded
	$(CARGO) build --locked --workspace
	grep -q RINGBACK_TEST_BUGS target/debug/ringback-seeded
	! grep -q RINGBACK_TEST_BUGS target/debug/ringback
	target/debug/ringback-bench crash --binary target/debug/ringback-seeded --leads 1000 --kills 4 --unknown-seconds 0 --expect-loss
	target/debug/ringback-bench poison --binary target/debug/ringback-seeded
	target/debug/ringback-bench restore --binary target/debug/ringback-seeded --leads 300 --times 2 --pace 60 --unknown-seconds 12 --expect-forgotten

FAILOVERS ?= 5
failover: ## kill the primary of two PostgreSQL servers under Patroni, FAILOVERS=5 times; then two mistakes on purpose, which must lose rows
	tests/install campaigns
	$(CARGO) build --locked --package ringback-bench
	$(SHORT) failover --failovers $(FAILOVERS)
	$(SHORT) failover --failovers 2 --asynchronous
	$(SHORT) failover --failovers 3 --trust-what-is-seen

NODES ?= --leads 3500 --faults 16
nodes: ## three servers on one PostgreSQL: one is killed, frozen or cut off, and PostgreSQL restarted in every way
	tests/install campaigns
	$(CARGO) build --locked --workspace
	$(SHORT) nodes --binary target/debug/ringback $(NODES)

sim: ## 2,000 small worlds in virtual time, and the n-th failure of every operation
	$(CARGO) run --release --locked --quiet --package ringback-sim -- run --seeds 2000
	$(CARGO) run --release --locked --quiet --package ringback-sim -- nth

simbugs: ## put bugs in on purpose, one after the other: each must be found
	$(CARGO) run --release --locked --quiet --package ringback-sim --features seeded-bugs --target-dir target/seeded -- seeded

campaigns: crash hostile isolation seeded ## the four above

MINUTES ?= 30
campaign: build ## power cuts, freezes, full disks, wrong clocks, faulty providers, bulk, restores in turn for MINUTES=30; adds to docs/campaigns.md
	$(CARGO) build --release --locked --package ringback-bench
	bench/campaign $(MINUTES)

# The long forms of tests that take a few hundred cases in `make unit`.
long: ## 10,000 STOP races and 100,000 quiet-hours cases
	RINGBACK_STOP_RACES=10000 RINGBACK_HOURS_CASES=100000 $(CARGO) test --release --locked --package ringback-core --package ringback-server --lib --tests -- --nocapture a_stop_wins_every_race a_naive_judge_agrees

# All mutants in one build, each behind a switch (docs/decisions/0070-mutants-in-one-build.md). What they come to is told in docs/promises.md.
MUTATED := turn/gate turn/gate/ground turn/limits turn/budget turn/queues turn/lines turn/breaker turn/doubt turn/settle messages/status \
	consent/basis consent/ledger consent/national consent/rules consent/hours consent/hours/rules consent/words consent/words/normal consent/words/phrases
mutants: ## change gates, consent, queues and status in every small way, one at a time: the core's own tests must notice (about half an hour)
	@$(CARGO) mutants --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-mutants
	$(CARGO) run --release --locked --quiet --manifest-path tests/mutants/Cargo.toml --target-dir target/mutants/tool -- \
		$(foreach file,$(MUTATED),crates/core/src/$(file).rs)

picture: ## docs/images/overview.png from the running page
	tests/install
	$(CARGO) build --locked --package ringback
	cd tests/browser && RINGBACK=$(abspath target/debug/ringback) node picture.mjs ../../docs/images/overview.png
