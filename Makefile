# The two commands that matter: `make demo` shows the product, `make test` proves it.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
ARGS ?=

.PHONY: demo test check bench proto format setup test-setup clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(STAMP)
	@$(PY) -m hub.demo $(ARGS)

# Everything: unit, contract, integration on a real control plane, real Git, Helm, Kustomize, PostgreSQL and TLS.
test: $(STAMP) test-setup
	$(PY) -m tests.lint
	$(PY) -m pytest -n auto $(ARGS)

# What the tests need beyond Python: builds the control plane once, looks for PostgreSQL and sshd.
test-setup: $(STAMP)
	$(PY) -m tests.setup

# Format, lint, types, import rules, generated code, unit tests: under a minute.
check: $(STAMP)
	$(PY) -m tests.lint
	$(PY) -m pytest -n auto -q -m "not controlplane and not postgres and not slow" $(ARGS)

bench: $(STAMP)
	$(PY) -m tests.benchmarks $(ARGS)

proto: $(STAMP)
	$(PY) -m tests.protocompile

format: $(STAMP)
	$(VENV)/bin/ruff check --fix --exit-zero .
	$(VENV)/bin/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
