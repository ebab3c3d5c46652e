# Everything from a bare clone: `make bakeoff`. The tests: `make test`. Needs Linux, Python 3.11 or 3.12, no root.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= clip-bakeoff:latest
# FP16 and the CUDA provider need the GPU build of ONNX Runtime; the two cannot be installed side by side.
RUNTIME := $(shell nvidia-smi -L 2>/dev/null | grep -q GPU && echo gpu || echo cpu)
# A version manager's shim may be on the PATH without a Python behind it, so each is tried.
PYTHON := $(shell for python in python3.12 python3.11 python3; do $$python -c '' 2>/dev/null && echo $$python && break; done)

# Where the weights cannot be downloaded, a newcomer still sees everything work; every place a person looks says so.
export PRETRAINED_FALLBACK ?= random

# Half of what the stacks and containers of the tests take is waiting; tests/rings.py deals the suite out.
PYTEST := $(BIN)/pytest --dist loadscope --no-loadscope-reorder --numprocesses

.DEFAULT_GOAL := help
.PHONY: help bakeoff setup up down status bench report preflight image image-test push vast test test-fast mutants chaos fuzz load lint audit clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

bakeoff: setup ## everything: install, start, wait until ready, measure, report, stop
	@scripts/bakeoff.sh

setup: $(VENV)/installed-$(RUNTIME) ## make the virtual environment

$(VENV)/installed-%: uv.lock pyproject.toml scripts/uv.txt scripts/setup.sh
	@scripts/setup.sh "$(PYTHON)" $(VENV) $*
	@touch $@

up: setup ## start the stack in the foreground
	@exec $(BIN)/bakeoff up

down status preflight report: setup ## bakeoff VERB
	@$(BIN)/bakeoff $@

bench: setup ## measure the running stack
	@$(BIN)/bakeoff bench

# Hundreds of Pythons are started, and pytest rewrites each test's file: neither need be done again for every one.
test test-fast: export PYTHONDONTWRITEBYTECODE =

test: setup ## the whole test suite
	@$(PYTEST) 2

test-fast: setup ## the tests that start no stack and no container
	@$(PYTEST) 3 tests/unit tests/browser

mutants: setup ## wrong lines that the tests should notice; ONLY=server/keys.py: of one module, or the name of one mutant
	@$(BIN)/python -m tests.mutation.run $(ONLY)

chaos: setup ## faults under load, at least ten minutes
	@$(BIN)/python -m tests.chaos.run

fuzz: setup ## 100,000 damaged images and requests, images by what they cost, 100,000 connections to 8002, and thousands to each backend
	@$(BIN)/python -m tests.chaos.fuzz

load: setup ## 1.5 times the peak of each backend, five minutes
	@$(BIN)/python -m tests.chaos.load

lint: setup ## ruff, mypy, shellcheck, hadolint, bandit, and that the lock file is up to date
	@$(BIN)/uv lock --check --quiet
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --recursive server bakeoff bench triton_backends model_repository
	@$(BIN)/shellcheck $$(git ls-files '*.sh' .ci/run)
	@$(BIN)/hadolint Dockerfile.step6a-all

audit: setup ## known vulnerabilities of every locked package (asks osv.dev)
	@$(BIN)/uv audit --frozen

image: ## build the image, with docker or podman
	@scripts/image.sh $(IMAGE) $(BUILD_ARGS)

image-test: setup ## build the image on a stand-in for NVIDIA's and run it (podman, root)
	@$(BIN)/pytest tests/image

push: ## push the image that `make image` built
	@$$(docker info >/dev/null 2>&1 && echo docker || echo podman) push $(IMAGE)

vast: setup ## print the commands that rent a GPU from Vast.ai for IMAGE
	@$(BIN)/python -m deploy.vast.commands "$(IMAGE)"

clean: ## remove what was made here: the virtual environment and everything made at run time
	@[ ! -x $(BIN)/bakeoff ] || $(BIN)/bakeoff down
	rm -rf $(VENV) var mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis
