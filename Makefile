# One word does it. Everything lives in .venv; nothing is installed anywhere else.
#
#   make play        the playground: paint in a browser, no account, no GPU
#   make test        the tests (minutes)          make test-slow   the long ones
#   make check       format, lint, types, architecture      make bench   speed and memory, side by side
#   make pictures    the pictures of docs/playground.md, anew, from the real thing (needs Chromium)
#   make clean       remove .venv and caches
#
# PYTHON=python3.12 chooses the interpreter. TORCH=cpu takes PyTorch's CPU build from its own index (smaller, no CUDA).

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt

ifeq ($(TORCH),cpu)
TORCH_INDEX := --index-url https://download.pytorch.org/whl/cpu
endif

.PHONY: play run test test-slow pictures check bench format clean install install-dev

play: install
	$(PY) -m bot playground

run: install
	$(PY) -m bot run

test: install-dev
	$(PY) -m pytest -n 2 --dist loadfile

test-slow: install-dev
	$(PY) -m pytest -m slow --timeout 1500

pictures: install-dev
	DREAMBOT_PICTURES=docs/pictures $(PY) -m pytest tests/browser/test_tour.py

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
	$(PY) -m pip install -q $(TORCH_INDEX) torch
	$(PY) -m pip install -q -e '.[playground]'
	@touch $@

$(VENV)/.dev: $(PY) pyproject.toml constraints.txt
	$(PY) -m pip install -q $(TORCH_INDEX) torch
	$(PY) -m pip install -q -e '.[dev]'
	@touch $@ $(VENV)/.play

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
