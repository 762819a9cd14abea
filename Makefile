# Two commands set up everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# One numeric thread per test process, so that two cores are not oversubscribed; trials set their own number.
export OMP_NUM_THREADS ?= 1

# Tests that start servers wait more than they compute: two run at a time, those of a file one after the other.
SERVERS := engine or slurm or browser
MEASURED := not slow and not trainer and not oracle and not gpu and not ($(SERVERS))
FAST := $(MEASURED) and not process and not study

# A second environment, with the minimum version of everything that pyproject.toml names.
LEAST := .venv-least

# What the tests of Slurm, of pages in a browser and of real images need besides Python.
SYSTEM_PACKAGES := chromium chromium-driver dataset-fashion-mnist iproute2 \
                   mariadb-server munge slurm-wlm slurmdbd

.PHONY: help demo check test test-all test-least coverage docs chaos bench gpu-check clean
help:
	@echo 'make demo      a small real sweep, its table and its report'
	@echo 'make check     format, lint, types, import rules, fast tests (under 2 minutes)'
	@echo 'make test      all tests except the slow ones (under 30 minutes on 2 cores)'
	@echo 'make test-all  all tests (under 75 minutes)'
	@echo 'make test-least  fast tests with the minimum versions that pyproject.toml allows (Python 3.11)'
	@echo 'make coverage  fast tests and tests of commands, and a report of the lines they run'
	@echo 'make docs      the documentation as a site, in site/'
	@echo 'make chaos     a sweep on a real Slurm under ten random faults (SEED=1)'
	@echo 'make bench     all benchmarks, one after another'
	@echo 'make gpu-check what only a CUDA device can show: tests, and a table of speeds (under 10 minutes)'
	@echo 'make clean     remove the virtual environment and caches'

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/fdt-sweep launch sweeps/demo.yaml
	$(BIN)/fdt-sweep results demo
	$(BIN)/fdt-sweep report demo

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 -m '$(FAST)'

test: $(INSTALLED) system
	$(BIN)/python -m pytest -q -n 2 -m 'not slow and not ($(SERVERS))'
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m 'not slow and ($(SERVERS))' --durations=20

test-all: SYSTEM_PACKAGES += texlive-latex-recommended
test-all: $(INSTALLED) system
	$(BIN)/python -m pytest -q -n 2 -m 'not ($(SERVERS))'
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m '$(SERVERS)' --durations=20

test-least:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "this needs the oldest supported Python: make test-least PYTHON=python3.11")'
	$(PYTHON) -m venv $(LEAST)
	$(PYTHON) .ci/least_versions.py > $(LEAST)/constraints.txt
	$(LEAST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LEAST)/constraints.txt -e '.[test]'
	$(LEAST)/bin/python -m pytest -q -n 2 -m '$(FAST)'

# A report, not a gate: the tests that train, or start a Ray or a Slurm, run much of what it shows as missed. A failing
# test does not end it: measured processes start more slowly, and one test sends Ctrl-C within the first 0.3 s of a command.
coverage: $(INSTALLED)
	$(BIN)/python -m coverage erase
	-$(BIN)/python -m coverage run -m pytest -q -n 2 -m '$(MEASURED)'
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

# The variable turns off a notice of the theme, which is not about this project.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo 'open site/index.html'

# As root on Debian this installs the packages; elsewhere the tests that need them say so and are skipped.
.PHONY: system
system:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg -s $(SYSTEM_PACKAGES) >/dev/null 2>&1; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    $(SYSTEM_PACKAGES) >/dev/null || echo 'apt-get failed: tests that need $(SYSTEM_PACKAGES) will be skipped'; \
	fi

# At least ten random faults for each seed, on a real Slurm of virtual nodes: make chaos SEED="1 2 3"
SEED ?= 1
chaos: $(INSTALLED) system
	$(BIN)/python -m lab.slurm.chaos $(SEED)

bench: $(INSTALLED)
	@for name in solver any_network adaptive data_path training fashion_mnist trial_cost driver_cost utilisation results slurm; do \
	  echo "== $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; \
	done

gpu-check: $(INSTALLED)
	@$(BIN)/python -c 'import sys, torch; sys.exit(None if torch.cuda.is_available() else "make gpu-check needs a CUDA device: this machine has none")'
	$(BIN)/python -m pytest -q -m gpu --durations=10
	$(BIN)/python -m benchmarks.gpu.training

clean:
	rm -rf $(VENV) $(LEAST) site .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
