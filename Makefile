# confab: build, run, test. `make help` lists the targets.
#
#   SIM=0      build without the ns-3 simulation (and without its licence)
#   MPI=0      build without what lets mpirun share a load or a sweep among machines; so is it where there is no mpicc
#   BUILD=dir  where everything that is made goes (default: build)

SIM ?= 1
MPI ?= $(if $(shell command -v mpicc),1,0)
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_S ?= 10
VERSION := 0.1.0

# All cores, unless make was told how many jobs to run.
JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

CC = gcc
CXX = g++
WARNINGS = -Wall -Wextra -Werror
OPTIMIZE ?= -O2 -g
SANITIZE ?=
DEFINES = -D_GNU_SOURCE -DCONFAB_VERSION='"$(VERSION)"' -DCONFAB_SIM=$(SIM) -DCONFAB_LIBDIR='"$(PREFIX)/lib"' \
          -DOPENSSL_API_COMPAT=10100
CFLAGS = -std=c17 $(OPTIMIZE) $(WARNINGS) $(SANITIZE) -I. $(DEFINES) -MMD -MP -fPIC
CXXFLAGS = -std=c++17 $(OPTIMIZE) $(WARNINGS) -Wno-missing-field-initializers $(SANITIZE) -I. $(DEFINES) -MMD -MP -fPIC
LDFLAGS = $(SANITIZE) -rdynamic
LDLIBS = -lssl -lcrypto -lusrsctp -lpcap -lyaml -ljansson -lwebsockets -luv -ldl -lm -lpthread
NS3LIBS = -lns3-internet -lns3-virtual-net-device -lns3-point-to-point -lns3-csma -lns3-wifi -lns3-traffic-control \
          -lns3-mobility -lns3-network -lns3-core

