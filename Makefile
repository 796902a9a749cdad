# Everything runs in .venv, built from requirements/*.lock; `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help up down test lint fix check bench acceptance lock clean env env-test
SHELL := /bin/bash

PROFILE ?=
ANSWERS ?=
PORT ?=
# A profile with engines in pool gpu, its own or of the one it extends, takes CUDA builds and an environment of its own.
LOCK ?= $(shell requirements/lock-of.sh $(PROFILE))
VENV := $(if $(filter gpu,$(LOCK)),.venv-gpu,.venv)
BIN := $(VENV)/bin
BOOT := $(or $(shell command -v python3),$(PYTHON))
ENVIRONMENT := PYTHON=$(PYTHON) $(BOOT) requirements/environment.py

# What only computes runs beside what real systems are waited for in (tests/beside.py).
COMPUTING := $(wildcard tests/unit tests/architecture tests/sim tests/engines)
WAITING := $(wildcard tests/shells tests/ray tests/models tests/acceptance)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/:[^#]*## /\t/' | expand -t 14

env:
	@$(ENVIRONMENT) $(VENV) $(LOCK)

env-test:
	@$(ENVIRONMENT) $(VENV) $(LOCK) test

up: env  ## install, fetch weights, start; PROFILE=gpu|FILE for another profile than cpu, PROFILE=replay ANSWERS="FILE...", PORT=8001
	@$(BIN)/weavergen up $(if $(PROFILE),--profile $(PROFILE)) $(foreach file,$(ANSWERS),--answers $(file)) $(if $(PORT),--port $(PORT))

down:  ## stop what up started
	@for environment in $(VENV) .venv .venv-gpu; do \
	  if $$environment/bin/weavergen --help >/dev/null 2>&1; then \
	    $$environment/bin/weavergen down || [ $$? -eq 3 ]; exit $$?; fi; done; \
	if [ -e "$${WEAVERGEN_HOME:-var}/run/session.json" ]; then \
	  echo "no whole environment to stop $${WEAVERGEN_HOME:-var} with: run \`make env\`, then \`make down\`" >&2; exit 1; fi; \
	echo "no whole environment, and nothing was left running"
# Either environment ends it, whichever it was started from. 3: it was not running.

test: env-test  ## run every test
	@$(BIN)/python -m pytest -p tests.beside $(COMPUTING:%=--beside=%) $(WAITING)

lint: env-test  ## formatting, ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/mypy requirements/environment.py
	@$(BIN)/lint-imports

fix: env-test  ## let ruff repair what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

check: lint  ## lint and unit tests, in under a minute
	@$(BIN)/python -m pytest tests/unit tests/architecture

bench: env-test  ## measure against peers, write docs/benchmarks.md
	@$(ENVIRONMENT) .cache/bench/litellm bench
	@$(BIN)/python -m cluster.bench
	@$(BIN)/python -m cluster.bench.breakers
	@$(BIN)/python -m cluster.bench.cloud
	@$(BIN)/python -m cluster.bench.code
	@$(BIN)/python -m cluster.bench.ingest
	@$(BIN)/python -m cluster.bench.learning
	@$(BIN)/python -m cluster.bench.log_verify
	@$(BIN)/python -m cluster.bench.sandbox
	@$(BIN)/python -m cluster.bench.screening --half held-out --page docs/benchmarks.md
	@$(BIN)/python -m cluster.bench.footprint

acceptance: env-test  ## run one long campaign: make acceptance NAME=…
	@test -n "$(NAME)" || { echo "say which: make acceptance NAME=…" >&2; exit 2; }
	@if [ "$(NAME)" = spike ]; then $(ENVIRONMENT) .cache/bench/litellm bench; fi
	@$(BIN)/python -m cluster.acceptance "$(NAME)"
# spike measures LiteLLM beside us.

lock:  ## resolve requirements/*.in anew; needs uv
	@requirements/lock.sh

clean: down  ## remove environments, caches and builds; var/ (keys, records, weights) stays
	@for file in /proc/[0-9]*/cmdline; do \
	  { IFS= read -r -d '' program <$$file; } 2>/dev/null || continue; \
	  case "$$program" in "$(CURDIR)"/.venv*) \
	    echo "process $${file//[^0-9]/} runs from $$program: end it first (weavergen down --home DIR)" >&2; exit 1;; esac; done
	@rm -rf .venv .venv-gpu .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
