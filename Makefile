# make lab    opens JupyterLab on the tour          make bench   runs the benchmarks, small
# make test   runs every test                       make doctor  says what this machine can do
# Each prepares .venv first, once per version of the lock. PYTHON=/path/to/python3.12 chooses the Python it is made with.

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
KEY := $(shell { cat requirements.lock pyproject.toml; pwd; } | cksum | cut -d ' ' -f 1)
READY := $(VENV)/.ready-$(KEY)
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
NO_NEWS := {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check

BENCHMARKS ?= $(filter-out %/speed_page.py %/real_data.py %/treatments.py,$(shell grep -l '^if __name__' tests/benchmarks/*.py))
MEASURE = for script in $(BENCHMARKS); do echo "== $$script"; OMP_NUM_THREADS=$(or $(THREADS),1) PYTHONPATH=tests $(PY) $$script $(1) \
  --json $(2)/$$(basename $$script .py).json || exit 1; done

.PHONY: help setup lab test bench bench-full doctor lint clean
help:
	@sed -n 's/^# //p' Makefile | head -3

setup: $(VENV)/.browser

# The lock is complete, so it goes in as it stands. Elsewhere torch may want packages of its own (on Linux its public
# build brings CUDA): `pip check` says so, and only then is torch completed.
$(READY):
	@$(ENVIRONMENT)
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV): a few minutes, once."
	@$(PIP_INSTALL) --no-deps -r requirements.lock
	@$(PY) -m pip check > /dev/null 2>&1 || { echo "Completing torch for this platform."; \
	  $(PIP_INSTALL) -c requirements.lock "$$(grep '^torch==' requirements.lock)"; }
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@mkdir -p $(VENV)/share/jupyter/lab/settings; echo '$(NO_NEWS)' > $(VENV)/share/jupyter/lab/settings/overrides.json
	@rm -f $(VENV)/.ready-*; touch $@

# A virtual environment holds absolute paths: one that was moved, or whose Python is gone, is made anew.
define ENVIRONMENT
if [ "$$(cat $(VENV)/.home 2> /dev/null)" = "$(CURDIR)" ] && $(PY) -m pip --version > /dev/null 2>&1; then exit 0; fi; \
for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3.13 python3 python); do \
  if "$$candidate" -c '$(SUITABLE)' > /dev/null 2>&1; then \
    rm -rf $(VENV) && "$$candidate" -m venv $(VENV) && printf '%s\n' "$(CURDIR)" > $(VENV)/.home; exit $$?; fi; done; \
echo "No Python 3.11, 3.12 or 3.13 with its venv module$(if $(PYTHON), at $(PYTHON))." \
  "Install one (Debian: apt-get install python3-venv), or name it: make setup PYTHON=/path/to/python3.12" >&2; exit 1
endef

# Figures are exported, and panels tested, in Chrome or Chromium: an installed one, Debian's, or the exporter's own download.
$(VENV)/.browser: $(READY)
	@have() { $(PY) -c 'import sys; from workbench import figures; sys.exit(figures.browser() is None)' > /dev/null 2>&1; }; \
	if ! have && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  echo "Installing Chromium."; \
	  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium fonts-liberation; } \
	    > $(VENV)/browser.log 2>&1; fi; \
	if ! have; then echo "Fetching Chrome."; $(VENV)/bin/plotly_get_chrome -y > $(VENV)/browser.log 2>&1; fi; \
	have || echo "No Chrome or Chromium: figures export to HTML only, and the tests that need one will say that they did not run."
	@touch $@

lab: setup
	@JUPYTERLAB_WORKSPACES_DIR="$(CURDIR)/$(VENV)/workspaces" $(PY) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  --LabApp.extension_manager=readonly $$([ "$$(id -u)" = 0 ] && echo --allow-root) $(LAB_FLAGS) notebooks/00_tour.ipynb

# Files of tests go to workers, one thread each: threads of several would only wait for one another. What failed beside others is
# asked once more alone; what waits for a page or a kernel comes afterwards.
WAITING := tests/browser tests/notebooks
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest
test: setup
	@$(if $(ARGS),$(PYTEST) $(ARGS),{ $(PYTEST) -n auto --maxprocesses 4 --dist loadfile tests $(WAITING:%=--ignore=%) \
	  || $(PYTEST) --lf --lfnf=none tests; } && $(PYTEST) $(WAITING))

# Ratios are of CPU seconds, on one thread: more only wait for one another where others work too. Scripts that are to use two say so.
bench: setup
	@mkdir -p build/bench
	@$(call MEASURE,--quick,build/bench)
	@$(PY) tests/benchmarks/speed_page.py build/bench build/bench/speed.md

bench-full: setup
	@mkdir -p docs/speed
	@$(call MEASURE,--full,docs/speed)
	@$(PY) tests/benchmarks/speed_page.py docs/speed docs/speed.md

doctor: setup
	@$(PY) -m workbench doctor

lint: setup
	@$(PY) -m ruff check .

clean:
	rm -rf $(VENV) build *.egg-info
