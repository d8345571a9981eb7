# bulkhead: build, run, test. One non-recursive makefile; everything it makes is below $(B).
#
#   make            the executables            make run     start the agent, show what arrives
#   make test       all tests                  make asan    the same under ASan + UBSan
#   make tsan       dogstatsd's tests under ThreadSanitizer
#   make crash      the long crash campaign    make fuzz    build the fuzzers, run each briefly
#   make model      the drain protocol through spin, every interleaving
#   make bench      figures                    make lint    clang-format, clang-tidy, cppcheck
#   make install DESTDIR= prefix=/usr          make deb     the Debian package, in build/deb
#   make test-deb   that package in a Debian of its own: install, upgrade, remove

B        ?= build
SANITIZE ?= 0
prefix   ?= /usr
ifeq ($(origin CC),default)
CC        = gcc
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# --- packages ---------------------------------------------------------------------------------
# Debian packages the build and the tests need; tests/setup installs those that are missing.
PKGS_LINK   = nng libcurl sqlite3 yaml-0.1 libzstd libdeflate zlib jansson libpcre2-8 libmicrohttpd libprotobuf-c libsystemd ncursesw libseccomp
# nng ships no pkg-config file in Debian 12.
pc_libs     = $(foreach p,$(1),$(if $(filter nng,$(p)),-lnng,$(shell pkg-config --libs $(p) 2>/dev/null)))

# --- flags ------------------------------------------------------------------------------------
WARN      = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-qual -Wformat=2 -Wvla -Wundef -Werror
HARDEN    = -fstack-protector-strong -fPIE -fno-common
VERSION   = $(shell sed -n 's/^\#define BH_VERSION "\(.*\)"/\1/p' common/version.h)
ifeq ($(SANITIZE),1)
OPT      ?= -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDOPT     = -fsanitize=address,undefined
else
OPT      ?= -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDOPT     =
endif
CPPFLAGS += -D_GNU_SOURCE -I. -I$(B)/gen
CFLAGS   ?= -g
ALLCFLAGS = -std=gnu17 $(WARN) $(HARDEN) $(OPT) $(CFLAGS)
LDFLAGS  += -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDOPT)

# --- sources ----------------------------------------------------------------------------------
# A role is a folder; its main.c is the executable, all else is a library that tests link too.
ROLES        = dogstatsd logs-agent forwarder supervisor ctl intake
dir_dogstatsd  = dogstatsd
dir_logs-agent = logs-agent
dir_forwarder  = forwarder
dir_supervisor = supervisor
dir_ctl        = supervisor/ctl
dir_intake     = tests/intake
exe_dogstatsd  = $(B)/libexec/bulkhead-dogstatsd
exe_logs-agent = $(B)/libexec/bulkhead-logs
exe_forwarder  = $(B)/libexec/bulkhead-forwarder
exe_supervisor = $(B)/bulkhead
exe_ctl        = $(B)/bulkheadctl
exe_intake     = $(B)/bulkhead-intake
pkg_dogstatsd  = nng libzstd zlib jansson libpcre2-8 libseccomp
pkg_logs-agent = nng libzstd libdeflate libpcre2-8 libsystemd libseccomp
pkg_forwarder  = nng libcurl sqlite3 libzstd zlib jansson libseccomp
pkg_supervisor = yaml-0.1 libzstd
pkg_ctl        = jansson yaml-0.1 libzstd ncursesw
pkg_intake     = libmicrohttpd libzstd zlib jansson libprotobuf-c
EXES           = $(foreach r,$(ROLES),$(exe_$(r)))

