# Two commands: `make demo` and `make test`. Each sets up what it needs in .venv by itself.

PYTHON ?= python3
VENV ?= .venv
# The version is named so that installers find the build without CUDA where there is one.
# Have torch already? `make demo TORCH=` with VENV set to its environment.
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
STAMP := $(VENV)/.dreamtalk-installed

.PHONY: demo test lint slow clean

demo: $(STAMP)
	$(BIN)/dreamtalk talk --portrait samples/portrait.png --audio samples/speech.wav \
		--out out/demo.mp4

test: $(STAMP) lint
	$(BIN)/python -m pytest -n auto -m "not slow"

slow: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.10 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ..." if not (3, 10) <= v < (3, 14) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,wav2vec2]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info out runs
