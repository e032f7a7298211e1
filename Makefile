# Needs GNU make and a Python >= 3.11 with venv. Everything lands in .venv; `make PYTHON=/path/to/python3 test` prefers that one.

PYTHON ?=
PYTEST_ARGS ?= -n auto
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test lint clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

demo: $(VENV)/.installed-plot ## install into .venv and run `symbp demo`
	@$(BIN)/symbp demo

test: $(VENV)/.installed-dev ## install into .venv and run the tests (PYTEST_ARGS="-n auto -k digits" are passed on)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean: ## remove .venv, builds and caches
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp an extra: made again when pyproject.toml is newer.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing symbp[$*] into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(BIN)/python:
	@for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    recent=$$candidate; \
	    "$$candidate" -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    echo "creating $(VENV) with $$candidate ($$("$$candidate" --version))"; \
	    "$$candidate" -m venv --clear $(VENV) && exit 0; \
	    rm -rf $(VENV); exit 1; \
	done; \
	if [ -n "$$recent" ]; then \
	    echo "error: $$recent has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	else \
	    echo "error: symbp needs Python >= 3.11; tried:" $(PYTHON) "python3 python3.13 python3.12 python3.11." \
	        "Name one: make PYTHON=/path/to/python3" >&2; \
	fi; \
	exit 1
