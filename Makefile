# Everything that a user or CI needs: a virtual environment is made in .venv, and nothing outside this folder
# is changed. Needs make, and Python 3.11 or newer with its venv module (another one: make run PYTHON=python3.12).
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
PYTHON ?= python
else
BIN := $(VENV)/bin
PYTHON ?= python3
endif
# The tests wait more than they compute: on processes, on saves that must be a second old.
WORKERS ?= 6
# The lock files name everything, so nothing is resolved: pip would look at newer releases for `name[extra]`, which
# have no hash here, and refuse them all on the day one is published.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

.PHONY: run test install dev lint types contract check bench clean help

run: install        ## start the daemon on this folder's vault/ and config/
	$(BIN)/signoff run

test: dev           ## run the tests (ARGS="-k name" for some of them)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

install: $(VENV)/.installed
dev: $(VENV)/.dev

$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "Signoff needs Python 3.11 or newer; $(PYTHON) is older or missing. Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "Installing into $(VENV); this takes a minute, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.lock
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(PIP) -r requirements-dev.lock
	@touch $@

lint: dev           ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev          ## mypy, strict
	$(BIN)/mypy

contract: dev       ## the arrows between modules go one way
	$(BIN)/lint-imports --no-logo

check: lint types contract test

bench: dev          ## the figures, each beside the raw MCP client in the same run
	$(BIN)/python -m benchmarks

clean:              ## remove what was installed and cached; vault, config and logs stay
	rm -rf $(VENV) tests/npm/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

help:               ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
