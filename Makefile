# `make` lists the targets. Each one first makes .venv, or brings it up to date, when requirements.lock,
# pyproject.toml or the way it is made have changed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON_RUN := $(BIN)/python -m
STAMP := .venv/made-in
JUNIT := .test-results

export PYTHON

# The stamp holds the folder's path: a venv whose folder was moved, or whose Python went away, is made anew.
ifneq ($(shell test -x $(BIN)/python && cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.PHONY: help
help: ## list the targets (default)
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'ARGS="…" is passed on: make compare ARGS=--quick, make test ARGS="-k resume"'

$(STAMP): requirements.lock pyproject.toml .ci/make-venv
	@.ci/make-venv

.PHONY: compare
compare: $(STAMP) ## measure the transports on this machine: a table and a report, about 3 minutes
	@$(BIN)/rtlab compare $(ARGS)

# Most tests wait for a process or a clock: four at a time keep two cores busy. Those marked `alone` measure, and come last.
TEST_PROCESSES := 4

# The whole suite is measured, the servers and generators that tests start included; a part of it (ARGS) is only run.
.PHONY: test
test: $(STAMP) ## run every test; core/ must be covered to 95 %, everything to 85 %, branches included
	@.ci/install-test-programs
	@rm -rf $(JUNIT)
ifdef ARGS
	@$(PYTHON_RUN) pytest --junitxml=$(JUNIT)/part.xml $(ARGS)
else
	@$(PYTHON_RUN) coverage erase
	@$(PYTHON_RUN) coverage run -m pytest --numprocesses=$(TEST_PROCESSES) --dist=worksteal -m 'not alone' --junitxml=$(JUNIT)/together.xml \
		|| { $(PYTHON_RUN) coverage erase; exit 1; }
	@$(PYTHON_RUN) coverage run -m pytest -m alone --junitxml=$(JUNIT)/alone.xml || { $(PYTHON_RUN) coverage erase; exit 1; }
	@$(PYTHON_RUN) coverage combine --quiet
	@$(PYTHON_RUN) coverage report --fail-under=85
	@$(PYTHON_RUN) coverage report --include='core/*' --fail-under=95
endif
	@$(BIN)/python .ci/count_tests.py $(JUNIT)

.PHONY: check
check: $(STAMP) ## lint, format, types, and the floors between packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: notebooks
notebooks: $(STAMP) ## execute the notebooks over results/reference (ARGS="--run DIR": another run; --check: write nothing)
	@$(PYTHON_RUN) loadtests.analysis.notebooks $(ARGS)

.PHONY: faults
faults: $(STAMP) ## kill servers and Redis, stall and cut peers: the full table, about 20 minutes (make test has a short form)
	@$(PYTHON_RUN) tests.faults --full --out results/reference/faults.json $(ARGS)

.PHONY: bench
bench: $(STAMP) ## is the instrument true and cheap here; how close is the fan-out to the kernel's floor (about 20 minutes)
	@$(BIN)/rtlab calibrate
	@$(PYTHON_RUN) loadtests.calibration.cost
	@$(PYTHON_RUN) loadtests.bench $(ARGS)

.PHONY: lock
lock: $(STAMP) ## pin what pyproject.toml asks for, one version for all Pythons (ARGS=--upgrade: the newest)
	@$(BIN)/uv --quiet pip compile pyproject.toml --group dev --universal --fork-strategy fewest --no-header \
		--output-file requirements.lock $(ARGS)
