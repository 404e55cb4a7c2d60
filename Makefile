# The list of commands. `make run` and `make test` work on a fresh machine: they use an environment whose torch already
# imports (PYTHON=... to choose one), else they make .venv and install the locked versions there.

SHELL := /bin/bash
ifndef PYTHON  # looked for once, since that imports torch
PYTHON := $(shell if python3 -c 'import torch, torchvision, hydra, rich, safetensors, scipy, filelock' 2>/dev/null; then echo python3; else echo .venv/bin/python; fi)
endif
TEST_TOOLS = pytest xdist hypothesis mypy ruff bokeh joblib submitit onnxruntime onnxscript sklearn torchmetrics
TEST_READY = $(PYTHON) -c 'import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, sys.argv[1:])))' $(TEST_TOOLS)
# bytecode is written: hundreds of processes read it again
ENV := PYTHONPATH=$(CURDIR) PYTHONDONTWRITEBYTECODE=

# Attacks on what a run promises: a few minutes' worth, and half an hour's; CHAOS="kills --seed 3" chooses.
.PHONY: run test check format bench smoke reproduce ddp chaos chaos-quick lock test-matrix docs docs-look docs-test install install-test install-docs

run: install
	$(ENV) $(PYTHON) -m trainer

test: install-test
	$(ENV) $(PYTHON) -m pytest -q -n 2 --dist worksteal

check: install-test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(ENV) $(PYTHON) -m pytest -q -n 2 --dist worksteal -m "not slow"

format: install-test
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

bench: install
	$(ENV) $(PYTHON) -m scripts.bench $(BENCH)

smoke: install
	$(ENV) $(PYTHON) -m trainer data=synthetic max_steps=5 name=smoke
	$(ENV) $(PYTHON) -m trainer -m data=synthetic max_steps=5 name=smoke seed=0,1

# Every figure and table of the text at a toy size; SCALE=cpu WORDS="data.root=DIR" for the size of two cores.
SCALE ?= smoke
reproduce: install
	$(ENV) $(PYTHON) -m trainer reproduce all --scale $(SCALE) $(WORDS)

ddp: install
	$(ENV) $(PYTHON) -m torch.distributed.run --standalone --nproc-per-node 2 -m trainer strategy=ddp epochs=3 name=ddp

chaos-quick: install-test
	OMP_NUM_THREADS=1 $(ENV) $(PYTHON) -m tests.chaos --quick --processes 2 $(CHAOS)

chaos: install-test
	OMP_NUM_THREADS=1 $(ENV) $(PYTHON) -m tests.chaos --processes 2 $(CHAOS)

# The site, in docs/_build/html; a warning is an error.
docs: install-docs
	$(ENV) $(PYTHON) -m sphinx -b html -n -W --keep-going -q -j auto docs docs/_build/html

# The built site in a browser: contrast, alternative texts, headings, nothing fetched; SHOTS="--shots DIR" takes pictures.
docs-look: docs install-test
	$(ENV) $(PYTHON) -m tests.site.look $(SHOTS)

# Every command and example of the site at a toy size; PAGES="howto/sweeps.md" chooses.
docs-test: install-test install-docs
	OMP_NUM_THREADS=1 $(ENV) $(PYTHON) -m tests.site.commands $(PAGES)

install:
	@$(PYTHON) -c 'import torch, torchvision, hydra, rich, safetensors, scipy, filelock' 2>/dev/null || \
	  (python3 -m venv .venv && .venv/bin/python -m pip install -q --disable-pip-version-check -r requirements.lock)

install-test: install
	@$(TEST_READY) || $(PYTHON) -m pip install -q --disable-pip-version-check -r requirements-test.lock

install-docs: install
	@$(PYTHON) -c 'import sphinx, myst_nb, furo, sphinx_design, latex2mathml, pandas' 2>/dev/null || \
	  $(PYTHON) -m pip install -q --disable-pip-version-check -r requirements-docs.lock

# The fast tests with other versions: Python, Hydra, torch; MATRIX="hydra-1.4 torch-2.10" chooses.
test-matrix: install
	$(ENV) $(PYTHON) -m scripts.test_matrix $(MATRIX)

lock:
	$(PYTHON) -m scripts.lock
