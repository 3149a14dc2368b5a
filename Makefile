# dsv4's front: `make demo` and `make test` install what they need, build, and run. CMakeLists.txt is the build.
#
#   make            build build/dsv4              make fuzz       the parsers under libFuzzer, FUZZ_SECONDS each
#   make demo       a story and a sum             make layers     who includes whom; fails if one goes up
#   make test       all tests; SAN=1, TSAN=1      make install    to $(DESTDIR)$(PREFIX)        make clean
#   make cross      for 64-bit Arm under qemu, and here without vector variants
#   make bars       speeds that the engine is held to here, and whether it is; BARS='flash demo start context'
#   make bench-onednn  products against oneDNN's; ONEDNN='--rows 512 wq_b'
#   make check      every variant of every op against the reference; OP='linear rope', BENCH=1

BUILD        := build$(if $(SAN),-san)$(if $(TSAN),-tsan)
CMAKE_FLAGS  := $(if $(SAN),-DDSV4_SAN=ON) $(if $(TSAN),-DDSV4_TSAN=ON)
# the thread sanitizer is for what has threads
CTEST_FLAGS  := $(if $(TSAN),-R 'test_(deferred|engine|limits|invariance|pool|toys)')
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 60
JOBS         ?= $(shell nproc)

.PHONY: all setup ready demo test check bars bench-onednn fuzz cross layers install clean

all: $(BUILD)/CMakeCache.txt
	@MAKEFLAGS= cmake --build $(BUILD) --parallel $(JOBS)

$(BUILD)/CMakeCache.txt:
	cmake -S . -B $(BUILD) $(CMAKE_FLAGS)

setup:
	@script/setup build

# what demo and test need; once, also under make -j
ready: setup
	@$(MAKE) --no-print-directory all

demo: ready
	@echo
	$(BUILD)/dsv4 run -p 'Tell me a story about a fox.' --temperature 0.7 --seed 1 -n 200
	@echo
	$(BUILD)/dsv4 run -p 'What is 17 + 25?' --think --temperature 0 --stats

test: ready
	ctest --test-dir $(BUILD) --output-on-failure $(CTEST_FLAGS)

check: ready
	$(BUILD)/dsv4-check $(OP) $(if $(BENCH),--bench)

bars: ready
	$(BUILD)/dsv4-bars $(BARS)

bench-onednn: ready
	@script/setup bench
	cmake -S . -B $(BUILD) -DDSV4_ONEDNN=ON
	@MAKEFLAGS= cmake --build $(BUILD) --parallel $(JOBS) --target dsv4_onednn
	$(BUILD)/dsv4-onednn $(ONEDNN)

fuzz:
	@script/setup build fuzz
	cmake -S . -B build-fuzz -DCMAKE_C_COMPILER=clang -DDSV4_FUZZ=ON -DDSV4_TESTS=OFF -DDSV4_PROGRAM=OFF
	@MAKEFLAGS= cmake --build build-fuzz --parallel $(JOBS)
	script/fuzz build-fuzz $(FUZZ_SECONDS)

cross:
	@script/setup build cross
	@script/cross $(JOBS)

layers:
	@script/layers

install: all
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build build-san build-tsan build-fuzz build-scalar build-aarch64