ifneq ($(SIM),0)
SIMLIB = $(BUILD)/libns3c.so
EXAMPLES = $(patsubst sim/examples/%.c,$(BUILD)/examples/%,$(wildcard sim/examples/*.c))
endif

ifneq ($(MPI),0)
MPILIB = $(BUILD)/libconfab-mpi.so
endif

FLOORS = base world rtc peer sfu sim loadgen loadgen/adapters analyzers report
SOURCES = $(foreach floor,$(FLOORS),$(wildcard $(floor)/*.c))
OBJECTS = $(SOURCES:%.c=$(BUILD)/%.o)
CLI_OBJECTS = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cli/*.c)) $(BUILD)/pages.o
PAGES = $(shell find web -type f 2>/dev/null | LC_ALL=C sort)
NS3C_OBJECTS = $(patsubst %.cc,$(BUILD)/%.o,$(wildcard sim/ns3c/*.cc)) \
               $(addprefix $(BUILD)/,base/address.o base/error.o base/pcapng.o base/rng.o world/link.o)

TESTS = $(wildcard tests/*/*_test.c)
TEST_OBJECTS = $(TESTS:%.c=$(BUILD)/%.o) $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
INTEROP = $(addprefix $(BUILD)/interop/,data_peer people shards)
FUZZ_TARGETS = $(patsubst tests/fuzz/%_fuzz.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
BENCHES = $(filter-out $(if $(filter 0,$(SIM)),sim sim_world),$(patsubst bench/%.c,%,$(wildcard bench/*.c)))
C_FILES = $(shell git ls-files '*.c' '*.h' '*.cc' 2>/dev/null)

.PHONY: all run test check asan tsan fuzz bench packages format install clean help
all: packages
	@$(MAKE) $(JOBS) --no-print-directory confab

# --- what a person asks for -------------------------------------------------------------------------------------------

run: all
	./confab run scenarios/mesh-vs-sfu.yaml

test: packages
	@$(MAKE) $(JOBS) --no-print-directory confab $(BUILD)/run-tests $(INTEROP)
	$(if $(SUITE),,@$(MAKE) --no-print-directory browser)
	$(BUILD)/run-tests $(SUITE)
	$(if $(SUITE),,tests/interop/all.sh ./confab $(BUILD)/interop/data_peer $(BUILD)/interop/people)

help:
	@echo 'make           build ./confab'
	@echo 'make run       build, then the headline comparison: scenarios/mesh-vs-sfu.yaml'
	@echo 'make test      build, then every test (SUITE=name: those suites alone)'
	@echo 'make browser   Chromium at the page: rooms, chat, files, TURN'
	@echo 'make interop   loads on servers that no package brings: LiveKit, Galene (docs/load-servers.md)'
	@echo 'make check     format, lint, static analysis'
	@echo 'make asan      the tests under address and undefined-behaviour sanitizers'
	@echo 'make tsan      the tests of the server and its threads under the thread sanitizer'
	@echo 'make fuzz      each fuzz target for FUZZ_S seconds (10)'
	@echo 'make bench     every benchmark; make bench-NAME for one: $(BENCHES)'
	@echo 'make fidelity  one scenario in both worlds, simulated and live: docs/fidelity.md'
	@echo 'make clips     what synthetic participants show and say, anew: peer/clips'
	@echo 'make pictures  those in the README, anew: docs/pictures'
	@echo 'make install   binary, library and headers under PREFIX (/usr/local)'

# --- building ---------------------------------------------------------------------------------------------------------

packages:
	@./packages.sh

confab: $(BUILD)/confab $(SIMLIB) $(MPILIB) $(EXAMPLES)
	@ln -sf $(BUILD)/confab confab

$(BUILD)/confab: $(CLI_OBJECTS) $(BUILD)/libconfab.a
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS) -o $@ $(CLI_OBJECTS) $(BUILD)/libconfab.a $(LDLIBS)

$(BUILD)/libconfab.a: $(OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/libns3c.so: $(NS3C_OBJECTS) sim/ns3c/exports.map
	@echo '  LINK $@'
	@$(CXX) -shared $(SANITIZE) -Wl,-soname,libns3c.so -Wl,--version-script=sim/ns3c/exports.map -Wl,-z,defs \
	    -o $@ $(NS3C_OBJECTS) $(NS3LIBS)

$(BUILD)/libconfab-mpi.so: loadgen/mpi/mpi.c loadgen/cluster.h
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@mpicc -shared $(CFLAGS) -o $@ $<

# These use the library alone, as others would.
$(BUILD)/examples/%: sim/examples/%.c sim/ns3c.h $(SIMLIB)
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(CC) -std=c17 $(OPTIMIZE) $(WARNINGS) $(SANITIZE) -Isim -o $@ $< -L$(BUILD) -lns3c -Wl,-rpath,'$$ORIGIN/..'

# The files of web/ as they are: cli/pages.h.
$(BUILD)/pages.c: $(PAGES) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "cli/pages.h"'; i=0; for page in $(PAGES); do i=$$((i + 1)); \
	       echo "extern const unsigned char page_$$i[], page_$${i}_end[];"; \
	       echo "__asm__(\".section .rodata; .global page_$$i, page_$${i}_end; \""; \
	       echo "        \"page_$$i: .incbin \\\"$$page\\\"; page_$${i}_end: .byte 0; .previous\");"; done; \
	   echo 'const struct server_page pages[] = {'; i=0; for page in $(PAGES); do i=$$((i + 1)); \
	       echo "    {\"/$${page#web/}\", page_$$i, page_$${i}_end},"; done; \
	   echo '};'; echo 'const size_t page_count = sizeof pages / sizeof pages[0];'; } > $@

$(BUILD)/pages.o: $(BUILD)/pages.c
	@$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	@echo '  CXX  $<'
	@$(CXX) $(CXXFLAGS) -fvisibility=hidden -c -o $@ $<

# The clips are bytes of the program; `make clips` makes them anew.
$(BUILD)/peer/clip.o $(BUILD)/fuzz/objects/peer/clip.o: $(wildcard peer/clips/*.ivf)

.PHONY: clips
clips: packages
	@mkdir -p $(BUILD)
	$(CC) $(CFLAGS) -o $(BUILD)/make-clips peer/clips/make.c -lvpx -lopus -lm
	$(BUILD)/make-clips

# --- tests: each tests/FLOOR/NOUN_test.c defines `void NOUN_test(void)`, which adds its suite ---------------------------

$(BUILD)/tests/registry.c: $(TESTS) Makefile
	@mkdir -p $(@D)
	@{ for t in $(notdir $(TESTS:.c=)); do echo "void $$t(void);"; done; \
	   echo 'void register_tests(void);'; echo 'void register_tests(void)'; echo '{'; \
	   for t in $(notdir $(TESTS:.c=)); do echo "    $$t();"; done; echo '}'; } > $@

$(BUILD)/tests/registry.o: $(BUILD)/tests/registry.c
	@$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/run-tests: $(BUILD)/confab $(TEST_OBJECTS) $(BUILD)/tests/registry.o $(BUILD)/libconfab.a $(SIMLIB) $(MPILIB) $(EXAMPLES)
	@echo '  LINK $@'
	@$(CC) $(LDFLAGS) -o $@ $(TEST_OBJECTS) $(BUILD)/tests/registry.o $(BUILD)/libconfab.a $(LDLIBS) -lcunit -lsrtp2 -lvpx -lopus

# Our side of tests with other people's software, tests/interop/NAME.py.
$(BUILD)/interop/%: tests/interop/%.c $(BUILD)/libconfab.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(BUILD)/libconfab.a $(LDLIBS)

$(BUILD)/interop/shards: $(BUILD)/tests/support/made_load.o

# Loads on other people's servers that no Debian package brings: docs/load-servers.md. One that isn't there is skipped.
.PHONY: interop
interop: packages
	@$(MAKE) $(JOBS) --no-print-directory confab
	@mkdir -p $(BUILD)/servers
	SCRIPTS=tests/servers tests/interop/all.sh ./confab $(BUILD)/servers

# Chromium at the page that confab serves. What drives it is fetched by npm; without it the tests say that they didn't run.
.PHONY: browser
browser: packages
	@$(MAKE) $(JOBS) --no-print-directory confab $(BUILD)/browser/package.json
	node tests/browser/run.mjs $(BUILD)/confab $(BUILD)/browser

.PHONY: pictures
pictures: packages
	@$(MAKE) $(JOBS) --no-print-directory confab $(BUILD)/browser/package.json
	node docs/pictures/make.mjs ./confab $(BUILD)/browser

$(BUILD)/browser/package.json: tests/browser/package.json
	@mkdir -p $(@D)
	@echo '  NPM  $<'
	@cp $< $@
	@cd $(@D) && npm install --silent --no-audit --no-fund --no-package-lock || echo 'npm install failed' >&2

asan: packages
	@$(MAKE) $(JOBS) --no-print-directory BUILD=$(BUILD)/asan OPTIMIZE='-O1 -g' \
	    SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer' \
	    $(BUILD)/asan/confab $(BUILD)/asan/run-tests
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 LSAN_OPTIONS=suppressions=tests/lsan.supp \
	    $(BUILD)/asan/run-tests $(SUITE)

# By setarch, since gcc 12's can't place its shadow in an address space that is laid out at random with 32 bits.
tsan: packages
	@$(MAKE) $(JOBS) --no-print-directory BUILD=$(BUILD)/tsan OPTIMIZE='-O1 -g' SANITIZE='-fsanitize=thread -Wno-error' \
	    $(BUILD)/tsan/confab $(BUILD)/tsan/run-tests
	TSAN_OPTIONS=halt_on_error=1:suppressions=tests/tsan.supp setarch -R $(BUILD)/tsan/run-tests $(or $(SUITE),serve workers datagram_ring live_mailbox)

FUZZ_FLAGS = -std=c17 -O1 -g -I. $(DEFINES) -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJECTS = $(SOURCES:%.c=$(BUILD)/fuzz/objects/%.o)
FUZZ_CC = clang
$(BUILD)/fuzz/objects/%.o: %.c
	@mkdir -p $(@D)
	@echo '  FUZZ $<'
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/objects/libconfab.a: $(FUZZ_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c $(BUILD)/fuzz/objects/libconfab.a
	@echo '  LINK $@'
	@$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/fuzz/objects/libconfab.a -rdynamic $(LDLIBS)

fuzz: packages
	@$(MAKE) $(JOBS) --no-print-directory fuzz-run

FUZZ_RUNS = $(FUZZ_TARGETS:$(BUILD)/fuzz/%=fuzz-run-%)
.PHONY: fuzz-run $(FUZZ_RUNS)
fuzz-run: $(FUZZ_RUNS)
	@echo 'every fuzz target is clean'
$(FUZZ_RUNS): fuzz-run-%: $(BUILD)/fuzz/%
	@mkdir -p $(BUILD)/fuzz/corpus/$* tests/fuzz/seeds/$*
	@echo "  RUN  $*, $(FUZZ_S) s"
	@$< -max_total_time=$(FUZZ_S) -print_final_stats=0 -verbosity=0 -close_fd_mask=1 -max_len=8192 \
	    -artifact_prefix=$(BUILD)/fuzz/$*- $(BUILD)/fuzz/corpus/$* tests/fuzz/seeds/$*

# --- checks -------------------------------------------------------------------------------------------------------------

check: packages
	@$(MAKE) $(JOBS) --no-print-directory check-format check-cppcheck check-tidy

.PHONY: check-format check-cppcheck check-tidy
check-format:
	@echo '  FORMAT'
	@clang-format --dry-run -Werror $(C_FILES)

check-cppcheck:
	@echo '  CPPCHECK'
	@cppcheck --quiet --std=c17 --language=c --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppressions-list=.cppcheck-suppressions -I. $(filter %.c,$(C_FILES))

# One stamp for each file, so that only what changed is looked at again.
check-tidy: $(patsubst %.c,$(BUILD)/tidy/%.ok,$(SOURCES) $(wildcard cli/*.c))
$(BUILD)/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@echo '  TIDY $<'
	@clang-tidy --quiet $< -- -std=c17 -I. $(DEFINES) 2>/dev/null
	@touch $@

format:
	clang-format -i $(C_FILES)

# --- benchmarks ---------------------------------------------------------------------------------------------------------

bench: $(BENCHES:%=bench-%)

.PHONY: bench-%
bench-%: all
	@$(MAKE) $(JOBS) --no-print-directory $(BUILD)/bench/$*
	$(BUILD)/bench/$*

$(BUILD)/bench/%: bench/%.c $(BUILD)/libconfab.a $(SIMLIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libconfab.a $(LDLIBS)

# Beside ours it runs ns-3's own stack, which is in C++.
$(BUILD)/bench/sim: bench/sim.c $(BUILD)/bench/stock_network.o $(BUILD)/libconfab.a $(SIMLIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/bench/stock_network.o $(BUILD)/libconfab.a $(LDLIBS) $(NS3LIBS) -lstdc++

# One scenario in both worlds; rewrites docs/fidelity.md.
.PHONY: fidelity
fidelity: all
	bench/fidelity.py ./confab scenarios/fidelity.yaml docs/fidelity.md

# --- the rest -----------------------------------------------------------------------------------------------------------

install: all
	install -Dm755 $(BUILD)/confab $(DESTDIR)$(PREFIX)/bin/confab
	cli/manual.sh $(BUILD)/confab $(VERSION) $(PREFIX) > $(BUILD)/confab.1
	install -Dm644 $(BUILD)/confab.1 $(DESTDIR)$(PREFIX)/share/man/man1/confab.1
	install -Dm644 cli/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/confab
	install -Dm755 loadgen/examples/exec_whip.py $(DESTDIR)$(PREFIX)/share/confab/examples/exec_whip.py
	for s in scenarios/*.yaml; do install -Dm644 $$s $(DESTDIR)$(PREFIX)/share/confab/$$s; done
ifneq ($(MPI),0)
	install -Dm755 $(BUILD)/libconfab-mpi.so $(DESTDIR)$(PREFIX)/lib/libconfab-mpi.so
endif
ifneq ($(SIM),0)
	install -Dm755 $(BUILD)/libns3c.so $(DESTDIR)$(PREFIX)/lib/libns3c.so
	install -Dm644 sim/ns3c.h $(DESTDIR)$(PREFIX)/include/ns3c.h
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' sim/ns3c.pc.in > $(BUILD)/ns3c.pc
	install -Dm644 $(BUILD)/ns3c.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/ns3c.pc
endif

clean:
	rm -rf $(BUILD) confab

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
