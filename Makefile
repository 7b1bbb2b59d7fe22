# The commands of this project; `make` lists them. Needs nothing but Python 3.11, 3.12 or 3.13.

VENV := .venv
BIN := $(VENV)/bin
# A file that says: installed, from these versions of the files that say what.
INSTALLED := $(VENV)/.installed
# The first of these that is new enough is taken; name your own with `make ... PYTHON=/path/to/python`.
PYTHON := python3 python3.13 python3.12 python3.11
# What is installed beside the package itself (setup.cfg); cuda brings 0.5 GB: make test EXTRAS=test,cuda
EXTRAS := test
# Box2D has no wheel for Python 3.14.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help demo test test-lowest package docs parity bounds lint format bench bench-gpu clean
.DEFAULT_GOAL := help

help: ## list these commands
	@awk -F ' *## *' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@for python in $(PYTHON); do "$$python" -c '$(FITS)' 2>/dev/null && break; python=; done; \
	if [ -z "$$python" ]; then \
		echo "Python 3.11, 3.12 or 3.13 is needed, but none of these is one: $(PYTHON). Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python"; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$python" --version); this takes a minute or two."; \
	"$$python" -m venv $(VENV)
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]' --constraint constraints.txt
	@touch $@

# One run, one number: nothing older is ever overwritten.
demo: $(INSTALLED) ## a real co-evolution run with progress, then its report and a replay
	@n=1; while [ -e runs/demo-$$n ]; do n=$$((n + 1)); done; run=runs/demo-$$n; mkdir -p runs; set -e; \
	$(BIN)/poet run $$run --preset demo; \
	$(BIN)/poet analyse $$run --output $$run/report; \
	$(BIN)/poet replay $$run --output $$run/replay.gif; \
	echo; \
	echo "The run is in $$run. Look at its report, $$run/report, and at the walker, $$run/replay.gif."; \
	echo "It can go on: $(BIN)/poet resume $$run --iterations 1000"; \
	echo "Its walkers walk in a browser: $$run/report/report.html"

# $(call part,NAME,COMMAND,WHAT TO DO): one line if it passes; else what it printed, and a sentence.
define part
@printf '%-13s' '$(1)'; \
if output=$$($(2) 2>&1); then echo ok; \
else printf 'failed\n\n%s\n\n%s\n' "$$output" '$(1) failed: $(3)'; exit 1; fi
endef

lint: $(INSTALLED) ## format, style, types, import order and house rules
	$(call part,format,$(BIN)/ruff format --check --output-format concise .,run make format and look at what it changed.)
	$(call part,style,$(BIN)/ruff check --quiet .,mend each line named above; make format mends some by itself.)
	$(call part,types,$(BIN)/mypy,mend each line named above; a suppressed error says why beside it.)
	$(call part,imports,$(BIN)/lint-imports --no-cache --no-logo,imports run one way (setup.cfg); move the code to where it may be imported.)
	$(call part,house rules,$(BIN)/pytest -q tests/test_house_rules.py,each rule above says what to do instead.)

test: lint ## the whole check: lint, types, import order, house rules, tests
	@echo tests
	@$(BIN)/pytest -q --durations 15 --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --ignore=tests/test_house_rules.py || { echo; echo "tests failed: the docstring of each test named above is the behaviour that broke; run one with $(BIN)/pytest FILE::NAME."; exit 1; }

LOWEST := build/lowest
# With Python 3.11 alone: newer ones have no wheels of the oldest packages. Old packages may call what is deprecated in new ones.
test-lowest: $(INSTALLED) ## the tests with the lowest versions that setup.cfg allows; TESTS=tests/poet for some
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "the lowest versions have wheels for Python 3.11 alone: make clean, then make $@ PYTHON=python3.11"; exit 1; }
	@mkdir -p build && $(BIN)/python -m tests.lowest > $(LOWEST).txt
	@$(BIN)/python -m venv --clear $(LOWEST)
	@PYTHONWARNINGS=ignore $(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint $(LOWEST).txt
	@$(LOWEST)/bin/pytest -q --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder -W default::DeprecationWarning -W default::PendingDeprecationWarning $(TESTS)

package: $(INSTALLED) ## sdist and wheel in dist; the wheel is installed with all that it needs in an empty environment, and tried
	@$(BIN)/python -m tests.package

docs: $(INSTALLED) ## the documentation as a site, in build/site; every warning is an error
	@$(BIN)/sphinx-build -q -W --keep-going -c docs . build/site
	@echo "build/site/index.html"

# Options, such as --episodes, --seed, --first and --workers: $(BIN)/python -m tests.parity --help
parity: $(INSTALLED) ## 2,000 whole episodes against real Box2D, bit for bit; as many in WebAssembly; 200 seeds of Gymnasium's courses
	@$(BIN)/python -m tests.parity
	@$(BIN)/python -m tests.parity.courses
	@$(BIN)/python -m tests.wasm

BOUNDED := $(addprefix tests/,agents/test_gpu_threads.py agents/test_batches.py agents/test_perturbations.py agents/test_openai_es.py environments/test_worlds.py)
# Kernels do not normally check indices. Here they do, so Numba has to recompile them once, which takes minutes.
bounds: $(INSTALLED) ## every kernel with every index checked
	@NUMBA_BOUNDSCHECK=1 $(BIN)/pytest -q $(BOUNDED)

format: $(INSTALLED) ## lay out the code, and mend what can be mended by itself
	@$(BIN)/ruff check --fix --exit-zero .
	@$(BIN)/ruff format .

bench: $(INSTALLED) ## steps per second of every engine, compile time apart
	@$(BIN)/poet bench

bench-gpu: EXTRAS := test,cuda
bench-gpu: $(INSTALLED) ## the engine cuda on an NVIDIA GPU: speed, parity, a run of the paper, a profile
	@$(BIN)/python -c 'import numba_cuda' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]' --constraint constraints.txt
	@$(BIN)/python -m tests.benchmarks.gpu

clean: ## remove .venv and all caches; runs stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
