"""tests/check-includes catches what it is there for."""

import subprocess

import pytest

from harness import REPO


def check(root):
    return subprocess.run(
        [REPO / "tests" / "check-includes", "--root", root], capture_output=True, text=True, check=False
    )


def make_tree(tmp_path, name, line):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{line}\n")


@pytest.mark.parametrize(
    "name, line",
    [
        ("dogstatsd/main.c", '#include "dogstatsd/parser.h"'),
        ("dogstatsd/main.c", '#include "common/ipc.h"'),
        ("forwarder/db.c", "#include <sqlite3.h>"),
        ("forwarder/http.c", "#include <curl/curl.h>"),
        ("common/ipc.c", "#include <nng/nng.h>"),
        ("supervisor/ctl/main.c", '#include "supervisor/lifecycle.h"'),
        ("common/buf.c", '#include "proto/link.h"'),
    ],
)
def test_an_include_along_the_rule_passes(tmp_path, name, line):
    make_tree(tmp_path, name, line)
    result = check(tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "name, line",
    [
        ("dogstatsd/main.c", '#include "forwarder/store.h"'),
        ("logs-agent/main.c", '#include "dogstatsd/parser.h"'),
        ("forwarder/main.c", '#  include "supervisor/lifecycle.h"'),
        ("supervisor/main.c", '#include "logs-agent/tailer.h"'),
        ("common/buf.c", '#include "forwarder/store.h"'),
        ("proto/link.c", '#include "dogstatsd/parser.h"'),
        ("dogstatsd/main.c", '#include "tests/intake/faults.h"'),
        ("supervisor/main.c", '#include "common/ipc.h"'),
        ("supervisor/ctl/main.c", "#include <nng/nng.h>"),
        ("forwarder/main.c", "#include <nng/nng.h>"),
        ("common/store.c", "#include <sqlite3.h>"),
        ("dogstatsd/http.c", "#include <curl/curl.h>"),
        ("dogstatsd/main.h", '#include "forwarder/store.h"'),
    ],
)
def test_an_include_against_the_rule_is_named(tmp_path, name, line):
    make_tree(tmp_path, name, line)
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith(f"{name}: includes ")
