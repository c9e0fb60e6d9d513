# make demo   train a Neural Turing Machine on copy until it has learned, and draw it
# make test   lint, types, and the tests, with every optional witness
# make docs   build the site, in English and Chinese, into site/html
# All three make .venv here first. PYTHON chooses the interpreter (3.11 or later).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
RUN    ?= runs/demo
# What learns copy in the fewest sequences: examples/results/copy
FASTEST := --controller ff --start location --M-0 random --batch 1 --lr 3e-3 --schedule cosine --steps 10000 --evaluate-every 500
BIN    := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
MAKEFLAGS += --no-print-directory
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test docs lint fast sweep slow checked fuzz soak array-api coverage portable wheel clean

demo: .venv/.cli
	@if [ -e $(RUN)/config.json ]; then $(BIN)/minigrad train copy --resume $(RUN); else \
	$(BIN)/minigrad train copy --model ntm $(FASTEST) --out $(RUN) --seed 0; fi

test: lint fast

fast: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

# What the fast suite leaves out of large tables, and properties with all their examples.
sweep: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "sweep or hypothesis"

# Sphinx's warnings are errors, and so is a link that leads nowhere. Nothing is fetched once the packages are there.
docs: .venv/.docs
	$(BIN)/python -m docs.build

slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

# The tests that compile, every program compared with the interpreter at each new set of sizes.
checked: .venv/.dev
	MINIGRAD_CHECK=1 $(BIN)/python -m pytest -n 2 -m "not slow" tests --ignore tests/viz --ignore tests/browser

# Random programs many ways, until 100,000 are done; stopped, it goes on where it was. GRAPHS and SEED choose others, JOBS the processes.
GRAPHS ?= 100000
SEED   ?= 0
JOBS   ?= 2
fuzz: .venv/.dev
	$(BIN)/python -m tests.fuzz --graphs $(GRAPHS) --seed $(SEED) --jobs $(JOBS) --out runs/fuzz-$(SEED)

soak: .venv/.dev
	$(BIN)/python -m tests.soak --minutes 60

# The array API standard's own tests; SUITE is a checkout of github.com/data-apis/array-api-tests with its submodule.
EXAMPLES ?= 20
array-api: .venv/.dev
	$(BIN)/python -m pip install --quiet -r $(SUITE)/requirements.txt
	cd $(SUITE) && PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/python -m pytest -p tests.array_api_suite --disable-deadline \
	--max-examples $(EXAMPLES) -W ignore -rs array_api_tests

coverage: .venv/.dev
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 2 -m "not slow"
	$(BIN)/python -m coverage report --include 'minigrad/*'
	$(BIN)/python -m coverage report --include 'models/*,viz/*'

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check minigrad models viz tests examples benchmarks
	$(BIN)/mypy
	$(BIN)/python -m tests.contracts

# The backend's tests in code for any x86-64, without AVX. .ci/aarch64 runs them on AArch64, by qemu.
portable: .venv/.dev
	$(BIN)/python -m tests.portable

wheel: .venv/.dev
	rm -rf build dist
	$(BIN)/python -m build --wheel --installer pip

clean:
	rm -rf .venv build dist site *.egg-info

.venv/.made:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

.venv/.cli: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[cli]'
	@touch $@

.venv/.docs: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

.venv/.dev: .venv/.made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
