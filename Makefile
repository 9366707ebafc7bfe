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
# With these variables Python might import, and measure, another checkout.
unexport PYTHONPATH PYTHONHOME
# If the caller's shell forbids bytecode files, each process compiles every module it imports.
export PYTHONDONTWRITEBYTECODE :=

# The stamp holds the folder's path: a venv whose folder was moved, or whose Python is gone, is made anew.
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
compare: $(STAMP) ## measure the transports on this machine: a table and a report, about 4 minutes
	@$(BIN)/rtlab compare $(ARGS)

# Five test processes keep two cores busy, since servers and clients wait for each other.
TEST_PROCESSES := 5
MEASURED := tests/core tests/transports  # by `coverage`; `make test BUT=measured` runs all others
DEPLOYING := $(PYTHON_RUN) pytest --deployments=full tests/deployments/test_deployments.py

.PHONY: test
test: $(STAMP) ## run every test
	@.ci/install-test-programs
	@.ci/install-test-servers
ifdef ARGS
	@rm -rf $(JUNIT)
	@$(PYTHON_RUN) pytest --junitxml=$(JUNIT)/part.xml $(ARGS)
else
	@.ci/run-pytest $(JUNIT) $(TEST_PROCESSES) $(PYTHON_RUN) pytest $(if $(filter measured,$(BUT)),$(addprefix --ignore=,$(MEASURED)))
endif
	@$(BIN)/python .ci/count_tests.py $(JUNIT)

# Branches included, and the servers that tests start. The whole suite takes half as long again when it is measured.
.PHONY: coverage
coverage: $(STAMP) ## the servers' own tests, measured: core/ must be covered to 95 %, transports/ to 85 % (ARGS=tests: all of it)
	@.ci/install-test-programs
	@$(PYTHON_RUN) coverage erase
	@.ci/run-pytest $(JUNIT)/coverage $(TEST_PROCESSES) $(PYTHON_RUN) coverage run --concurrency=thread -m pytest \
		$(or $(ARGS),$(MEASURED)) || { $(PYTHON_RUN) coverage erase; exit 1; }
	@$(PYTHON_RUN) coverage combine --quiet
	@$(PYTHON_RUN) coverage report $(if $(ARGS),--fail-under=85,--include='transports/*' --fail-under=85)
	@$(PYTHON_RUN) coverage report --include='core/*' --fail-under=95

# It shows whether anything is lost over TLS. Coverage is measured by `coverage`.
# Which tokens and origins are refused has nothing to do with TLS.
WHATEVER_CARRIES_IT := $(addprefix --ignore=tests/contracts/,test_tokens.py test_origins.py test_document.py test_kit.py)
OVER_TLS := $(PYTHON_RUN) pytest --tls $(WHATEVER_CARRIES_IT) tests/contracts tests/faults/test_quick.py

.PHONY: tls
tls: $(STAMP) ## the contract suite with its fuzz, and the quick faults, over https and wss: nothing may be lost
	@.ci/install-test-programs
	@.ci/run-pytest $(JUNIT)/tls $(TEST_PROCESSES) $(OVER_TLS) $(ARGS)
	@$(BIN)/python .ci/count_tests.py $(JUNIT)/tls

# In a copy without the fast path, so that no process of the run can import it.
PORTABLE_TREE := $(CURDIR)/.portable
WITHOUT_DIRECT := cd $(PORTABLE_TREE) && PYTHONPATH=$(PORTABLE_TREE)
PORTABLE := $(CURDIR)/$(PYTHON_RUN) pytest --fanouts=portable tests/contracts tests/faults/test_quick.py

.PHONY: portable
portable: $(STAMP) ## contracts, quick faults and a quick comparison in a copy without transports/direct: all works, slower
	@.ci/install-test-programs
	@.ci/portable-tree $(PORTABLE_TREE)
	@$(WITHOUT_DIRECT) $(CURDIR)/.ci/run-pytest $(CURDIR)/$(JUNIT)/portable $(TEST_PROCESSES) $(PORTABLE) $(ARGS)
	@$(BIN)/python .ci/count_tests.py $(JUNIT)/portable
	@$(WITHOUT_DIRECT) $(CURDIR)/.ci/compare-quick $(CURDIR)/$(BIN)

