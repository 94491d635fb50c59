# The two commands that matter: `make demo` shows the product, `make test` proves it.
PY := .venv/bin/python
ARGS ?=

UV ?= uv
PIN := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url

# Where it is set, every process that a test starts compiles anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench docs proto lock format setup test-setup clean

# A hub, three agents and a Git repository on this machine, and what a commit does. ARGS=--help tells the options.
demo: setup
	@$(PY) -m demo $(ARGS)

# Everything: unit, contract, integration on a real control plane, real Git, Helm, Kustomize, PostgreSQL and TLS.
test: setup
	@$(PY) -m tests.lint
	@$(PY) -m tests.setup
	$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# Format, rules, types, import rules, generated code, unit tests: under a minute.
check: setup
	@$(PY) -m tests.lint
	$(PY) -m pytest -n 4 --dist worksteal -q -m "not controlplane and not postgres and not slow" --hypothesis-profile=quick $(ARGS)

# Measures the hub and the agent, and writes the figures into docs/performance.md.
bench: setup
	@$(PY) -m tests.benchmarks $(ARGS)

# What of docs/ and deploy/agent is made from the code.
docs: setup
	@$(PY) -m hub.cli.docs
	@$(PY) -m hub.cli.agent_objects
	@$(PY) -m tests.docs.reference

# The Python code of the wire contract, from proto/**/*.proto.
proto: setup
	@$(PY) -m tests.protocompile

# The pins of everything in pyproject.toml, and of what the two images hold. ARGS=--upgrade moves them. Needs uv:
# `pip install uv`, and UV=PATH where it is not on PATH.
lock:
	$(PIN) pyproject.toml --group dev --output-file requirements.lock $(ARGS)
	$(PIN) pyproject.toml --constraints requirements.lock --output-file deploy/hub.lock
	$(PIN) deploy/agent.in --constraints requirements.lock --output-file deploy/agent.lock

format: setup
	@$(PY) -m ruff check --fix --exit-zero --quiet .
	@$(PY) -m ruff format --quiet .

# .venv as requirements.lock says. PYTHON=/path/to/python3 chooses the interpreter.
setup:
	@tests/environment.sh

# What the tests need beyond Python: the control plane, PostgreSQL, Git, an SSH server.
test-setup: setup
	@$(PY) -m tests.setup

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
