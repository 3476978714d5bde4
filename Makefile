# make app     the page on http://127.0.0.1:7860
# make test    format, lint, types, layers, then every test but the slow ones
# make test-slow, check, bench, format: see CONTRIBUTING.md
#
# Torch for CPU only (a tenth of the download):
#   make app TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
SEEDS ?= 3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: app test test-slow check lint bench results seeds format chromium
.DELETE_ON_ERROR:

app: $(VENV)/.ready
	$(BIN)/python app.py $(ARGS)

# Two at a time, a file to a process, one thread each: torch's own threads would wait for each other.
# In the order of tests/conftest.py, and in memory where there is room: runs wait for the disk at every
# line that is to stay.
ROOMY = $(shell df -kP /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 == "tmpfs" && $$4 > 2 * 1024 * 1024 { print "yes" }')
test: lint chromium
	folder=$$(mktemp -d "$(if $(ROOMY),/dev/shm,$${TMPDIR:-/tmp})/cai-tests.XXXXXX") && \
	trap 'rm -rf "$$folder"' EXIT INT TERM && \
	TMPDIR=$$folder OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(VENV)/.ready-dev chromium
	$(BIN)/python -m pytest -m slow --timeout 3600 $(ARGS)

check: lint
	$(BIN)/python -m pytest -q tests/test_layers.py

# The layers are among the tests, so `make test` has them there.
lint: $(VENV)/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.ready-dev
	$(BIN)/python -m cai_app bench $(ARGS)

# The whole method on pocket, in a home of its own; its adapters and a demo go into data/.
results: $(VENV)/.ready
	$(BIN)/python -m cai_app --home data/local/results results --ship data $(ARGS)

# The same under three seeds, into a table; nothing of it is shipped.
seeds: $(VENV)/.ready
	$(BIN)/python -m cai_app --home data/local/seeds results --seeds $(SEEDS) \
		--table docs/results.md $(ARGS)

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

chromium: $(VENV)/.ready-dev
	@$(BIN)/python tests/browser/chromium.py

# The stamps make a second call instant; a changed requirements file installs again.
$(VENV)/.ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed and $(PYTHON) is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(PIP) -r requirements-dev.txt
	@touch $@
