# `make demo` and `make test` set up what they need in .venv by themselves. CONTRIBUTING.md explains
# the other targets.

ifeq ($(OS),Windows_NT)
PYTHON ?= python
SCRIPTS := Scripts
else
PYTHON ?= python3
SCRIPTS := bin
endif
VENV ?= .venv
# The version is named so that installers find the build without CUDA where there is one.
# Have torch already? `make demo TORCH=` with VENV set to its environment, which gets what the lock holds.
TORCH ?= torch==2.13.0
TORCH_LOWEST ?= torch==2.3.0
UV ?= uv==0.13.9
# All that `make test` and `make demo` use. The lock holds these and what they need.
EXTRAS := wav2vec2,dev
PYTEST := -m pytest -n auto -m "not slow"

BIN := $(VENV)/$(SCRIPTS)
STAMP := $(VENV)/.dreamtalk-installed
TOOLS := .venv-tools
# Each try is made from nothing: what an earlier one left would hide what is missing.
LATEST := .venv-latest
LOWEST := .venv-lowest
PIP := -m pip --disable-pip-version-check --quiet
UV_RUN := $(TOOLS)/$(SCRIPTS)/uv --no-python-downloads --quiet
CHECK_PYTHON = $(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.10 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 ..." if not (3, 10) <= v < (3, 14) else 0)'
comma := ,
UNLOCKED := -e ".[$(EXTRAS)]" -r locks/torch.in --override locks/overrides.txt

.PHONY: demo test lint slow fuzz lock latest lowest clean

demo: $(STAMP)
	$(BIN)/dreamtalk talk --portrait samples/portrait.png --audio samples/speech.wav \
		--out out/demo.mp4

test: $(STAMP)
	$(BIN)/python $(PYTEST)

slow: $(STAMP)
	$(BIN)/python -m pytest

# Each property with 10,000 cases, one after the other; `make fuzz CASES=500` for fewer.
CASES ?= 10000
fuzz: $(STAMP)
	HYPOTHESIS_PROFILE=fuzz FUZZ_CASES=$(CASES) OMP_NUM_THREADS=1 $(BIN)/python -m pytest \
		tests/fuzz --hypothesis-show-statistics -v

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python scripts/typecheck.py
	$(BIN)/lint-imports
	$(BIN)/python scripts/architecture.py --check

$(STAMP): pyproject.toml locks/dev.txt
	@$(CHECK_PYTHON)
	test -d $(BIN) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) install --require-hashes --no-deps -r locks/dev.txt
	$(if $(TORCH),$(BIN)/python $(PIP) install $(TORCH))
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# The lock, anew: the newest packages that go together, for every Python and system.
# `make lock UPGRADE=` keeps the versions it holds and only adds or drops packages.
UPGRADE ?= --upgrade
lock: $(TOOLS)/$(UV)
	$(UV_RUN) pip compile $(UPGRADE) --universal --python-version 3.10 --generate-hashes \
		--no-emit-index-url --annotation-style line --custom-compile-command "make lock" \
		$(foreach extra,$(subst $(comma), ,$(EXTRAS)),--extra $(extra)) \
		--override locks/overrides.txt pyproject.toml locks/torch.in -o locks/dev.txt >/dev/null

# The newest of everything instead of the lock: tells early what a release of others breaks.
latest: $(TOOLS)/$(UV)
	$(PYTHON) -m venv --clear $(LATEST)
	$(LATEST)/$(SCRIPTS)/python $(PIP) install $(TORCH)
	$(UV_RUN) pip install --python $(LATEST) --upgrade $(UNLOCKED)
	$(LATEST)/$(SCRIPTS)/python $(PYTEST)
	$(LATEST)/$(SCRIPTS)/python scripts/typecheck.py

# The lowest version of everything that pyproject.toml allows: keeps its bounds true.
lowest: $(TOOLS)/$(UV)
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/$(SCRIPTS)/python $(PIP) install $(TORCH_LOWEST)
	$(UV_RUN) pip install --python $(LOWEST) --resolution lowest-direct $(UNLOCKED)
	$(LOWEST)/$(SCRIPTS)/python $(PYTEST)

$(TOOLS)/$(UV):
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/$(SCRIPTS)/python $(PIP) install $(UV)
	@touch $@

clean:
	rm -rf $(VENV) $(TOOLS) $(LATEST) $(LOWEST) build dist *.egg-info out runs
