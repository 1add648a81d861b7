# Two commands do everything: `make up` and `make test`. The rest are their parts.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := infra,local,train,serve
ALL_EXTRAS := $(EXTRAS),aws,gcp,azure,kubernetes,rehearse,oscal,dev
STACK ?= demo
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true

.PHONY: help install install-all engine kubernetes cluster up down check test test-cluster rehearse-all drill bench clean constraints

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.installed ## the Python environment of the local stack, by uv if it is there, else venv and pip

$(VENV)/.installed: pyproject.toml constraints.txt
	@infra/install-python $(VENV) "$(EXTRAS)"
	touch $@

install-all: $(VENV)/.installed-all ## the same with the clouds' SDKs, their API models and the tools of developers

$(VENV)/.installed-all: pyproject.toml constraints.txt
	@infra/install-python $(VENV) "$(ALL_EXTRAS)"
	touch $@ $(VENV)/.installed

engine: install ## the Pulumi engine: found, downloaded or built, once
	@$(BIN)/skywright engine install

kubernetes: install-all ## the Kubernetes API server that rehearsals apply to: found, downloaded or built, once
	@$(BIN)/skywright engine install --kubernetes

cluster: install-all ## the same with all that makes workloads run there
	@$(BIN)/skywright engine install --cluster

up: engine ## the local stack, end to end: declared, trained, approved, served, released, rolled back
	@$(BIN)/skywright demo --stack $(STACK)

down: install ## stop all of it; data stays
	@$(BIN)/skywright down --stack $(STACK) --yes

check: install-all ## formatter, linter, types, import arrows
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: install-all engine kubernetes check ## everything that must hold, on this machine
	@tests/page/install-browser
	$(BIN)/pytest tests -m "not drill and not cluster and not alone" \
	  --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
	$(BIN)/pytest tests/ml_jobs/runtime tests/ml_jobs/router -m alone

test-cluster: install-all cluster ## queues and quotas, with workloads that run to completion
	@$(BIN)/pytest tests -m cluster

rehearse-all: install-all engine kubernetes ## the whole life of every example stack, faults included, on the real engine
	@rehearse() {
	  local status=0 told
	  told=$$($(BIN)/skywright rehearse "$$1" --faults 2>&1) || status=1
	  printf '== %s\n%s\n' "$$1" "$$told"
	  return $$status
	}
	export -f rehearse
	grep -L '^  skywright:cloud: local' stacks/Pulumi.*.yaml | sed -E 's|.*/Pulumi\.(.*)\.yaml|\1|' |
	  xargs -P 2 -I STACK $(SHELL) -c 'rehearse STACK'

drill: install-all engine ## 200 kills: nothing may be lost
	@$(BIN)/pytest tests/drill -m drill -s

bench: install-all engine kubernetes ## timings, as ratios within one run
	@missed=0
	for script in tests/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || missed=1; done
	exit $$missed

constraints: ## compile the exact versions anew (needs uv)
	@uv pip compile -q pyproject.toml --python-version 3.11 --all-extras --no-header --no-annotate --no-emit-index-url \
	  -c <(echo 'pulumi==3.259.0') -o constraints.txt

clean: ## remove what was built here; stacks' data stays
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
