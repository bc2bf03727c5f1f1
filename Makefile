# `make` shows what there is to do.
.DEFAULT_GOAL := help
.PHONY: help build run test asan tsan bench format tidy deps

JOBS ?= $(shell nproc)

help:          ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS="$$(printf '\t')" read -r n d; do printf '  make %-8s %s\n' "$$n" "$$d"; done

deps:          ## install the Debian packages that are missing
	@sh cmake/dependencies.sh

build: deps    ## the server: build/release/bin/holdfast
	cmake --preset release
	cmake --build --preset release -j $(JOBS) --target holdfast_main

run: build     ## build and serve on 127.0.0.1:8080, data in ./data
	build/release/bin/holdfast serve --listen 127.0.0.1:8080 --data ./data

test: deps     ## build everything and run the tests
	@sh cmake/test_dependencies.sh
	cmake --preset release
	cmake --build --preset release -j $(JOBS)
	ctest --preset release --no-tests=error

asan: deps     ## the tests under the address and undefined-behaviour sanitizers
	@sh cmake/test_dependencies.sh
	cmake --preset asan-ubsan
	cmake --build --preset asan-ubsan -j $(JOBS)
	ctest --preset asan-ubsan --no-tests=error

tsan: deps     ## the tests under the thread sanitizer
	@sh cmake/test_dependencies.sh
	cmake --preset tsan
	cmake --build --preset tsan -j $(JOBS)
	ctest --preset tsan --no-tests=error

bench: build   ## throughput and latency beside the floor, in one run
	cmake --build --preset release -j $(JOBS) --target floor
	sh benchmarks/compare.sh

format:        ## clang-format over every source
	git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

tidy: deps     ## clang-tidy over every source
	cmake --preset dev
	git ls-files '*.cpp' | xargs clang-tidy -p build/dev --quiet
