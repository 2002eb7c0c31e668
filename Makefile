# Everything is installed into .venv and nowhere else.
#
#   make play        the playground: paint in a browser, without an account or a GPU
#   make test        all tests but the slow ones     make test-fast   the inner loop: under a minute
#   make test-slow   the slow tests                  make coverage    all tests, with branch coverage
#   make check       format, lint, types, layers     make bench       speed and memory, side by side
#   make pictures    renew the pictures of docs/playground.md (needs Chromium and an emoji font)
#   make lock        renew the hashes in .packaging/locks
#   make clean       remove .venv and caches
#
# PYTHON=python3.12 chooses the interpreter. TORCH=cpu takes PyTorch's CPU build (smaller, without CUDA).

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

ifeq ($(TORCH),cpu)
TORCH_INDEX := --index-url https://download.pytorch.org/whl/cpu
endif

ifdef CI
LOCKED := $(PY) -m pip install -q --no-deps --require-hashes -r .packaging/locks/run.txt -r .packaging/locks/dev.txt
endif

# The slow tests of a Ray cluster are skipped without Ray (79 MB), which only CI installs.
ifdef CI
RAY := $(PY) -m pip install -q --no-deps --require-hashes -r .packaging/locks/ray.txt
endif

# The tests of TensorBoard and Weights & Biases are skipped without them, which only CI installs.
ifdef CI
LOGS := $(PY) -m pip install -q --no-deps --require-hashes -r .packaging/locks/logs.txt
endif

PYTEST := $(PY) -m pytest -n 2 --dist loadfile
FAST := tests/bot tests/engine/catalogue tests/engine/client tests/engine/protocol tests/engine/requests \
	tests/engine/images tests/test_architecture.py
# The inner loop does without tests that import torch or start a process each.
FAST += $(addprefix --ignore=tests/engine/,images/test_decoder.py images/test_icons.py images/test_tensors.py \
	catalogue/test_models.py catalogue/test_registry.py requests/test_classes.py requests/test_options.py)
FAST += $(addprefix --deselect=tests/bot/,views/test_edges.py::test_no_seam_is_painted \
	embeds/test_job.py::test_words_that_a_server_always_avoids_are_not_told_to_be_unknown)

.PHONY: play run test test-fast test-slow coverage pictures check bench format lock clean install install-dev

play: install
	$(PY) -m bot playground

run: install
	$(PY) -m bot run

test: install-dev
	$(LOGS)
	$(PYTEST)

test-fast: install-dev
	$(PYTEST) $(FAST)

test-slow: install-dev
	$(RAY)
	$(PY) -m pytest -m slow --timeout 1500

coverage: install-dev
	$(PYTEST) --cov=bot --cov=engine --cov-branch --cov-report=term

pictures: install-dev
	DREAMBOT_PICTURES=docs/pictures $(PY) -m pytest -m slow tests/browser/test_tour.py

check: install-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PY) -m pytest tests/test_architecture.py

bench: install-dev
	$(PY) -m pip install -q --no-deps guided-diffusion-sdk==1.0.0
	$(PY) -m tests.benchmarks

format: install-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

install: $(VENV)/.play
install-dev: $(VENV)/.dev

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "dreambot needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.play: $(PY) pyproject.toml constraints.txt
	@echo "Installing PyTorch and the bot into $(VENV); pip shows the size of each download. Only the first run does this."
	@test -n "$(TORCH_INDEX)" || echo "On Linux, PyTorch with CUDA takes several GB. Without an NVIDIA GPU, use: make $(MAKECMDGOALS) TORCH=cpu"
	$(PY) -m pip install $(TORCH_INDEX) torch
	$(PY) -m pip install -e '.[playground]'
	@touch $@

$(VENV)/.dev: $(PY) pyproject.toml constraints.txt
	$(PY) -m pip install -q $(TORCH_INDEX) torch
	$(LOCKED)
	$(PY) -m pip install -q -e '.[dev]'
	@touch $@ $(VENV)/.play

lock: $(PY)
	$(PY) -m pip install -q uv
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) .packaging/lock.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
