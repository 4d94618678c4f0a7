# What people who run or develop Call Events type. `make` alone says what there is.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CHECKS := check-types check-migrations check-rules check-templates
# Given to pytest, for example: make test ARGS='-k toggle'.
ARGS :=

# In an empty environment there is not even a PATH.
export PATH := $(or $(PATH),/usr/local/bin:/usr/bin:/bin)

.DEFAULT_GOAL := help
.PHONY: help install run test test-quick test-sip coverage faults fuzz bench check $(CHECKS) format

help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed ## Install what it needs into .venv, and start nothing

run: $(VENV)/installed ## Install and start everything on this machine; Ctrl-C stops it
	@$(BIN)/python app.py

test: $(VENV)/installed-dev ## Run all tests, on SQLite and PostgreSQL and in a browser
	@.ci/test $(BIN) $(ARGS)

test-quick: $(VENV)/installed-dev ## Run the tests that take no seconds, on SQLite: no browser, no processes
	@.ci/test $(BIN) quick $(ARGS)

test-sip: $(VENV)/installed-dev ## Make real SIP calls through Kamailio with sipp
	@.ci/test $(BIN) tests/sip $(ARGS)

# On its own, because it makes the tests take three times as long.
coverage: $(VENV)/installed-dev ## Run all tests and say which lines none of them runs
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n logical --maxprocesses 4 --dist loadfile $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

faults: $(VENV)/installed-dev ## Kill and break everything under load, and count what arrives
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m tests.faults $(ARGS)

fuzz: $(VENV)/installed-dev ## Feed a million spoilt messages to each reader; ARGS='--messages 20000'
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m tests.fuzz $(ARGS)

bench: $(VENV)/installed-bench ## Measure this and others side by side; ARGS='--seconds 8 --runs 1'
	@$(BIN)/python -W 'ignore:XDG_RUNTIME_DIR' -m bench $(ARGS)

check: $(CHECKS) ## Check format, rules, types, imports, templates and migrations

# Apart, so that `make -j check` does them side by side.
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

format: $(VENV)/installed-dev ## Bring code and templates into their format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djlint --reformat --quiet templates

$(VENV)/installed: requirements.txt | $(BIN)/python
	@echo 'Installing what Call Events needs ...'
	@$(PIP) install -qq --requirement requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@echo 'Installing what the checks and the tests need ...'
	@$(PIP) install -qq --requirement requirements-dev.txt
	@touch $@

$(VENV)/installed-bench: requirements-bench.txt $(VENV)/installed-dev
	@echo 'Installing what the benches need ...'
	@$(PIP) install -qq --requirement requirements-bench.txt
	@touch $@

$(BIN)/python:
	@.ci/make-venv $(VENV)
