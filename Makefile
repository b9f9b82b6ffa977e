# Every target sets up .venv first, if it is not up to date (well under a second).
# ARGS goes to the tool behind the target: make test ARGS='-k lineage -x'

PY := .venv/bin/python

# Container images like to set it, and then each process compiles what it imports: half the time of collecting the tests.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run notebook test test-all quick check bench year reference pictures site lock clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):.*##(.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## Python 3.11 environment in .venv, exactly as locked
	@bash requirements/setup.sh

run: setup  ## the whole pipeline on the New York flights of 2013
	@.venv/bin/longhaul run $(ARGS)

notebook: setup  ## JupyterLab on notebooks/: schema review, model analysis, suspect labels, lineage
	@cd notebooks && ../.venv/bin/jupyter-lab --config=jupyter_config.py $(ARGS)

test: setup  ## the tests that every change needs, in two processes (ARGS='--shuffle 7' for a random order)
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not long' $(ARGS)

test-all: setup  ## the others: a kill at every moment, databases, browser, clusters, the image, whole runs
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m long $(ARGS)

quick: setup  ## the tests that need no training and no extra program
	@$(PY) -m pytest -m 'not slow and not long' $(ARGS)

check: setup  ## lint, format, types, and whether the reference of settings is fresh
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m bench.reference --check

bench: setup  ## stock TFX and Longhaul side by side, for hours (ARGS='--sizes 1x --pairs 1' for less)
	@$(PY) -m bench.compare $(ARGS)

year: setup  ## examples/year: policies of training anew on the flights of 2013, and their picture
	@$(PY) -m pipeline.cli replay --from 2013-04-01 --to 2013-12-29 --policy examples/year/policies.yaml -o examples/year
	@$(PY) -m examples.year.figure

reference: setup  ## docs/configuration.md and the JSON schema, from the docstrings of the settings
	@$(PY) -m bench.reference $(ARGS)

pictures: setup  ## the pictures and the time in README.md, from the last `make run`
	@$(PY) -m bench.pictures $(ARGS)

site: setup  ## the documentation as a site: build/site/index.html; a dead link is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build $(ARGS)

lock:  ## requirements/*.in -> requirements/lock.txt (newest: ARGS=--upgrade)
	@bash requirements/lock.sh $(ARGS)

clean:  ## remove caches and build outputs; keeps .venv and workspace
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
