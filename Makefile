# Targets for operators and developers. `make` lists them.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CHECKS := check-types check-migrations check-rules check-templates check-requirements
# Arguments for pytest and the other programs, for example: make test ARGS='-k toggle'.
ARGS :=

# In an empty environment there is not even a PATH.
export PATH := $(or $(PATH),/usr/local/bin:/usr/bin:/bin)

.DEFAULT_GOAL := help
.PHONY: help install run test test-quick test-sip test-receivers coverage faults fuzz contract hostile bench check $(CHECKS) format lock sbom

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed ## Install the dependencies into .venv; start nothing

run: $(VENV)/installed ## Install and start everything on this machine; Ctrl-C stops it
	@$(BIN)/python app.py

test: $(VENV)/installed-dev ## Run all tests on SQLite and PostgreSQL and in a browser
	@.ci/test $(BIN) $(ARGS)

test-quick: $(VENV)/installed-dev ## Run the tests that take no seconds, on SQLite: no browser, no processes
	@.ci/test $(BIN) quick $(ARGS)

test-sip: $(VENV)/installed-dev ## Make real SIP calls through Kamailio with sipp
	@.ci/test $(BIN) tests/sip $(ARGS)

# Installs the receivers, which takes a minute at first. In the folder real, all files are tests.
test-receivers: $(VENV)/installed-dev ## Send the requests of recipes to real receivers: Node-RED
	@$(BIN)/python -m pytest -o python_files='*.py' tests/recipes/real $(ARGS)

# A separate target, because the tests take three times as long.
coverage: $(VENV)/installed-dev ## Run all tests and list the lines that no test runs
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

faults: $(VENV)/installed-dev ## Kill processes and break connections under load; check that no event is lost
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m tests.faults $(ARGS)

fuzz: $(VENV)/installed-dev ## Feed a million malformed messages to each parser; ARGS='--messages 20000'
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m tests.fuzz $(ARGS)

contract: $(VENV)/installed-dev ## Check the management API against its document with many examples
	@CALLEVENTS_CONTRACT_EXAMPLES=100 $(BIN)/python -m pytest tests/api/v1/test_contract.py $(ARGS)

hostile: $(VENV)/installed-dev ## Attack a running instance over raw sockets; check that nothing gives way
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m tests.hostile $(ARGS)

bench: $(VENV)/installed-bench ## Compare throughput with other systems; ARGS='--seconds 8 --runs 1'
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m bench $(ARGS)

check: $(CHECKS) ## Check format, rules, types, imports, templates, migrations and locked requirements

# Separate targets, so `make -j check` runs them in parallel.
check-rules: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

check-types: $(VENV)/installed-dev
	$(BIN)/mypy

check-templates: $(VENV)/installed-dev
	$(BIN)/djlint --check templates
	$(BIN)/djlint --lint templates

check-migrations: $(VENV)/installed-dev
	$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' .ci/check_migrations.py

check-requirements: $(VENV)/installed-dev
	@.ci/check-requirements $(BIN)

lock: $(VENV)/installed-dev ## Lock the requirements after a change in *.in; ARGS=--upgrade for new releases
	@.ci/lock $(BIN) . $(ARGS)

sbom: $(VENV)/installed-dev ## Write the locked packages to sbom.cdx.json (CycloneDX)
	@$(BIN)/cyclonedx-py requirements requirements.txt --output-reproducible --output-file sbom.cdx.json
	@echo 'Wrote sbom.cdx.json.'

format: $(VENV)/installed-dev ## Format code and templates
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djlint --reformat --quiet templates

$(VENV)/installed: requirements.txt | $(BIN)/python
	@echo 'Installing the dependencies ...'
	@$(PIP) install -qq --require-hashes --requirement requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo 'Installing the dependencies of checks and tests ...'
	@$(PIP) install -qq --require-hashes --requirement requirements-dev.txt
	@touch $@

$(VENV)/installed-bench: requirements-bench.txt $(VENV)/installed-dev
	@echo 'Installing the dependencies of the benchmarks ...'
	@sed -n '/==.* \\$$/ { s/\[.*\]//; s/ \\$$//; p; }' requirements-dev.txt >$(VENV)/locked-versions
	@$(PIP) install -qq --constraint $(VENV)/locked-versions --requirement requirements-bench.txt
	@touch $@

$(BIN)/python:
	@.ci/make-venv $(VENV)
