# Holdfast. `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: help run test check fmt lint api bench servers cluster schemathesis tools clean

CARGO ?= cargo
# Arguments for the program: make run ARGS="--orders-addr 127.0.0.1:0"
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: tools ## build and run the whole system, with a sample catalogue (Ctrl-C stops it)
	@$(CARGO) build --release --bin holdfast
	@exec "$${CARGO_TARGET_DIR:-target}/release/holdfast" $(ARGS)

test: tools ## every test; those with Kafka and MongoDB where their servers can be had
	@tools/servers/fetch || { \
		echo "SKIPPED: tests that need a server which is missing here (see above)" >&2; \
		test "$${HOLDFAST_REQUIRE_SERVERS:-}" != 1; \
	}
	@$(CARGO) test --workspace --all-features

check: lint test api ## what has to be right before a commit

fmt: ## format
	@$(CARGO) fmt --all

lint: ## formatting and lints, warnings as errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

api: ## write api/openapi.json and api/asyncapi.json anew
	@$(CARGO) run --quiet --bin holdfast -- api-docs --out api

servers: ## fetch the Kafka and MongoDB that tests start
	@tools/servers/fetch

cluster: servers ## Kafka on :9092 and MongoDB on :27017 without Docker, empty, until Ctrl-C
	@$(CARGO) run --quiet -p holdfast-servers --example cluster

schemathesis: ## test both services against their API documents (SEED=…, SECONDS_EACH=…)
	@$(CARGO) build --quiet --bin holdfast
	@tools/schemathesis/run "$${CARGO_TARGET_DIR:-target}/debug/holdfast"

bench: ## measure this machine: accepted and decided orders per second, beside a bare server
	@$(CARGO) build --release --bin holdfast
	@exec "$${CARGO_TARGET_DIR:-target}/release/holdfast" bench --ceiling $(ARGS)

# Says everything that is missing at once, and what to do about it.
tools:
	@missing=0; \
	need() { command -v "$$1" >/dev/null 2>&1 || { echo "holdfast needs $$2" >&2; missing=1; }; }; \
	need "$(CARGO)" "a Rust toolchain (cargo): see https://rustup.rs"; \
	need "$${CC:-cc}" "a C compiler (cc): on Debian or Ubuntu, the package build-essential"; \
	need "$${CXX:-c++}" "a C++ compiler (c++), for the Kafka client: on Debian or Ubuntu, the package build-essential"; \
	need perl "Perl, for the Kafka client's TLS: on Debian or Ubuntu, the package perl"; \
	need bash "bash, for the Kafka client: on Debian or Ubuntu, the package bash"; \
	need node "Node 20 or newer (node): see https://nodejs.org"; \
	need npm "npm, which comes with Node: see https://nodejs.org"; \
	if command -v node >/dev/null 2>&1 && ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then \
		echo "holdfast needs Node 20 or newer, and this is $$(node --version): see https://nodejs.org" >&2; missing=1; \
	fi; \
	exit $$missing

clean: ## remove what was built (not your data)
	@$(CARGO) clean