# The contract suite over Redis, on both fan-outs: what hangs most on where rooms are kept. FULL=1: all of it.
ON_ROOMS := $(addprefix /test_,$(addsuffix .py,delivery fuzz half_closed polls presence restart resume slow_consumers))
OVER_REDIS := $(PYTHON_RUN) pytest --backplanes=redis --fanouts=direct,portable \
	$(addprefix tests/contracts,$(if $(FULL),/,$(ON_ROOMS)))

# What make test, and the contract suite here, start is the first Redis on the path, or else requirements.lock's: 6.2.
.PHONY: redis
redis: $(STAMP) ## contracts and fuzz over Redis (FULL=1: all), the backplane on Redis 7, 8 and Valkey, which it brings
	@.ci/on-each-redis $(JUNIT)/redis $(TEST_PROCESSES) $(PYTHON_RUN) pytest tests/core/backplane $(ARGS)
	@.ci/run-pytest $(JUNIT)/redis/contracts $(TEST_PROCESSES) $(OVER_REDIS) $(ARGS)
	@$(BIN)/python .ci/count_tests.py $(JUNIT)/redis

.PHONY: check
check: $(STAMP) ## lint, format, types, and the floors between packages
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: notebooks
notebooks: $(STAMP) ## execute the notebooks over results/reference (ARGS="--run DIR": another run; --check: write nothing)
	@$(PYTHON_RUN) loadtests.report.notebooks $(ARGS)

.PHONY: faults
faults: $(STAMP) ## kill servers and Redis, stall and cut peers: the full table, about 20 minutes (make test has a short form)
	@$(PYTHON_RUN) tests.faults --full --out results/reference/faults.json $(ARGS)

.PHONY: deployments
deployments: $(STAMP) ## every ASGI server, TLS, event loop and fan-out: about 4 minutes; writes the table of docs/deployment.md
	@.ci/install-test-programs
	@.ci/install-test-servers
	@$(DEPLOYING) --numprocesses=2 --junitxml=$(JUNIT)/4-deployments.xml $(ARGS) \
		|| { [[ $$? == 1 ]] && $(DEPLOYING) --last-failed --junitxml=$(JUNIT)/5-deployments-again.xml; }
	@$(PYTHON_RUN) tests.deployments

.PHONY: field
field: $(STAMP) ## each transport behind five proxies: under 4 minutes; writes a part of docs/deployment.md
	@.ci/install-boxes
	@$(BIN)/rtlab run middleboxes $(ARGS)
	@$(PYTHON_RUN) loadtests.evidence.middleboxes

.PHONY: targets
targets: $(STAMP) ## Socket.IO, SockJS, FastAPI, nchan and others beside ours, in one run: at most 5 minutes
	@.ci/install-test-programs pushpin
	@$(PYTHON_RUN) tests.targets $(ARGS)
	@[[ "$(ARGS)" == *--own-client* ]] || $(PYTHON_RUN) tests.targets.protocols

.PHONY: calibrate
calibrate: $(STAMP) ## is the instrument true on this machine, and what does it cost itself: at most 10 minutes
	@$(BIN)/rtlab calibrate $(ARGS)
	@$(PYTHON_RUN) loadtests.evidence.calibration.cost

.PHONY: bench
bench: $(STAMP) ## what a message costs the servers, beside other libraries and the kernel's floor: at most 20 minutes
	@$(PYTHON_RUN) loadtests.evidence.bench $(ARGS)

.PHONY: lock
lock: $(STAMP) ## pin what pyproject.toml asks for, one version for all Pythons (ARGS=--upgrade: the newest)
	@$(BIN)/uv --quiet pip compile pyproject.toml --group dev --universal --fork-strategy fewest --no-header \
		--output-file requirements.lock $(ARGS)
	@$(BIN)/uv --quiet pip compile --group deployments --constraint requirements.lock --universal \
		--fork-strategy fewest --no-header --output-file requirements-deployments.lock $(ARGS)
