# make demo                                    encodes the sample images, in a virtual environment
# make demo DIR=/some/folder METHOD=phash      encodes yours
# make test                                    runs the tests
# make test-browser                            opens the report in Chromium (and chromedriver)
# make test-integrations                       runs the programs of data libraries and Ray (and Java)
# make test-docs                               runs the notebooks, and every block of README and the pages
# make docs                                    builds the pages into docs/_build
# make dist                                    builds, checks and tries what is released, in dist/
# make lint                                    checks style, format and types
# make bench                                   measures the speed
# make test JAX=jax==0.10.0 VENV=.venv-oldest  with another JAX, in an environment of its own
# make soak                                    damaged files, kills and many files: some ten minutes

PYTHON ?= python3
VENV   ?= .venv
DIR    ?= tests/data/reference/images
METHOD ?= phash
JAX    ?= jax
# Where Windows has them.
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
NEW    := $(subst $(VENV),$(VENV)-dist,$(BIN))

.PHONY: demo test test-browser test-docs test-integrations docs dist lint bench soak

demo: $(VENV)/installed
	$(BIN)/jaxdedup encode $(DIR) --method $(METHOD)

# Some tests are of how a CPU does it. On other devices: make test JAX_PLATFORMS=
test: export JAX_PLATFORMS ?= cpu
test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test-browser: $(VENV)/installed-test $(VENV)/installed-browser
	$(BIN)/python -m pytest tests/browser

test-docs: $(VENV)/installed-test $(VENV)/installed-docs
	$(BIN)/python -m pytest tests/docs

test-integrations: $(VENV)/installed-test $(VENV)/installed-integrations
	$(BIN)/python -m pytest tests/integrations jaxdedup/integrations

docs: $(VENV)/installed-test $(VENV)/installed-docs
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build

# The wheel alone, in an environment of its own, is enough for the first pages.
dist: $(VENV)/installed-release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(PYTHON) -m venv --clear $(VENV)-dist
	$(NEW)/pip install --quiet dist/*.whl
	$(NEW)/python tests/docs/pages.py README.md docs/start.md

lint: $(VENV)/installed-test $(VENV)/installed-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/installed-test
	$(BIN)/python benchmarks/encode_directory.py

soak: $(VENV)/installed-test
	$(BIN)/python -m tests.soak.files 10000
	$(BIN)/python -m tests.soak.kills 100
	$(BIN)/python -m tests.soak.memory 100000

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'  # knows groups
	$(BIN)/pip install --quiet --editable . '$(JAX)'
	touch $@

$(VENV)/installed-%: pyproject.toml | $(VENV)/installed
	$(BIN)/pip install --quiet --editable . --group $* '$(JAX)'
	touch $@
