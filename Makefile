# Every target but gpu sets up what it needs in .venv with nothing but python3 and pip, and is quick when nothing changed.
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= runs

.PHONY: help setup run test test-all verify lint bench gpu sync clean

help:
	@echo "make run    a small augmentation ablation on the bundled sample"
	@echo "make test   the tests, but for those that take longest"
	@echo "make test-all  all tests, as continuous integration runs them"
	@echo "make verify hold the figures of README.md and experiments/ to the kept results (REPLAY=1: and train one run of"
	@echo "            each experiment again; SEED=NUMBER draws the same runs, DATA=FOLDER has the data of those that need it)"
	@echo "make lint   checks of format, rules, types and imports"
	@echo "make bench  what training costs on this machine, against other code (half an hour)"
	@echo "make gpu    tests, paces and a profile on a CUDA device, with $(PYTHON) as it is (12 minutes; OUT=FOLDER keeps them)"
	@echo "make sync   upload to W&B what runs wrote for it while offline (RUNS=FOLDER: only those under it;"
	@echo "            PRUNE=1: remove the files of finished runs that W&B has)"
	@echo "make setup  only create .venv and install"
	@echo "make clean  remove .venv and build products (runs/ stays)"

setup: .venv/installed

# Where Python is too old, an old pip first downloads older versions of what the project needs: it had not said so after
# 20 minutes.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; sys.exit(None if (3, 11, 4) <= v < (3, 14) else "pets_seg needs \
	Python 3.11.4 to 3.13, and $(PYTHON) is %d.%d.%d. Name another one, as in: make run PYTHON=python3.13" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

run: setup
	$(BIN)/python -m pets_seg.run experiment=quickstart

# Two processes of one thread each: more threads would wait for each other.
test test-all: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(if $(filter test,$@),-m "not slow") \
		$(PYTEST_OPTIONS)

verify: setup
	@case "$(REPLAY)" in ""|1) ;; *) echo "REPLAY=$(REPLAY): must be 1; leave it out to replay nothing" >&2; exit 2 ;; esac
	@$(BIN)/python experiments/verify/verify.py $(if $(REPLAY),--replay) $(if $(SEED),--seed "$(SEED)") \
		$(if $(DATA),--data "$(DATA)")

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

bench: setup
	$(BIN)/python experiments/speed/bench.py

# Where there is a GPU there may be no network: it uses what $(PYTHON) has, and no .venv.
gpu:
	$(PYTHON) experiments/gpu/visit.py $(if $(OUT),--out "$(OUT)")

sync: setup
	@case "$(PRUNE)" in ""|1) ;; *) echo "PRUNE=$(PRUNE): must be 1; leave it out to keep the files" >&2; exit 2 ;; esac
	@$(BIN)/python -m pets_seg.tracking.wandb_sync "$(RUNS)" $(if $(filter 1,$(PRUNE)),--prune)

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
