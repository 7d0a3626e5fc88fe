# make demo    the whole loop on emulated devices (KEEP=1 leaves it running)
# make test    the tests
# make test-chip SDK_DIR=… [ESPER_ROM=…] [RBOOT_DIR=…]    the tests that need the vendor's SDK or
#                                                         mask ROM, or rBoot
# make test-esptool    esptool from PyPI, at emulated boards
# make lint    formatters and linters
# make bench   the figures
# make fuzz    every fuzz target for SECONDS=30 each
# make screenshots    pictures of the dashboard's pages, into build/screenshots
# make cross   vets and tests for a 32-bit computer, and builds for others
# make         builds ./esper
#
# Each installs the Debian packages it needs, if they are missing.

GO ?= go
space := $(subst ,, )
export CGO_ENABLED = 0
# Where Debian puts servers, and not every user looks.
export PATH := $(PATH):/usr/sbin
# The tests say themselves for what they build, and the demonstration needs nothing of the vendor's.
unexport ESPER_SDK

# What is called, and the package that brings it.
BUILD_TOOLS = xtensa-lx106-elf-g++:gcc-xtensa-lx106 \
              /usr/lib/xtensa-lx106-elf/picolibc.specs:picolibc-xtensa-lx106-elf \
              git:git pip3:python3-pip
TEST_TOOLS  = $(BUILD_TOOLS) g++:g++ mosquitto:mosquitto nginx:nginx-light openssl:openssl \
              pg_createcluster:postgresql chromium:chromium npm:npm
LINT_TOOLS  = clang-format:clang-format cppcheck:cppcheck
FUZZ_TOOLS  = clang++:clang /usr/lib/clang/14/include/fuzzer:libclang-rt-14-dev g++:g++
QEMU_TOOLS  = qemu-system-xtensa:qemu-system-misc

CXX_FILES = $(shell git ls-files 'firmware/*.h' 'firmware/*.cpp' 'firmware/*.c')

.PHONY: all esper demo test test-chip test-esptool cross bench screenshots fuzz lint format tools-qemu clean

all: esper

esper:
	$(GO) build -o esper ./cmd/esper

demo:
	@./scripts/need $(BUILD_TOOLS)
	@$(MAKE) --no-print-directory esper
	@./esper demo $(if $(KEEP),--keep)

test:
	@./scripts/need $(TEST_TOOLS)
	$(GO) test -vet=off ./...  # make lint vets

# A Raspberry Pi may be a 32-bit computer; an amd64 one runs programs for the 386. The packages that
# are tested have what the size of an int matters to.
cross:
	GOARCH=386 $(GO) vet ./...
	GOARCH=386 $(GO) test ./internal/delta ./internal/fleet ./internal/git ./internal/image ./internal/release ./internal/repository \
	    ./internal/rollout ./internal/sandbox ./internal/secret ./internal/site
	for target in linux/arm linux/arm64 darwin/amd64 darwin/arm64; do \
	    GOOS=$${target%/*} GOARCH=$${target#*/} $(GO) build -o /dev/null ./cmd/esper || exit; done

# Images of the chip's link, with the vendor's own software in them. Without a dump of the mask ROM
# (esptool dump-mem 0x40000000 65536 rom.bin) those that compare with it are skipped; without the
# sources of rBoot (github.com/raburton/rboot), those with it.
test-chip:
	@test -n "$(SDK_DIR)" || { echo 'make test-chip SDK_DIR=…/ESP8266_NONOS_SDK [ESPER_ROM=rom.bin] [RBOOT_DIR=…/rboot]'; exit 1; }
	@./scripts/need $(BUILD_TOOLS)
	SDK_DIR=$(abspath $(SDK_DIR)) ESPER_ROM=$(abspath $(ESPER_ROM)) RBOOT_DIR=$(abspath $(RBOOT_DIR)) \
	    $(GO) test -count 1 -timeout 60m -v -run 'Chip' ./internal/build ./internal/loop ./internal/preflight ./cmd/esper ./emulator/esp8266

# The oldest and the newest version of esptool that are known to work, at emulated boards. They are
# programs of their own, in a folder each.
ESPTOOLS = 4.8.1 5.6.0
test-esptool:
	@./scripts/need $(BUILD_TOOLS) python3:python3 /usr/share/doc/python3-venv:python3-venv
	@for version in $(ESPTOOLS); do test -x build/esptool/$$version/bin/esptool.py || \
	    { python3 -m venv build/esptool/$$version && \
	      build/esptool/$$version/bin/pip install -q --disable-pip-version-check esptool==$$version; } || exit; done
	ESPTOOL=$(subst $(space),:,$(foreach version,$(ESPTOOLS),$(CURDIR)/build/esptool/$(version)/bin/esptool.py)) \
	    $(GO) test -count 1 -v -run 'Esptool' ./cmd/esper

bench:
	@./scripts/need $(TEST_TOOLS)
	$(GO) test -run '^$$' -bench . ./...

screenshots:
	@./scripts/need chromium:chromium git:git
	SCREENSHOTS=$(CURDIR)/build/screenshots $(GO) test ./internal/dashboard -run TestScreenshots -count 1

fuzz:
	@./scripts/need $(FUZZ_TOOLS)
	@./scripts/fuzz $(or $(SECONDS),30)

lint:
	@./scripts/need $(LINT_TOOLS)
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'lint: run make format'; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	clang-format --dry-run -Werror $(CXX_FILES)
	cppcheck --quiet --std=c++17 --language=c++ --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem \
	    --suppress=uninitMemberVar -i firmware/test -i firmware/fuzz -I firmware/framework -I firmware/sdk firmware

format:
	@./scripts/need $(LINT_TOOLS)
	gofmt -w .
	clang-format -i $(CXX_FILES)

# The reference that the emulated CPU is compared with; its tests are skipped without.
tools-qemu:
	@./scripts/need $(QEMU_TOOLS)

clean:
	rm -f esper
