# From a fresh clone: `make demo` shows what Gatekeeper does, `make test` proves it. Nothing is installed outside the
# clone, except system packages when root has apt; otherwise the one command to run is named.

SHELL := bash
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check install
NPM := npm ci --silent --no-audit --no-fund

.PHONY: help demo test bench check lint types imports setup clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/demo.done node_modules/done  ## play the whole story on six real sites (KEEP=1 leaves them running)
	@.ci/system --optional
	@gatekeeper demo

test: setup  ## run the whole test suite; some of it: make test ARGS="tests/policy -x"
	$(if $(ARGS),pytest $(ARGS),.ci/test)

bench: setup  ## measure everything side by side (ONLY=name,… some; FULL=1 the greatest sizes)
	python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(FULL),--full)

check: lint types imports  ## lint, types and import rules

lint: setup  ## ruff, both ways
	ruff check .
	ruff format --check .

types: setup  ## mypy --strict
	mypy

imports: setup  ## which layer may import which
	lint-imports

setup: .venv/dev.done node_modules/done  ## install what tests and checks need
	@.ci/system

clean:  ## remove what was installed into this clone
	rm -rf .venv node_modules

# The system comes first, though its check is no file: a virtual environment may need python3-venv.
.venv/bin/python:
	@.ci/system --optional
	python3 -m venv .venv

.venv/demo.done: pyproject.toml | .venv/bin/python
	$(PIP) -e .
	@touch $@

.venv/dev.done: pyproject.toml | .venv/bin/python
	$(PIP) -e '.[dev]'
	@touch $@ .venv/demo.done

node_modules/done: package-lock.json | .venv/bin/python
	$(NPM)
	@touch $@
