# Everything a developer or a machine of the continuous integration runs. `make help` lists it.

MAKEFLAGS += --no-print-directory
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
PYTEST := $(BIN)/python -m pytest
# how many tests run at once, with one to spare while others wait for something; those of one file
# stay together and share what they start, and the quick ones come last so that all end together.
# Give PYTEST_ARGS to narrow or widen a run
WORKERS ?= 3
SHARED := --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: .venv ## a whole installation in demo/: vendors on port 8420, console on 8421
	@$(BIN)/rosterd demo --port 8420 --console-port 8421

.PHONY: test
test: system lint ## everything that the continuous integration runs, within ten minutes
	@echo "== tests"
	@$(PYTEST) -n $(WORKERS) $(SHARED) -m "not soak and not bench" $(PYTEST_ARGS) </dev/null

.PHONY: lint
lint: .venv ## ruff, mypy and the contracts between modules
	@echo "== ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== lint-imports"
	@report=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$report"; exit 1; }

.PHONY: format
format: .venv ## let ruff place everything it knows how to place
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

.PHONY: soak
soak: system .venv ## the same laws and faults with the full numbers; takes long
	@HYPOTHESIS_PROFILE=soak $(PYTEST) -n $(WORKERS) $(SHARED) -m "not bench" $(PYTEST_ARGS) </dev/null

.PHONY: bench
bench: .venv ## measure speed as ratios, alone on the machine
	@$(PYTEST) -p no:xdist -m bench -s $(PYTEST_ARGS) </dev/null

.PHONY: schemas
schemas: .venv ## write schemas/ anew from the models
	@$(BIN)/rosterd schema --directory schemas

.PHONY: system
system: ## make sure the programs that tests talk to are there
	@.ci/system-packages

.PHONY: .venv
.venv: $(STAMP) ## the environment, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@echo "== .venv"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cannot go on: Python 3.11 or later is needed (make PYTHON=...)")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,postgres]'
	@touch $@

.PHONY: clean
clean: ## remove the environment, the demonstration and every cache
	@rm -rf .venv demo build dist htmlcov .coverage .coverage.* .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache .import_linter_cache .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