COMMON_SRC = $(wildcard common/*.c) $(wildcard proto/*.c)
COMMON_OBJ = $(COMMON_SRC:%.c=$(B)/obj/%.o)
COMMON_LIB = $(B)/libbulkhead.a
PB_C       = $(B)/gen/proto/agent_payload.pb-c.c
PB_OBJ     = $(B)/obj/gen/agent_payload.pb-c.o

all: $(EXES)

# --- rules ------------------------------------------------------------------------------------
# One short line a step; V=1 shows the commands.
ifeq ($(V),1)
say =
Q   =
else
say = @printf '  %-5s %s\n' '$(1)' '$(2)'
Q   = @
endif

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(ALLCFLAGS) -MMD -MP -c $< -o $@

$(PB_C): proto/agent_payload.proto
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)protoc-c --c_out=$(B)/gen $<

$(PB_OBJ): $(PB_C)
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) -std=gnu17 $(HARDEN) $(OPT) $(CFLAGS) -w -c $< -o $@

$(COMMON_LIB): $(COMMON_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

# Tests that bring an allocator of their own do not go with a sanitizer's.
unsanitized = $(if $(filter 1,$(SANITIZE)),tests/unit/dogstatsd/test_steady_state.c)

define ROLE_RULES
src_$(1)  = $$(wildcard $$(dir_$(1))/*.c)
lobj_$(1) = $$(patsubst %.c,$(B)/obj/%.o,$$(filter-out $$(dir_$(1))/main.c,$$(src_$(1))))
lib_$(1)  = $(B)/lib$(1).a
$$(lib_$(1)): $$(lobj_$(1))
	@rm -f $$@
	$$(call say,AR,$$@)
	$$(Q)ar rcs $$@ $$^
$$(exe_$(1)): $(B)/obj/$$(dir_$(1))/main.o $$(lib_$(1)) $(COMMON_LIB) $$(extra_$(1))
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(call pc_libs,$$(pkg_$(1))) -lm -lpthread
utest_$(1) = $(B)/tests/unit-$(1)
usrc_$(1)  = $$(filter-out $$(unsanitized),$$(wildcard tests/unit/$(1)/*.c))
$$(utest_$(1)): $$(patsubst %.c,$(B)/obj/%.o,$$(usrc_$(1))) $$(lib_$(1)) $(COMMON_LIB) $$(PB_OBJ)
	@mkdir -p $$(@D)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(call pc_libs,$(PKGS_LINK)) -lcriterion -lm -lpthread
endef
extra_intake = $(PB_OBJ)
$(foreach r,$(ROLES),$(eval $(call ROLE_RULES,$(r))))

# Objects that include the generated schema wait for it.
$(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/intake/*.c tests/unit/*/*.c)): | $(PB_C)

