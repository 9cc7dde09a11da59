# Works with GNU Make 3.81, which macOS has, and later.

PYTHON ?= python3
COLAB_PYTHON ?= python3.13
VENV := .venv
RUN := $(VENV)/bin/python -m
INSTALLED := $(VENV)/.installed
EXECUTED := --ExecutePreprocessor.record_timing=False
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.DEFAULT_GOAL := help
.PHONY: help run test fuzz colab lab site bench outputs pretrained badges student grade clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

run: $(INSTALLED)  ## execute the notebooks, write them to build/ as HTML
	$(RUN) nbconvert --execute --to tools.offline.OfflineHTMLExporter --output-dir build \
		$(EXECUTED) $(NOTEBOOKS)
	@echo "The executed notebooks:"
	@printf '  %s\n' $(NOTEBOOKS:notebooks/%.ipynb=build/%.html)

test: $(INSTALLED)  ## check style and types, run the tests, run the notebooks again
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy helpers data/scenes
	$(RUN) pytest
	$(RUN) pytest --nbval --nbval-sanitize-with tools/nbval.cfg notebooks

fuzz: $(INSTALLED)  ## feed 5,000 damaged files to everything that reads files
	FUZZ_CASES=5000 $(RUN) pytest tests/test_fuzz.py

colab: build/colab/.installed  ## try the code with the versions that Colab has
	build/colab/bin/python -m pytest -W ignore::DeprecationWarning tests/test_kernels*.py \
		tests/test_layers.py tests/test_decoding.py tests/test_notebook.py

build/colab/.installed: requirements.txt constraints-colab.txt
	$(COLAB_PYTHON) -m venv --clear build/colab
	build/colab/bin/python -m pip install --disable-pip-version-check \
		-r requirements.txt -c constraints-colab.txt
	@touch $@

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	$(RUN) jupyterlab notebooks

site: $(INSTALLED)  ## write the notebooks to build/site/ as linked web pages
	$(RUN) tools.site

bench: $(INSTALLED)  ## measure speed and memory beside PyTorch's own modules
	$(RUN) tools.benchmarks

outputs: $(INSTALLED)  ## execute the notebooks, store their outputs and README's pictures
	$(RUN) nbconvert --execute --to notebook --inplace $(EXECUTED) $(NOTEBOOKS)
	$(RUN) tools.outputs $(NOTEBOOKS)
	$(RUN) tools.readme_pictures

DATA ?= data/flickr8k data/everyday
TEXT ?=
SHIPPED ?= photographs-attn
PROCESSES ?= 1
RUNS := runs/$(SHIPPED)
TOGETHER = $(VENV)/bin/torchrun --nproc-per-node $(PROCESSES) -m -- helpers
LEARN = OMP_NUM_THREADS=1 $(if $(filter 1,$(PROCESSES)),$(RUN) helpers,$(TOGETHER))
FROM = --data $(DATA) --aside 100 --batch-size 160 --max-words 20 --resume
ENCODER = --backbone efficientnet_lite2 --image-size 288
CAPTIONER = $(FROM) --averaging 0.998 --patience 8 --drop-channels --compiled
FRESH = --cell attn $(ENCODER) --tuned $(RUNS)/encoder/encoder.safetensors --dropout 0.4
EVALUATE = $(RUN) helpers evaluate --model $(RUNS)/reward/best --aside 100

pretrained: $(INSTALLED)  ## train the shipped captioner again: make pretrained DATA="A B" TEXT=C
	$(LEARN) finetune $(FROM) $(ENCODER) --per-image 5 --views 4 --folds 2 --soup 2 \
		--out $(RUNS)/encoder
	$(if $(TEXT),$(LEARN) train $(CAPTIONER) $(FRESH) --text $(TEXT) --learning-rate 1.5e-3 \
		--epochs 3 --out $(RUNS)/text)
	$(LEARN) train $(CAPTIONER) $(if $(TEXT),--start $(RUNS)/text/best,$(FRESH)) --per-image 5 \
		--learning-rate 1.5e-3 --epochs 5 --out $(RUNS)/words
	$(LEARN) train $(CAPTIONER) --start $(RUNS)/words/best --per-image 5 --samples 5 \
		--voted $(RUNS)/encoder/held_out.safetensors --learning-rate 1.3e-4 --clip-norm 1 \
		--epochs 6 --out $(RUNS)/reward
	$(EVALUATE) --data $(firstword $(DATA)) --beam 1 --json $(RUNS)/greedy.json
	$(EVALUATE) --data $(firstword $(DATA)) --beam 5 --json $(RUNS)/beam5.json
	$(EVALUATE) --data $(lastword $(DATA)) --beam 5 --json $(RUNS)/aside5.json
	mkdir -p pretrained/$(SHIPPED)
	cp $(RUNS)/reward/best/* $(RUNS)/*.json pretrained/$(SHIPPED)/

badges: $(INSTALLED)  ## let Colab open the notebooks: make badges REPO=owner/name
	@$(RUN) tools.badges $(REPO)

student: $(INSTALLED)  ## write build/student/, the course with kernels left to write
	$(RUN) tools.student --variant $(or $(VARIANT),0)

grade: $(INSTALLED)  ## give points to what was handed in: make grade SUBMISSIONS=folder
	@test -n "$(SUBMISSIONS)" || { echo "Say where they are: make grade SUBMISSIONS=folder" >&2; exit 2; }
	$(RUN) tools.grade "$(SUBMISSIONS)" --variant $(or $(VARIANT),0)

clean:  ## remove the environment, caches and build/; data/, runs/ and pretrained/ stay
	rm -rf $(VENV) build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -path ./data -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune \
		-exec rm -rf {} +

# Set-up: skipped while this stamp is newer than both lists.
$(INSTALLED): requirements.txt constraints.txt
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
			echo "Python 3.10 or later is needed. Name one: make PYTHON=python3.12 ..." >&2; \
			exit 1; \
		}; \
		$(PYTHON) -m venv --clear $(VENV); \
	}
	$(RUN) pip install --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@
