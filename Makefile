# Everything a user or CI needs. A virtual environment is made in .venv; nothing else is installed.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: run test install dev lint types contract check bench clean

run: install        ## start the daemon on this folder's vault/ and config/
	$(BIN)/signoff run

test: dev           ## run the tests (as many at once as there are cores)
	$(BIN)/python -m pytest -n auto $(ARGS)

install: $(VENV)/.installed
dev: $(VENV)/.dev

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

lint: dev           ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev          ## mypy, strict
	$(BIN)/mypy

contract: dev       ## the arrows between modules go one way
	$(BIN)/lint-imports

check: lint types contract test

bench: dev          ## the figures, each beside the raw MCP client in the same run
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
