# make demo                                    encodes the sample images, in a virtual environment
# make demo DIR=/some/folder METHOD=phash      encodes yours
# make test                                    runs the tests
# make test-browser                            opens the report in Chromium (and chromedriver)
# make test-integrations                       runs the programs of data libraries and Ray (and Java)
# make lint                                    checks style, format and types
# make bench                                   measures the speed
# make soak                                    damaged files, kills and many files: some ten minutes

PYTHON ?= python3
VENV   ?= .venv
DIR    ?= tests/data/reference/images
METHOD ?= phash
BIN    := $(VENV)/bin

.PHONY: demo test test-browser test-integrations lint bench soak

demo: $(VENV)/installed
	$(BIN)/jaxdedup encode $(DIR) --method $(METHOD)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 8

test-browser: $(VENV)/installed-test $(VENV)/installed-browser
	$(BIN)/python -m pytest tests/browser

test-integrations: $(VENV)/installed-test $(VENV)/installed-ray $(VENV)/installed-integrations
	$(BIN)/python -m pytest tests/integrations jaxdedup/integrations

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
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-%: pyproject.toml | $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[$*]'
	touch $@
