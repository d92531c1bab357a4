# The commands of a developer. `make` alone lists them.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-rust test-python soak fuzz lint lint-rust lint-python fmt bench bench-retrieval bench-storage bench-peers bench-report docs clean

# Everything is installed into the tree: Rust's output into target/, Python's into .venv/.
PYTHON  ?= $(firstword $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
             "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p"; done))
VENV    := .venv
PY      := $(VENV)/bin/python
WHEELS  := target/wheels
# The wheel is built with the profile of the tests, so that core is not compiled with a third one.
PROFILE ?= dev

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## load 12,000 real Reddit posts, search them, show what was found
	cargo run --release --locked -p nearfield-server --bin nearfield -- demo

test: test-rust test-python ## every Rust and Python test

test-rust: ## the Rust tests, documentation examples included
	cargo test --workspace --locked

test-python: $(VENV)/wheel ## build the wheel into .venv, run the Python tests
	cd python && ../$(PY) -m pytest

# Again and again, each time with the next seed.
define repeat
	@end=$$(( $$(date +%s) + 60 * $(MINUTES) )); seed=$(SEED); \
	while [ $$(date +%s) -lt $$end ]; do \
	  echo "SEED=$$seed"; \
	  for tests in $(1); do \
	    NEARFIELD_TEST_SEED=$$seed cargo test --quiet --locked -p nearfield $$tests || { echo "failed with SEED=$$seed" >&2; exit 1; }; \
	  done; \
	  seed=$$(( seed + 1 )); \
	done
endef
SEED    ?= 1
MINUTES ?= 30

soak: ## SEED=1 MINUTES=30: power cuts, failing disks, killed writers, random operations and orders
	$(call repeat,"--lib -- crash_tests --skip fuzz --skip canaries" "--lib -- kernels" "--test killed --test processes --test hostile_files")

fuzz: ## SEED=1 MINUTES=30: strange bytes behind right checksums, in every kind of file
	$(call repeat,"--lib -- crash_tests::fuzz")

lint: lint-rust lint-python ## formatting, lints, licences, types

lint-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@command -v cargo-deny >/dev/null || { echo 'cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	cargo deny --log-level error check bans licenses sources

lint-python: $(VENV)/wheel
	$(VENV)/bin/ruff format --check python
	$(VENV)/bin/ruff check python
	cd python && ../$(VENV)/bin/mypy
	cd python && ../$(PY) -m mypy.stubtest nearfield._core

fmt: $(VENV)/deps ## format Rust and Python
	cargo fmt --all
	$(VENV)/bin/ruff format python

bench: ## kernels, build and search on generated data; writes benches/RESULTS.md
	CRITERION_HOME=$(CURDIR)/target/criterion cargo bench --locked -p nearfield-bench --benches
	$(PYTHON) benches/table.py target/criterion

bench-retrieval: ## DIR=path, FILES="--base X.npy --queries Y.npy --attributes Z.parquet": filters of every share, caps, decay, interests
	cargo run --release --locked -p nearfield-bench --bin retrieval -- $(if $(DIR),$(abspath $(DIR)),target/bench-retrieval) $(FILES)

bench-storage: ## DIR=path: writes, opening, churn and memory on the disk of that path, with the disk's own figures
	cargo run --release --locked -p nearfield-bench --bin storage -- $(if $(DIR),$(abspath $(DIR)),target/bench-storage)

bench-peers: ## DATASET=dir: table and curve against other engines; benches/peers/README.md says how to make one
	$(MAKE) --no-print-directory -C benches/peers PYTHON=$(PYTHON) DATASET=$(if $(DATASET),$(abspath $(DATASET)))

bench-report: $(VENV)/deps ## RESULTS="dir ...": keep results of bench-peers; the picture and tables of the README and docs/benchmarks.md
	$(PY) benches/peers/publish.py $(foreach dir,$(RESULTS),$(abspath $(dir)))

docs: $(VENV)/wheel ## the documentation site: docs/_build/html/index.html
	cargo build --quiet --locked --workspace --bin nearfield
	$(PY) docs/cli.py $(or $(CARGO_TARGET_DIR),target)/debug/nearfield docs/reference/cli.md
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo docs/_build/html/index.html

clean: ## remove what the other commands built
	cargo clean
	rm -rf $(VENV) docs/_build docs/reference/cli.md

$(VENV)/deps: .ci/requirements.txt
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is missing; or name one: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

$(VENV)/wheel: FORCE $(VENV)/deps
	rm -rf $(WHEELS)
	$(PY) -m maturin build --quiet --locked --profile $(PROFILE) --manifest-path python/Cargo.toml --interpreter $(PY) --out $(WHEELS)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall $(WHEELS)/*.whl
	@touch $@

FORCE:
