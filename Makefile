# `make book` and `make test` are all that a fresh machine needs; `make help` lists the rest.
# Both work in .venv, which they make, with the versions of constraints.txt.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt # /dev/null: the newest versions that pyproject.toml allows

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)

# What another environment left in the shell must not reach into this one.
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

.PHONY: book preview pdf notebooks check-site check-claims test test-gpu soak twice retest lab serve bench bench-losses dist release next clean help

JOBS ?= 1# chapters at a time, on a part of the cores each

book: .venv/ready ## build the book: execute the chapters that are not fresh, publish the site (JOBS=2)
	@$(BIN)/superpos build --jobs $(JOBS)

test: .venv/ready ## check style, formatting and types, run the tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(BIN)/python -m pytest -n 2

preview: .venv/ready ## build the site from quick runs, whose verdicts do not count, into _build/quick/html
	@$(BIN)/superpos build --quick

pdf: .venv/ready ## print the built book into one PDF, _build/superpos.pdf, with Chromium (minutes)
	@$(BIN)/superpos pdf

notebooks: ## put the built book's executed notebooks on a branch of their own, for Colab; pushes nothing
	@bash .ci/notebooks

check-claims: .venv/ready ## compare the verdicts of the built book with those that are expected
	@$(BIN)/superpos claims --check

check-site: .venv/ready ## read every page of the built book in Chromium, as a reader would (minutes)
	@$(BIN)/python -m pytest -m site -n 2 --dist worksteal tests/site

test-gpu: .venv/ready ## run the tests that need a GPU (skipped where there is none)
	@$(BIN)/python -m pytest -m gpu tests -rs

SOAK ?= 600# seconds for which Dask's workers are killed at random

soak: .venv/ready ## odd arguments, workers killed for SOAK=600 seconds, chapters at their low ends
	@SUPERPOS_SOAK=$(SOAK) $(BIN)/python -m pytest -m soak -n 2 tests/inputs tests/soak

twice: .venv/ready ## build the site twice from nothing and compare, byte for byte (QUICK=--quick)
	@$(BIN)/python .ci/twice.py $(QUICK)

ONE_IN ?= 1# claims of a chapter, drawn by the commit, are measured alone

retest: .venv/ready ## measure every claim alone, and compare with its chapter (quick runs; ONE_IN=3)
	@# one thread each and the hash seed of the notebooks' kernels: sums are rounded alike; and one
	@# core each, since there are two at a time
	@SUPERPOS_ONE_IN=$(ONE_IN) SUPERPOS_CORES=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1 \
	  PYTHONHASHSEED=0 $(BIN)/python -m pytest -m slow -n 2 --dist worksteal tests

lab: .venv/ready-lab ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

serve: .venv/ready ## serve the built book on this machine
	@$(BIN)/superpos serve

DEVICE ?= cpu

bench: .venv/ready ## time training as published and as here, and sweeps, for the README's table (DEVICE=cuda)
	@$(BIN)/python benchmarks/bench.py --device $(DEVICE)
	@$(BIN)/python benchmarks/sweeps.py
	@$(BIN)/python benchmarks/results.py

bench-losses: .venv/ready ## compare the losses of both procedures, for the same table (half an hour)
	@$(BIN)/python benchmarks/bench.py --losses --device $(DEVICE)
	@$(BIN)/python benchmarks/results.py

dist: .venv/ready-release ## build wheel and source distribution, check them, try them in an empty environment
	@$(BIN)/python .ci/release.py --dist

release: .venv/ready-release ## dry run of a release: what keeps this from being one, then as dist; publishes nothing
	@$(BIN)/python .ci/release.py

next: .venv/ready ## try the built book under Jupyter Book 2, in a throwaway copy (needs Node.js and the network)
	@bash .ci/next

clean: ## remove what the build made, but not the environment
	@if [ -x $(BIN)/superpos ]; then $(BIN)/superpos clean --all; else rm -rf _build book/executed; fi

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

# An environment is made anew if it was never finished, if it was made in another folder (its
# commands hold their path), or if its Python is gone.
FOUND := import sys, importlib.util as u; sys.exit(not u.find_spec("superpos"))
ifneq ($(shell $(BIN)/python -c '$(FOUND)' 2>/dev/null && cat .venv/ready),$(CURDIR))
MAKE_ANEW := yes
.PHONY: .venv/ready
endif

define TOO_OLD
import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "superpos needs Python 3.11 or newer, and $(PYTHON) is %d.%d: name another, as in make $(MAKECMDGOALS) PYTHON=python3.12" % v[:2])
endef

.venv/ready: pyproject.toml constraints.txt
ifdef MAKE_ANEW
	@command -v "$(PYTHON)" >/dev/null || { echo "there is no $(PYTHON): superpos needs Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c '$(TOO_OLD)'
	@echo "making the environment in .venv, which takes a few minutes"
	@"$(PYTHON)" -m venv --clear .venv
else
	@echo "bringing the environment in .venv up to date"
endif
	@$(INSTALL) -e ".[book,cluster,test]"
	@echo "$(CURDIR)" > $@

.venv/ready-release: .venv/ready
	@echo "installing what releases are checked with into .venv"
	@$(INSTALL) -e ".[book,cluster,test,release]"
	@touch $@

.venv/ready-lab: .venv/ready
	@echo "installing JupyterLab into .venv"
	@$(INSTALL) -e ".[book,cluster,lab,test]"
	@# A double click opens a chapter as a notebook, not as text.
	@$(BIN)/jupytext-config --settings-file .venv/share/jupyter/lab/settings/overrides.json \
	  set-default-viewer markdown
	@touch $@