utest_common = $(B)/tests/unit-common
usrc_common  = $(wildcard tests/unit/common/*.c)
$(utest_common): $(patsubst %.c,$(B)/obj/%.o,$(usrc_common)) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pc_libs,$(PKGS_LINK)) -lcriterion -lm -lpthread

UNIT_TESTS = $(foreach r,common $(ROLES),$(if $(wildcard tests/unit/$(r)/*.c),$(utest_$(r))))

# Both ends of the link as processes of their own, for tests/crash/test_link.py to kill.
LINKPEER     = $(B)/tests/linkpeer
$(LINKPEER): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/linkpeer/*.c)) $(lib_forwarder) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pc_libs,nng libzstd zlib) -lm -lpthread

# A child that breaks the rules, for tests/e2e/test_evil_child.py.
EVILCHILD    = $(B)/tests/evilchild
$(EVILCHILD): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/evilchild/*.c)) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lm -lpthread

# Store and custody over a disk that fails: tests/faults/faultvfs.h. The calls the store makes beside
# SQLite are wrapped; the link and the network are doubles.
FAULTS       = $(B)/tests/unit-faults
FAULTS_WRAP  = -Wl,--wrap=rename,--wrap=unlink,--wrap=fsync,--wrap=posix_fallocate
$(FAULTS): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/faults/*.c)) $(lib_forwarder) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $(FAULTS_WRAP) -o $@ $^ $(call pc_libs,nng sqlite3 libzstd zlib jansson) -lcriterion -lm -lpthread

unit-tests: $(UNIT_TESTS) $(LINKPEER) $(EVILCHILD) $(FAULTS) documents

# --- the two commands, and the rest -----------------------------------------------------------
.PHONY: all setup run test asan tsan crash model fuzz fuzzers bench lint install clean unit-tests \
        agent documents deb test-deb

setup:
	@tests/setup

run:
	@tests/setup build
	@$(MAKE) --no-print-directory all
	@exec tests/run-demo $(B)

test: setup
	@$(MAKE) --no-print-directory all unit-tests
	@B=$(B) tests/run-tests

asan: setup
	@$(MAKE) --no-print-directory B=build/asan SANITIZE=1 all unit-tests
	@B=build/asan tests/run-tests

# The one process with a thread of its own is dogstatsd. TSan wants addresses that do not move.
tsan: setup
	@$(MAKE) --no-print-directory B=build/tsan OPT='-O1 -fno-omit-frame-pointer -fsanitize=thread' \
	    LDOPT=-fsanitize=thread all
	@B=build/tsan PYTHONDONTWRITEBYTECODE=1 setarch -R /usr/bin/python3 -m pytest -p no:cacheprovider -q \
	    -n 2 tests/e2e/test_metrics.py tests/e2e/test_stop_under_load.py tests/e2e/test_faults.py

crash: setup
	@$(MAKE) --no-print-directory all $(LINKPEER) $(FAULTS)
	@B=$(B) tests/run-crash

model: setup
	@tests/run-model

# --- fuzzing: clang's libFuzzer over the same libraries, built once more below build/fuzz --------
FUZZ_SECONDS ?= 12
FUZZERS       = $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OPT      = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all

$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(lib_dogstatsd) $(lib_logs-agent) $(lib_forwarder) $(COMMON_LIB)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(call pc_libs,nng libzstd libdeflate zlib yaml-0.1 jansson libpcre2-8 libsystemd) -lm

fuzzers: $(FUZZERS)

fuzz: setup
	@$(MAKE) --no-print-directory B=build/fuzz CC=clang OPT='$(FUZZ_OPT)' fuzzers
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run-fuzz build/fuzz

# --- figures: medians and ratios to the bare floor, never a verdict ------------------------------
# BENCH=dogstatsd, logs, supervisor or spool: only that part.
BENCH     ?=
BENCH_EXES = $(addprefix $(B)/bench/,dogstatsd-send dogstatsd-floor logs-write logs-floor blackhole spool-store)

$(B)/bench/dogstatsd-send: $(B)/obj/tests/bench/dogstatsd_send.o $(B)/obj/tests/bench/load.o $(COMMON_LIB)
$(B)/bench/dogstatsd-floor: $(B)/obj/tests/bench/dogstatsd_floor.o $(COMMON_LIB)
$(B)/bench/logs-write: $(B)/obj/tests/bench/logs_write.o $(B)/obj/tests/bench/logs_load.o $(COMMON_LIB)
$(B)/bench/logs-floor: $(B)/obj/tests/bench/logs_floor.o $(COMMON_LIB)
$(B)/bench/spool-store: $(B)/obj/tests/bench/spool_store.o $(lib_forwarder) $(COMMON_LIB)
$(B)/bench/blackhole: $(B)/obj/tests/bench/blackhole.o $(B)/obj/tests/bench/logs_seen.o $(COMMON_LIB)
$(BENCH_EXES):
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pc_libs,libzstd zlib sqlite3 jansson nng) -lm -lpthread

bench: setup
	@$(MAKE) --no-print-directory all $(BENCH_EXES)
	@B=$(B) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/bench/run.py $(BENCH)

# --- static checks ------------------------------------------------------------------------------
LINT_C = $(sort $(filter-out $(B)/%,$(foreach d,common proto dogstatsd logs-agent forwarder supervisor \
           supervisor/ctl tests/intake tests/linkpeer tests/evilchild tests/faults deploy/man,$(wildcard $(d)/*.c))))
LINT_H = $(foreach d,common proto dogstatsd logs-agent forwarder supervisor supervisor/ctl \
           tests/intake,$(wildcard $(d)/*.h))

lint: setup $(PB_C)
	clang-format --dry-run -Werror $(LINT_C) $(filter-out common/crc_tables.h,$(LINT_H))
	printf '%s\n' $(LINT_C) | xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$$@" -- \
	    -std=gnu17 $(CPPFLAGS) || exit 255' lint
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --error-exitcode=1 --suppress=missingInclude \
	    --suppress='preprocessorErrorDirective:*agent_payload*' $(CPPFLAGS) -j 2 \
	    $(filter-out tests/faults/test_%,$(LINT_C)) # Criterion's macros are beyond it

# --- manual pages and completion: made from the tables the programs use ----------------------------
MAN      = $(patsubst deploy/man/%,$(B)/man/%,$(wildcard deploy/man/*.[1-8]))
MAN_FILL = $(B)/man/fill
COMPLETION = $(addprefix $(B)/completion/,bash zsh fish)
documents: $(MAN) $(COMPLETION)

$(MAN_FILL): $(B)/obj/deploy/man/fill.o $(lib_ctl) $(COMMON_LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(call pc_libs,$(pkg_ctl)) -lm -lpthread

$(MAN): $(B)/man/%: deploy/man/% $(MAN_FILL)
	$(call say,GEN,$@)
	$(Q)$(MAN_FILL) <$< >$@

$(COMPLETION): $(B)/completion/%: deploy/completion/generate.py $(exe_ctl)
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)/usr/bin/python3 $< $(exe_ctl) $* >$@

# --- installation -------------------------------------------------------------------------------
# What names a program's place in these files follows prefix.
sysconfdir ?= /etc
unitdir    ?= $(prefix)/lib/systemd/system
AGENT_EXES  = $(filter-out $(exe_intake),$(EXES))
at          = $(DESTDIR)$(prefix)
placed      = sed 's@/usr/\(s\?bin\|libexec\)/@$(prefix)/\1/@g' $(1) >$(2) && chmod 0644 $(2)

agent: $(AGENT_EXES) documents

install: agent
	install -d $(at)/sbin $(at)/bin $(at)/libexec/bulkhead
	install -m 0755 $(B)/bulkhead $(at)/sbin/
	install -m 0755 $(B)/bulkheadctl $(at)/bin/
	install -m 0755 $(exe_dogstatsd) $(exe_logs-agent) $(exe_forwarder) $(at)/libexec/bulkhead/
	install -d $(DESTDIR)$(unitdir) $(at)/lib/sysusers.d $(at)/lib/tmpfiles.d
	$(foreach f,$(wildcard deploy/systemd/*),$(call placed,$(f),$(DESTDIR)$(unitdir)/$(notdir $(f))) &&) :
	install -m 0644 deploy/sysusers.d/bulkhead.conf $(at)/lib/sysusers.d/
	install -m 0644 deploy/tmpfiles.d/bulkhead.conf $(at)/lib/tmpfiles.d/
	install -d $(foreach n,1 5 7 8,$(at)/share/man/man$(n))
	$(foreach m,$(MAN),install -m 0644 $(m) $(at)/share/man/man$(subst .,,$(suffix $(m)))/ &&) :
	install -d $(at)/share/bash-completion/completions $(at)/share/zsh/vendor-completions \
	    $(at)/share/fish/vendor_completions.d
	install -m 0644 $(B)/completion/bash $(at)/share/bash-completion/completions/bulkheadctl
	install -m 0644 $(B)/completion/zsh $(at)/share/zsh/vendor-completions/_bulkheadctl
	install -m 0644 $(B)/completion/fish $(at)/share/fish/vendor_completions.d/bulkheadctl.fish
	install -d $(at)/share/doc/bulkhead
	install -m 0644 README.md $(at)/share/doc/bulkhead/
	cp -R deploy/examples $(at)/share/doc/bulkhead/
	cp -R deploy/container $(at)/share/doc/bulkhead/examples/
	install -d -m 0755 $(DESTDIR)$(sysconfdir)/bulkhead/conf.d $(DESTDIR)$(sysconfdir)/apparmor.d \
	    $(DESTDIR)$(sysconfdir)/logrotate.d
	$(call placed,deploy/apparmor/bulkhead,$(DESTDIR)$(sysconfdir)/apparmor.d/bulkhead)
	$(call placed,deploy/examples/logrotate,$(DESTDIR)$(sysconfdir)/logrotate.d/bulkhead)
	test -e $(DESTDIR)$(sysconfdir)/bulkhead/datadog.yaml || \
	    install -m 0640 deploy/examples/datadog.yaml $(DESTDIR)$(sysconfdir)/bulkhead/

deb:
	@tests/setup deb
	@deploy/build-deb build/deb

# Installs, upgrades and removes the package in a Debian of its own below build/; needs root.
test-deb: deb
	@tests/setup test-deb
	@$(MAKE) --no-print-directory all
	@B=$(B) tests/package/run build/deb

clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
