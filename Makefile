# Holdfast. `make run` and `make test` are all that a newcomer needs; `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: help run test check fmt lint api web e2e bench servers cluster schemathesis planted kubernetes alerts deny sbom release tools clean

CARGO ?= cargo
# Arguments for the program: make run ARGS="--orders-addr 127.0.0.1:0"
ARGS ?=

# What the tests are built with: with other features everything would be built once more.
AS_TESTED := --workspace --all-features

# The web app is built by npm into web/dist, and the binary takes it from there.
WEB_MODULES := web/node_modules/.package-lock.json
WEB_SOURCES := $(shell find web/src web/public web/scripts -type f) $(wildcard web/*.json web/*.ts web/*.html)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: tools web ## build and run the whole system, with a sample catalogue (Ctrl-C stops it)
	@$(CARGO) build --release --bin holdfast
	@exec "$${CARGO_TARGET_DIR:-target}/release/holdfast" $(ARGS)

test: tools $(WEB_MODULES) ## every test; those with Kafka and MongoDB where their servers can be had
	@tools/servers/fetch || { \
		echo "SKIPPED: tests that need a server which is missing here (see above)" >&2; \
		test "$${HOLDFAST_REQUIRE_SERVERS:-}" != 1; \
	}
	@$(CARGO) test $(AS_TESTED)
	@cd web && npm test --silent

check: lint test api ## what has to be right before a commit

fmt: ## format
	@$(CARGO) fmt --all

lint: $(WEB_MODULES) ## formatting and lints, warnings as errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy $(AS_TESTED) --all-targets -- -D warnings
	@cd web && npm run --silent lint

api: $(WEB_MODULES) ## write api/openapi.json, api/asyncapi.json and the web app's types anew
	@$(CARGO) build --quiet $(AS_TESTED) --bin holdfast
	@"$${CARGO_TARGET_DIR:-target}/debug/holdfast" api-docs --out api
	@cd web && npm run --silent api

$(WEB_MODULES): web/package-lock.json
	@cd web && npm ci --no-audit --no-fund
	@touch $@

web/dist/index.html: $(WEB_MODULES) $(WEB_SOURCES)
	@cd web && npm run --silent build

web: web/dist/index.html ## build the web app into web/dist

e2e: web ## the web app in a browser (Chromium), against the real binary
	@$(CARGO) build $(AS_TESTED) --bin holdfast
	@target=$$(cd "$${CARGO_TARGET_DIR:-target}" && pwd) && cd web && HOLDFAST_BIN="$$target/debug/holdfast" npm run --silent e2e

servers: ## fetch the Kafka and MongoDB that tests start
	@tools/servers/fetch

cluster: servers ## Kafka on :9092 and MongoDB on :27017 without Docker, empty, until Ctrl-C
	@$(CARGO) run --quiet -p holdfast-servers --example cluster

schemathesis: ## test both services against their API documents (SEED=…, SECONDS_EACH=…)
	@$(CARGO) build --quiet $(AS_TESTED) --bin holdfast
	@tools/schemathesis/run "$${CARGO_TARGET_DIR:-target}/debug/holdfast"

planted: ## plant known bugs and have the simulation find them
	@CARGO="$(CARGO)" tools/planted/run

kubernetes: ## check the manifests: by Kubernetes' schemas, and against what the program knows
	@$(CARGO) build --quiet $(AS_TESTED) --bin holdfast
	@tools/kubernetes/run "$${CARGO_TARGET_DIR:-target}/debug/holdfast"

alerts: ## check the alert rules, and that each comes when it has to (needs Prometheus' promtool)
	@tools/alerts/run

deny: ## licences, sources, bans and known holes of all that is linked in
	@tools/deny/run

# Where a release is put together.
RELEASE = "$${CARGO_TARGET_DIR:-target}/release-files"

sbom: ## list what the program and the web app in it are made of (CycloneDX)
	@CARGO="$(CARGO)" tools/sbom/run $(RELEASE)

release: tools web sbom ## the program as it is given to others, with its lists of parts and checksums
	@$(CARGO) build --release --locked --bin holdfast
	@cp "$${CARGO_TARGET_DIR:-target}/release/holdfast" $(RELEASE)
	@cd $(RELEASE) && sha256sum holdfast *.cdx.json >SHA256SUMS && pwd && cat SHA256SUMS

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
	need node "Node 20.19, or 22.12 or newer (node): see https://nodejs.org"; \
	need npm "npm, which comes with Node: see https://nodejs.org"; \
	if command -v node >/dev/null 2>&1 && ! node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'; then \
		echo "holdfast needs Node 20.19, or 22.12 or newer, and this is $$(node --version): see https://nodejs.org" >&2; missing=1; \
	fi; \
	exit $$missing

clean: ## remove what was built (not your data)
	@$(CARGO) clean
	@find web/dist -mindepth 1 ! -name .gitkeep -delete
