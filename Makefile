# Each target is one command; `make help` lists them.
#
#   PYTHON  the interpreter that makes the environment (3.11 or later)
#   VENV    where the environment is made
#   DEMO    where `make run` works
#   CONFIG  a project of llamafactory_configs/, for train, export, chat, serve, evaluate, plan, push-model and
#           release, and for train-, export- and release-remote
#   DATASET a dataset of dataset_registry/, for push-dataset
#   TO      USER/NAME on the Hugging Face Hub, for push-model, push-dataset, release and release-remote
#   ARGS    for pytest, in unit, real, remote and tests (-k pods, -x); for down (--now, --all)
#   POD     a pod file of runpod/ (l4, rtx4090 …) or ssh://user@host:port/folder, for the targets on -remote, webui,
#           push, pull and down
#
# Some names mean other things than the command of that name: make push and pull sync a pod (millhand sync), millhand
# push and pull are the Hub's; make check runs the tests (make preflight is millhand check); make docs writes the
# command reference; make data builds the shipped dataset anew.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
DEMO   ?= demo
CONFIG ?=
ARGS   ?=
DATASET ?=
TO     ?=
POD    ?= l4
BIN    := $(VENV)/bin
# Tests call make themselves: not with this one's flags.
PYTEST  = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u ARGS $(BIN)/pytest

.DEFAULT_GOAL := help
.PHONY: help run test check preflight lint types contracts unit real remote tests docs bench install dev doctor data \
        train export chat serve evaluate plan train-remote export-remote webui push-model push-dataset release \
        release-remote push pull down cost clean distclean

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/.installed  ## a spreadsheet becomes a model that answers, on this machine, in ./demo
	$(BIN)/millhand demo $(DEMO)

test: check      ## all that CI runs (the same as check)

check: lint types contracts tests  ## format, lint, types, layers, tests; of configs and data: preflight

lint: $(VENV)/.dev       ## ruff: format and rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev      ## mypy, strict; once more as Windows sees the client
	$(BIN)/mypy
	$(BIN)/mypy src --platform win32 --no-warn-unreachable --cache-dir .mypy_cache/win32

contracts: $(VENV)/.dev  ## import-linter: imports point one way
	$(BIN)/lint-imports

unit: $(VENV)/.dev       ## the fast tests only
	$(PYTEST) tests/unit $(ARGS)

real: $(VENV)/.dev       ## the tests with the real llamafactory-cli and a browser
	MILLHAND_TESTS=all $(PYTEST) tests/integration tests/browser --ignore tests/integration/pods $(ARGS)

remote: $(VENV)/.dev     ## the tests with a real sshd, and the trainer behind it
	MILLHAND_TESTS=all $(PYTEST) tests/integration/pods $(ARGS)

# Two at once: they wait as much as they compute. Where make can, each prints when it is done.
tests: $(VENV)/.dev      ## every test
	+@$(MAKE) --no-print-directory --jobs=2 --keep-going \
	  $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) unit real remote

docs: $(VENV)/.dev       ## write the command reference anew
	$(BIN)/python -m millhand.cli.reference docs/commands.md

bench: $(VENV)/.dev      ## measure, each figure beside a named peer's
	$(BIN)/python -m benchmarks.data_add
	$(BIN)/python -m benchmarks.start_up
	$(BIN)/python -m benchmarks.ssh
	$(BIN)/python -m benchmarks.documents
	$(BIN)/python -m benchmarks.steps_clean
	$(BIN)/python -m benchmarks.data_build
	$(BIN)/python -m benchmarks.dart
	$(BIN)/python -m benchmarks.check
	$(BIN)/python -m benchmarks.remote_run
	$(BIN)/python -m benchmarks.hub

install: $(VENV)/.installed  ## the environment that trains, in $(VENV)
dev: $(VENV)/.dev            ## the same, with what the tests need

preflight: $(VENV)/.installed  ## look through this workspace's configs and datasets
	$(BIN)/millhand check

data: $(VENV)/.documents    ## build the shipped dataset anew of its document, and its report
	$(BIN)/millhand data build security_manual
	$(BIN)/millhand data report security_manual

doctor: $(VENV)/.installed   ## what this machine has and lacks
	$(BIN)/millhand doctor

train: $(VENV)/.installed    ## train CONFIG on this machine
export: $(VENV)/.installed   ## merge CONFIG's adapter into its base
chat: $(VENV)/.installed     ## ask CONFIG's model
serve: $(VENV)/.installed    ## serve CONFIG's model, OpenAI-compatible, on 127.0.0.1
evaluate: $(VENV)/.installed ## count the exact answers of CONFIG's model
plan: $(VENV)/.installed     ## what CONFIG needs on each GPU: memory, time, price

