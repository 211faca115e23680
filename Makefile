# `make` alone prints this help. Each target does its own set-up; the second time it is quick.
PYTHON ?= python3
BIN := .venv/bin/python
TUOPIN := $(BIN) -m stack
PYTEST_ARGS ?=
# Empty = off: without cached bytecode every process of the stack would compile its imports anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test up down status logs clean check bench prove lock

help: ## print this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: ## environment, locked packages, Kafka's jars (the targets below do it themselves)
	@$(PYTHON) stack/bootstrap.py

demo: setup ## a county's register through the whole loop, in a practice stack of its own
	@$(TUOPIN) demo

test: setup ## every test, on real PostgreSQL, Kafka and Envoy
	@$(BIN) -m pytest $(PYTEST_ARGS)

up: setup ## start the stack and leave it running
	@$(TUOPIN) up

down: setup ## stop it in order
	@$(TUOPIN) down

status: setup ## processes, ports, memory, queues
	@$(TUOPIN) status

logs: setup ## the end of every program's log
	@$(TUOPIN) logs

clean: setup ## stop the stack and forget its data (.stack), not the environment
	@$(TUOPIN) clean

check: setup ## formatter, linter, types, import contracts, the house's rules, the compose file
	$(BIN) -m ruff format --check .
	$(BIN) -m ruff check .
	$(BIN) -m mypy
	$(BIN) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(BIN) -m check_jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN) -m pytest -q tests/contracts/test_house.py tests/stack/test_delivery.py

bench: setup ## the named speeds, each as a ratio to a baseline of the same run
	@test -f bench/__main__.py || { echo "make bench: not built in this version"; exit 1; }
	@$(BIN) -m bench

prove: setup ## break each guarantee on purpose and see its test fail; then kill every process while work is under way
	@test -f tests/prove/__main__.py || { echo "make prove: not built in this version"; exit 1; }
	@$(BIN) -m tests.prove
	@$(BIN) -m tests.journeys.pairs

lock: setup ## resolve all dependencies anew, with hashes and without addresses
	@$(BIN) -m stack.locks
