# One virtual environment, made on first use; every target is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: bench demo test test-fast check format install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "n2b-ct needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## the main job, small: digital piglet -> Noise2Blur -> denoised DICOM -> report
	$(BIN)/n2b-ct simulate piglet demo/piglet --slices 96 --size 256 --overwrite
	$(BIN)/n2b-ct train demo.yaml --data-root demo/piglet --out demo/runs/n2b --overwrite
	$(BIN)/n2b-ct denoise demo/piglet demo/denoised --model demo/runs/n2b --select '10$$' --overwrite
	$(BIN)/n2b-ct report demo.yaml --data-root demo/piglet --model n2b=demo/runs/n2b --out demo/report --overwrite
	@echo "The report:          demo/report/report.html"
	@echo "The denoised series: demo/denoised"

test: $(STAMP)  ## the whole suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(STAMP)  ## unit and contract tests
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/contracts

check: $(STAMP)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)  ## the tables of benchmarks/README.md; DATA=folder and MODEL=run for those on real slices
	$(BIN)/python -m benchmarks $(if $(DATA),--data-root $(DATA)) $(if $(MODEL),--model $(MODEL))

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo build dist