train export chat serve evaluate plan:
	@test -n "$(CONFIG)" || { echo "Say which project: make $@ CONFIG=NAME" >&2; exit 2; }
	$(BIN)/millhand $@ $(CONFIG)

train-remote: $(VENV)/.installed   ## rent POD, train CONFIG there, merge, bring it home, give the pod back
	@test -n "$(CONFIG)" || { echo "Say which project: make $@ CONFIG=NAME" >&2; exit 2; }
	$(BIN)/millhand train $(CONFIG) --pod $(POD) --export

export-remote: $(VENV)/.installed  ## merge CONFIG's last run on POD and bring the model home
	@test -n "$(CONFIG)" || { echo "Say which project: make $@ CONFIG=NAME" >&2; exit 2; }
	$(BIN)/millhand export $(CONFIG) --pod $(POD)

webui: $(VENV)/.installed          ## LLaMA-Factory's WebUI on POD, at http://127.0.0.1:7860
	$(BIN)/millhand ui --pod $(POD)

push-model: $(VENV)/.installed     ## publish CONFIG's last merged model on the Hugging Face Hub as TO, privately
	@test -n "$(CONFIG)" -a -n "$(TO)" || { echo "Say which and where: make $@ CONFIG=NAME TO=USER/NAME" >&2; exit 2; }
	$(BIN)/millhand push model $(CONFIG) --to $(TO)

push-dataset: $(VENV)/.installed   ## publish DATASET on the Hugging Face Hub as TO, privately
	@test -n "$(DATASET)" -a -n "$(TO)" || { echo "Say which and where: make $@ DATASET=NAME TO=USER/NAME" >&2; exit 2; }
	$(BIN)/millhand push dataset $(DATASET) --to $(TO)

# Each step ends the target if it fails; called again, it goes on where it stopped: what is trained and merged
# is not trained again, what the Hub has is not sent again.
release: $(VENV)/.installed        ## check CONFIG, train and merge it, evaluate it, publish it as TO, privately
	@test -n "$(CONFIG)" -a -n "$(TO)" || { echo "Say which and where: make $@ CONFIG=NAME TO=USER/NAME" >&2; exit 2; }
	$(BIN)/millhand check $(CONFIG) --to $(TO)
	$(BIN)/millhand train $(CONFIG) --export
	$(BIN)/millhand evaluate $(CONFIG)
	$(BIN)/millhand push model $(CONFIG) --to $(TO)

# POD is a machine behind SSH, or one that `millhand up` rented; it sends the model itself.
release-remote: $(VENV)/.installed ## the same on POD, which is up
	@test -n "$(CONFIG)" -a -n "$(TO)" || { echo "Say which and where: make $@ CONFIG=NAME TO=USER/NAME" >&2; exit 2; }
	$(BIN)/millhand check $(CONFIG) --to $(TO)
	$(BIN)/millhand train $(CONFIG) --pod $(POD)
	$(BIN)/millhand export $(CONFIG) --pod $(POD) --there
	$(BIN)/millhand evaluate $(CONFIG) --pod $(POD)
	$(BIN)/millhand push model $(CONFIG) --to $(TO) --pod $(POD)

push: $(VENV)/.installed           ## bring the workspace to POD (millhand sync up)
	$(BIN)/millhand sync up --pod $(POD)

pull: $(VENV)/.installed           ## bring what POD has made home (millhand sync down)
	$(BIN)/millhand sync down --pod $(POD)

down: $(VENV)/.installed           ## end POD
	$(BIN)/millhand down $(POD) $(ARGS)

cost: $(VENV)/.installed           ## what pods cost: expected, by the ledger, billed
	$(BIN)/millhand cost

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Millhand needs Python 3.11 or later; say which: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "This Python makes no environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --editable . --constraint constraints.txt
	$(BIN)/millhand install --constraint constraints.txt
	@touch $@

$(VENV)/.documents: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[clean,documents]' --constraint constraints.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/millhand install --webui --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	@touch $@

clean:           ## take away what `make run` and the tools made; the environment stays
	@if [ -d "$(DEMO)" ] && [ -x $(BIN)/millhand ]; then $(BIN)/millhand demo --remove "$(DEMO)"; fi
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## and the environment
	rm -rf $(VENV)
