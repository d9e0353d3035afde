# One virtual environment, made on first use; every target is what CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: bench demo test test-fast test-without-avx512 check format install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "n2b-ct needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## the main job, small: digital piglet -> denoised by the base -> Noise2Blur -> denoised DICOM -> report
	$(BIN)/n2b-ct simulate piglet demo/piglet --slices 36 --size 256 --overwrite
	$(BIN)/n2b-ct denoise demo/piglet demo/denoised_base --select '10$$' --overwrite
	$(BIN)/n2b-ct train demo.yaml --data-root demo/piglet --out demo/runs/n2b --overwrite
	$(BIN)/n2b-ct denoise demo/piglet demo/denoised --model demo/runs/n2b --select '10$$' --overwrite
	$(BIN)/n2b-ct report demo.yaml --data-root demo/piglet --model base=base --model n2b=demo/runs/n2b --out demo/report --overwrite
	@echo "The report:          demo/report/report.html"
	@echo "The denoised series: demo/denoised_base by the shipped model, demo/denoised by the one that was trained"

test: $(STAMP)  ## the whole suite
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(STAMP)  ## unit and contract tests
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/unit tests/contracts

# Older processors, imitated: torch's kernels, MKL, oneDNN and NumPy's OpenBLAS as they are without AVX-512. MKL heeds
# MKL_ENABLE_INSTRUCTIONS on Intel's processors only, MKL_CBWR on all.
WITHOUT_AVX512 := ATEN_CPU_CAPABILITY=default MKL_CBWR=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 ONEDNN_MAX_CPU_ISA=AVX2 \
	OPENBLAS_CORETYPE=Haswell
SIMULATION := dose low_dose noise_texture_fit projection

test-without-avx512: $(STAMP)  ## the numeric unit tests on the instructions of a processor without AVX-512
	env $(WITHOUT_AVX512) $(BIN)/python -m pytest -n 2 --dist loadfile -m 'not real_data' \
		tests/unit/filters tests/unit/noises tests/unit/methods tests/unit/networks tests/unit/evaluation tests/unit/inference \
		$(SIMULATION:%=tests/unit/simulation/test_%.py) tests/unit/phantom/test_random_fields.py

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
