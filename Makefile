# Two commands do it all: `make up` and `make test`. `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The name of the cluster; every cluster has its own links, addresses, cgroups, ports and state.
CLUSTER ?= practice
export CLUSTER
# The tools that the cluster is built with: helm, kubectl and the linters.
export PATH := $(CURDIR)/.cluster/bin:$(PATH)
# One clock for the progress lines of all steps.
PROGRESS_START := $(or $(PROGRESS_START),$(shell date +%s.%N))
export PROGRESS_START

LOGS := .cluster/log
# step NAME,WHAT: runs a command with its output in a log, and shows the end of it if the command fails.
step = mkdir -p $(LOGS) && . cluster/progress.sh && step $(LOGS)/$(1).log $(2)

TARGET := $(shell uname -m)-unknown-linux-musl
# What an image is made of, each.
PROGRAMS := backend frontend systems observer client
# What all checkouts of this machine share: for another compiler, the crates that do not change.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/practice
# The oldest compiler that is promised to build the workspace.
MSRV := $(shell sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
SOURCES := Cargo.toml Cargo.lock rust-toolchain.toml $(shell find .cargo contract service store $(PROGRAMS) -type f)
SCRIPTS = $(shell git ls-files --cached --others --exclude-standard | xargs grep -lE '^\#!/usr/bin/env bash|^\#!/bin/sh|^\# shellcheck shell=bash' 2>/dev/null)

.NOTPARALLEL:
.PHONY: ready ready-to-test help up down env status images release binaries k8s exercises run run-two test check unit api picture fuzz first chart e2e fresh proof vm hostile figures clean

help: ## This list
	@printf 'usage: make TARGET [CLUSTER=name]\n\n'
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | sed 's/[$$][$$]/$$/' | expand -t 14

# First of all: everything that is missing, in one list; then what the compilers need.
ready ready-to-test:
	@CLUSTER=$(if $(filter ready,$@),$(CLUSTER),test) cluster/cluster check $(if $(filter ready,$@),up,test)
	@cluster/prepare packages $(if $(filter ready,$@),up,test)
	@cluster/rust

up: images ## Start the cluster, load the images, install the chart, print the URLs; OBSERVER=no: the page sees who answers, alone (root)
	@cluster/cluster up
	@eval "$$(cluster/cluster env)"; \
	  if [ '$(OBSERVER)' != no ] && ! helm status observer >/dev/null 2>&1; then \
	    $(call step,observer,'chart installed as release observer: the page shows what the cluster says') helm install observer chart/ -f values/observer.yaml --set services.observer.observeNodes=true; fi; \
	  if helm status practice >/dev/null 2>&1; then . cluster/progress.sh; say 'release practice is there already'; \
	  else $(call step,install,'chart installed as release practice: all pods ready') helm install practice chart/ --wait --timeout $$((180 * $${PATIENCE:-1}))s; \
	    for url in "$$NODEPORT_URL/" "$$INGRESS_URL/" "$$INGRESS_URL/api/items"; do $(call step,answers,"$$url answers") client wait "$$url" --timeout $$((30 * $${PATIENCE:-1}))s; done; fi; \
	  printf '%s\n' '' \
	    "  the page     $$NODEPORT_URL        (NodePort of the frontend)" \
	    "  the Ingress  $$INGRESS_URL/api/items" \
	    '' \
	    '  In your shell, for this kubectl and this helm:  eval "$$(make env)"' \
	    '' \
	    '  Then try, with the page open:' \
	    '    kubectl get pods --watch' \
	    '    helm upgrade practice chart/ --set image.tag=v2' \
	    '    helm rollback practice'

down: ## Stop the cluster and remove every trace of it (root)
	@cluster/cluster down

env: ## Shell lines that point kubectl and helm at the cluster: eval "$$(make env)"
	@cluster/cluster env

status: ## What runs, where, and how much memory it takes
	@cluster/cluster status

images: ready .cluster/images/packed ## Compile backend, frontend, systems, observer and client, and pack v1 and v2 of them as OCI archives (root)

.cluster/images/packed: .cluster/binaries/compiled Dockerfile cluster/images
	@cluster/prepare up
	@$(call step,pack,'images packed: .cluster/images/*.tar') cluster/images services .cluster/binaries v1 v2
	@touch $@

# `out` is what the Dockerfile's stage `build` leaves. v1 and v2 are the same binaries: the image sets VERSION.
.cluster/binaries/compiled: $(SOURCES) cluster/compile
	@$(call step,compile,'compiled: static binaries for $(TARGET)') \
	  cluster/compile $(TARGET) --locked --release --target-dir target/images $(addprefix -p ,$(PROGRAMS))
	@install -D -t .cluster/binaries/out $(addprefix target/images/$(TARGET)/release/,$(PROGRAMS))
	@install -D -t .cluster/bin target/images/$(TARGET)/release/client
	@touch $@

release: ## Images for amd64 and arm64, chart, bills of materials, signed, to REGISTRY=registry/path; SOURCE=address, KEY=file (root)
	@release/release check
	@$(MAKE) --no-print-directory ready binaries
	@cluster/prepare up
	@$(call step,release,'made: .cluster/release') release/release build .cluster/release
	@release/release push .cluster/release

# For both architectures, where `release` looks for them.
binaries:
	@for target in x86_64 aarch64; do \
	  $(call step,compile-$$target,"compiled: static binaries for $$target") \
	    cluster/compile $$target-unknown-linux-musl --locked --release --target-dir target/images $(addprefix -p ,$(PROGRAMS)); \
	done
	@install -D -t .cluster/release/binaries/amd64/out $(addprefix target/images/x86_64-unknown-linux-musl/release/,$(PROGRAMS))
	@install -D -t .cluster/release/binaries/arm64/out $(addprefix target/images/aarch64-unknown-linux-musl/release/,$(PROGRAMS))

k8s: ## The manifests under the practice's own names and file names, for kubectl apply -f k8s/
	@mkdir -p k8s
	@manifests=$$(helm template practice chart/ -f values/classroom.yaml); \
	write() { awk -v RS='---\n' -v kind="$$2" -v name="$$3" \
	  '$$0 ~ "\nkind: " kind "\n" && $$0 ~ "\n  name: " name "\n"' <<<"$$manifests" >"k8s/$$1.yaml"; }; \
	write backend-deployment Deployment backend; write frontend-deployment Deployment frontend; \
	write backend-service Service backend-svc; write frontend-service Service frontend-svc; \
	write ingress Ingress app-ingress; write backend-hpa HorizontalPodAutoscaler backend-hpa
	@ls k8s/*.yaml

exercises: ## Fill in the practice's manifests, and see on each save what holds: FOLDER=practice-exercises (make up, or KUBECONFIG)
	@cargo build --quiet --locked -p exercises
	@[ -n "$${KUBECONFIG:-}" ] || eval "$$(cluster/cluster env)"; \
	  exec target/debug/exercises $(if $(FOLDER),--folder '$(FOLDER)') $(if $(NAMESPACE),--namespace '$(NAMESPACE)')

run: ## Backend and frontend as plain processes, without root: http://127.0.0.1:8000
	@cargo build --quiet -p backend -p frontend
	@echo 'the page: http://127.0.0.1:8000   the API: http://127.0.0.1:8001/docs   Ctrl-C ends both'
	@export BIND_ADDRESS=127.0.0.1 DRAIN_SECONDS=0 VERSION=dev; trap 'kill $$(jobs -p) 2>/dev/null; wait' EXIT; \
	  PORT=8001 METRICS_PORT=9001 target/debug/backend & \
	  BACKEND_URL=http://127.0.0.1:8001 PORT=8000 METRICS_PORT=9000 target/debug/frontend & \
	  wait -n

run-two: ## A gateway and two services behind it, as values/two-services.yaml has them, as plain processes: http://127.0.0.1:8001/docs
	@cargo build --quiet -p backend -p frontend
	@echo 'the gateway: http://127.0.0.1:8001/service-1/items and /service-2/items, /docs   the services: 8002 and 8003   Ctrl-C ends all'
	@export BIND_ADDRESS=127.0.0.1 DRAIN_SECONDS=0 VERSION=dev ROUTES_FILE=$$(mktemp); trap 'kill $$(jobs -p) 2>/dev/null; wait; rm "$$ROUTES_FILE"' EXIT; \
	  route='{"path": "/service-%s", "rewrite": "/api", "upstream": "service-%s"},'; \
	  printf '{"upstreams": {"service-1": {"url": "http://127.0.0.1:8002"}, "service-2": {"url": "http://127.0.0.1:8003"}}, "routes": [%s]}' \
	    "$$(printf "$$route" 1 1 2 2 | sed 's/,$$//')" >"$$ROUTES_FILE"; \
	  for i in 1 2; do SERVICE_NAME=ml-service$$i PORT=$$((8001 + i)) METRICS_PORT=$$((9001 + i)) target/debug/backend & done; \
	  SERVICE_NAME=ml-inference-service DOCS=true PORT=8001 METRICS_PORT=9001 target/debug/frontend & \
	  wait -n

# Of the three side by side, chart waits for nothing but the processor and is done long before first: it gives way to the others.
# A shell's background ignores Ctrl-C, and so would all that it starts: the parts get every signal's own meaning back.
test: ready-to-test ## Everything: check, unit, chart, first and e2e; at the end, what took how long
	@rm -f $(LOGS)/laps
	@. cluster/progress.sh; \
	  part() { env --default-signal nice -n "$$([ "$$1" = chart ] && echo 19 || echo 0)" $(MAKE) --no-print-directory "$$1" || { say "FAILED: make $$1" >&2; return 1; }; }; \
	  within() { part "$$1" && lap "side by side: $$1"; }; \
	  part check && lap check && say 'unit, chart and first: side by side, most of it is waiting' && \
	  side_by_side within unit chart first && lap 'side by side' && part e2e && lap e2e && e2e/times && say 'all tests passed'

check: ## Formatting, clippy, the oldest compiler, licences, advisories, shellcheck, hadolint, workflows, compose.yaml
	@cluster/prepare test
	@$(call step,fmt,'cargo fmt: formatted') cargo fmt --all --check
	@$(call step,clippy,'clippy: no warning') cargo clippy --locked --workspace --all-targets -- -D warnings
	@if rustup toolchain install $(MSRV) --profile minimal --no-self-update >/dev/null 2>&1; then \
	  $(call step,msrv,'Rust $(MSRV): compiles') rustup run $(MSRV) cargo check --locked $(addprefix -p ,$(PROGRAMS)) --target-dir "$(CACHE)/rust-$(MSRV)"; \
	  else . cluster/progress.sh && say 'Rust $(MSRV): not tried, rustup cannot fetch it'; fi
	@$(call step,deny,'cargo deny: licences and duplicates') cargo-deny --all-features check bans licenses sources
	@if timeout 120 cargo-deny --all-features fetch db >$(LOGS)/advisories.log 2>&1; then \
	  $(call step,advisories,'cargo deny: no advisory concerns what is used') cargo-deny --offline --all-features check advisories; \
	  else . cluster/progress.sh && say 'cargo deny: advisories NOT tried, cargo-deny cannot fetch their database ($(LOGS)/advisories.log)'; fi
	@$(call step,shellcheck,'shellcheck: no warning') shellcheck --external-sources --source-path=SCRIPTDIR $(SCRIPTS)
	@$(call step,hadolint,'hadolint: no warning') .cluster/bin/hadolint Dockerfile
	@$(call step,workflows,'the workflows of GitHub and GitLab are well formed') release/workflows
	@$(call step,compose,'docker compose: compose.yaml is valid') env REDIS_PASSWORD=any .cluster/bin/docker-compose --file compose.yaml config --quiet

unit: ## Unit and integration tests of the crates, with real Redis, Chromium and hostile clients; no cluster
	@cluster/prepare test
	@$(call step,unit,'tests of the crates passed') cargo test --locked --workspace --exclude e2e \
	  --config "target.'cfg(all())'.runner=['$(CURDIR)/e2e/report-time']"
	@$(MAKE) --no-print-directory api
	@$(call step,forward,'tests of port forward and keeper passed') env -C cluster go test ./forward ./keep
	@. cluster/versions; $(call step,volumes,'tests of volumes and load balancer passed') \
	  env -C cluster CGO_ENABLED=0 GOFLAGS="$$go_flags" go test -vet=off ./volumes ./loadbalancer

api: ## The backend's replies against its own /openapi.json, directly and through the gateway
	@cargo build --locked --quiet -p backend -p frontend
	@$(call step,api,'the API is as described') conformance/check

picture: ## The picture at the top of the README, of the page as it is now: half a minute of a rollout in Chromium
	@cluster/prepare test
	@cargo test --locked --quiet -p frontend --test dashboard -- --ignored --exact picture::the_picture_in_the_readme_is_drawn
	@ls docs/page-*.png

fuzz: ## Fuzz what reads input from outside: SECONDS=20 for each target, NAME=one; some 5 minutes are a longer look
	@fuzz/run $(or $(SECONDS),20) $(NAME)

fresh: ## The two commands on an empty Debian, made on the spot; SHORT=1, CACHES=1, SUITE=trixie (root)
	@cluster/fresh

first: .cluster/binaries/compiled ## `make up` on an empty Debian, with this machine's caches, in a folder with a long name (root)
	@$(call step,first,'make up holds on an empty Debian') env SHORT=1 CACHES=1 cluster/fresh

chart: ## Lint, render and validate the chart with every values file
	@cluster/prepare test
	@chart/check

e2e: ## End-to-end tests on clusters of their own, which they start and remove: SIDE_BY_SIDE=4 (root)
	@e2e/run

proof: ## Nothing is lost: all that a cluster does to pods, under load, counted; SHORT=1, ROW=name (root, make up)
	@eval "$$(cluster/cluster env)"; cargo run --locked --quiet --package proof -- $(if $(SHORT),--short) $(addprefix --row ,$(ROW)) $(if $(OUTPUT),--output $(OUTPUT))

vm: images ## A cluster on an emulated Debian with cgroup v2 alone: up to 40 minutes; SUITE=trixie, NODES=2 (root)
	@cluster/vm/run

hostile: ## Hostile requests through the gateway, nginx, HAProxy and Traefik, side by side: docs/hostile.md
	@cluster/prepare test
	@cargo build --locked --quiet --package hostile
	@target/debug/hostile --peers --output docs/hostile.md

figures: .cluster/binaries/compiled ## Sizes, memory and time to exit of the binaries, measured on loopback
	@bench/figures

clean: down ## Stop the cluster and delete all that was built
	@rm -rf .cluster target
