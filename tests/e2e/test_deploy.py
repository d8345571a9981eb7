"""What an installation brings: the unit, users, folders, the profile, manual pages, completion, examples (spec/supervision.md
§15 to §17). The package itself is tested by tests/package/run."""

import configparser
import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from harness import API_KEY, BUILD, REPO, SLOW, Agent, Intake, clean_env, free_udp_port, wait_until

DEPLOY = REPO / "deploy"
UNIT = DEPLOY / "systemd/bulkhead.service"
INSTALLED = """
etc/apparmor.d/bulkhead
etc/bulkhead/conf.d
etc/bulkhead/datadog.yaml
etc/logrotate.d/bulkhead
usr/bin/bulkheadctl
usr/lib/systemd/system/bulkhead-dogstatsd.socket
usr/lib/systemd/system/bulkhead.service
usr/lib/sysusers.d/bulkhead.conf
usr/lib/tmpfiles.d/bulkhead.conf
usr/libexec/bulkhead/bulkhead-dogstatsd
usr/libexec/bulkhead/bulkhead-forwarder
usr/libexec/bulkhead/bulkhead-logs
usr/sbin/bulkhead
usr/share/bash-completion/completions/bulkheadctl
usr/share/doc/bulkhead/README.md
usr/share/doc/bulkhead/examples/conf.d/syslog.d/conf.yaml
usr/share/doc/bulkhead/examples/container/Containerfile
usr/share/doc/bulkhead/examples/datadog.yaml
usr/share/doc/bulkhead/examples/logrotate
usr/share/doc/bulkhead/examples/systemd/bulkhead.service.d/api-key.conf
usr/share/fish/vendor_completions.d/bulkheadctl.fish
usr/share/man/man1/bulkheadctl.1
usr/share/man/man5/bulkhead.yaml.5
usr/share/man/man7/bulkhead.7
usr/share/man/man8/bulkhead.8
usr/share/zsh/vendor-completions/_bulkheadctl
""".split()


def run(*command, ok=(0,), env=None, **kwargs):
    result = subprocess.run(
        command, capture_output=True, text=True, env={**clean_env(), **(env or {})}, timeout=120 * SLOW, check=False, **kwargs
    )
    assert result.returncode in ok, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
    return result


def make(*words):
    """In the build folder of this run; the options of a make around it are not for this one."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    sanitize = ["SANITIZE=1"] if BUILD.name == "asan" else []
    with open(BUILD / "deploy.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            ["make", "-s", f"B={BUILD.relative_to(REPO)}", *sanitize, *words],
            cwd=REPO,
            env=env,
            check=True,
            capture_output=True,
            timeout=300 * SLOW,
        )


@pytest.fixture(name="tree", scope="module")
def installed_tree():
    """`make install` into a folder."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bh-install-", dir="/tmp"))
    make("install", f"DESTDIR={folder}")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(name="table", scope="module")
def verb_table():
    return json.loads(run(BUILD / "bulkheadctl", "--json", "help").stdout)["verbs"]


def section(name):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return parser[name]


# --- the unit ---


def test_the_exposure_of_the_unit_stays_low():
    result = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    score = float(re.search(r"exposure level for bulkhead.service: ([0-9.]+)", result.stdout)[1])
    print(f"exposure of bulkhead.service: {score}")
    assert score <= 2.3


def test_the_unit_says_what_the_supervisor_needs():
    service = section("Service")
    wanted = {
        "Type": "notify",
        "NotifyAccess": "main",
        "KillMode": "mixed",
        "OOMPolicy": "continue",
        "WatchdogSec": "30",
        "RestartPreventExitStatus": "77 78",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "MemoryDenyWriteExecute": "yes",
    }
    assert {k: service[k] for k in wanted} == wanted
    assert "LoadCredential" not in service  # a missing file would fail the start: a drop-in has it
    filters = [line for line in UNIT.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert all(c in filters[0] for c in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"))


def test_systemd_takes_units_and_drop_ins(tree):
    drop_ins = tree / "usr/lib/systemd/system/bulkhead.service.d"
    shutil.copytree(DEPLOY / "examples/systemd/bulkhead.service.d", drop_ins)
    try:
        # What is wanted from elsewhere is not in this tree; what concerns these files is.
        result = run("systemd-analyze", "verify", f"--root={tree}", "--man=no", "bulkhead.service", ok=(0, 1))
        ours = [line for line in result.stderr.splitlines() if "bulkhead" in line and "not found" not in line]
        assert not ours
    finally:
        shutil.rmtree(drop_ins)


def test_users_and_folders(tmp_path):
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", DEPLOY / "sysusers.d/bulkhead.conf")
    users = {line.split(":")[0]: line.strip().split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    assert sorted(users) == ["_bulkhead-dsd", "_bulkhead-fwd", "_bulkhead-logs"]
    assert all(u[5] == "/nonexistent" and u[6].endswith("nologin") for u in users.values())
    groups = {line.split(":")[0]: line.strip().split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert set(groups["bulkhead-ipc"].split(",")) == set(users) and groups["bulkhead"] == ""
    run("systemd-tmpfiles", "--create", f"--root={tmp_path}", DEPLOY / "tmpfiles.d/bulkhead.conf")
    modes = {p: oct((tmp_path / p).stat().st_mode & 0o7777) for p in ("run/bulkhead", "var/lib/bulkhead", "var/lib/bulkhead/store")}
    assert modes == {"run/bulkhead": "0o755", "var/lib/bulkhead": "0o711", "var/lib/bulkhead/store": "0o700"}


def test_the_apparmor_profile_parses():
    run("apparmor_parser", "--skip-kernel-load", "--skip-cache", DEPLOY / "apparmor/bulkhead")


def test_sockets_of_the_service_manager_are_taken(tmp_path):
    """The first datagram comes before bulkhead runs, as with the socket unit."""
    with Intake() as intake, tempfile.TemporaryDirectory(prefix="bh-", dir="/tmp") as folder:
        port, path = free_udp_port(), f"{folder}/dsd.socket"
        activate = ["systemd-socket-activate", "--datagram", "-l", f"127.0.0.1:{port}", "-l", path]
        config = {"dogstatsd_port": port, "dogstatsd_socket": path, "logs_enabled": False}
        agent = Agent(intake, config=config, wrapper=activate)
        agent.dsd_socket = path
        try:
            agent.spawn()
            wait_until(lambda: os.path.exists(path), 20)  # the last of the two
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"deploy.udp:1|c", ("127.0.0.1", port))
            wait_until(agent.is_ready, 20, agent.log_text)
            agent.send(b"deploy.unix:1|c")
            wait_until(lambda: sum(r["received"] for r in agent.ledger_rows("listener")) == 2, 20, agent.log_text)
            assert agent.stop() == 0
            assert intake.total("deploy.udp") == 1 and intake.total("deploy.unix") == 1
            assert os.path.exists(path)  # it is the manager's
        finally:
            agent.__exit__(None, None, None)


# --- manual pages and completion ---


def test_manual_pages_are_clean_and_whole(tree, table):
    pages = sorted((tree / "usr/share/man").glob("man*/*"))
    assert len(pages) == 4
    for page in pages:
        assert not run("mandoc", "-Tlint", "-Wwarning", page, ok=(0, 2, 3)).stdout
        assert "@" not in page.read_text().replace("@OPTIONS", "@").split(".SH NAME")[0]  # all parts are filled in
    text = {page.name: page.read_text().replace("\\-", "-") for page in pages}
    missing = [v["name"] for v in table if not re.search(rf"^\.[BI]+R? \"?{v['name']}\b", text["bulkheadctl.1"], re.M)]
    assert missing in ([], ["help"])
    source = (REPO / "common/config_options.c").read_text()
    options = re.findall(r'^\t(?:\{|UNUSED\()"([\w.]+)"', source, re.M)
    assert len(options) > 200
    assert not [o for o in options if o not in text["bulkhead.yaml.5"]]
    keys = re.search(r"keys\[\] = \{(.*?)\};", (REPO / "common/config_source.c").read_text(), re.S)[1]
    keys = re.findall(r'"(\w+)"', keys)
    assert len(keys) > 30
    assert not [k for k in keys if not re.search(rf"\b{k}\b", text["bulkhead.yaml.5"])]


def complete(script, *words):
    """What bash offers for the last of these words."""
    line = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bulkheadctl; printf "%s\\n" "${COMPREPLY[@]}"'
    return run("bash", "-c", line, "bash", script, "bulkheadctl", *words).stdout.split()


def test_completion_in_bash(tree, table, tmp_path):
    script = tree / "usr/share/bash-completion/completions/bulkheadctl"
    verbs = list(dict.fromkeys(v["name"] for v in table))
    assert complete(script, "") == verbs
    assert complete(script, "--json", "-c", "x", "sta") == ["status", "start"]
    assert complete(script, "restart", "logs", "") == ["dogstatsd", "logs", "forwarder", "all"]
    assert {"ls", "export", "show", "forget", "import"} == set(complete(script, "registry", ""))
    assert complete(script, "quarantine", "r") == ["replay"]
    assert "--timeout" in complete(script, "--t")
    (tmp_path / "registry.json").touch()
    assert complete(script, "registry", "import", f"{tmp_path}/reg") == [f"{tmp_path}/registry.json"]


@pytest.mark.parametrize("shell,path", [("zsh", "zsh/vendor-completions/_bulkheadctl"), ("fish", "fish/vendor_completions.d/bulkheadctl.fish")])
def test_completion_in_other_shells(tree, table, shell, path):
    script = tree / "usr/share" / path
    assert not [v["name"] for v in table if not re.search(rf"['\s]{v['name']}\b", script.read_text())]
    if shutil.which(shell):
        run(shell, "-n", script)


# --- installation and examples ---


def test_make_install(tree):
    found = {str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file() or not any(p.iterdir())}
    assert not set(INSTALLED) - found
    assert (tree / "etc/bulkhead/datadog.yaml").stat().st_mode & 0o777 == 0o640
    assert "bulkhead" in run(tree / "usr/sbin/bulkhead", "--version").stdout
    # A configuration that is there stays.
    (tree / "etc/bulkhead/datadog.yaml").write_text("site: datadoghq.eu\n")
    make("install", f"DESTDIR={tree}", "prefix=/usr/local")
    assert (tree / "etc/bulkhead/datadog.yaml").read_text() == "site: datadoghq.eu\n"
    unit = (tree / "usr/local/lib/systemd/system/bulkhead.service").read_text()
    assert "ExecStart=/usr/local/sbin/bulkhead run\n" in unit
    assert "/usr/local/libexec/bulkhead/bulkhead-* mrix" in (tree / "etc/apparmor.d/bulkhead").read_text()


def findings_of(folder):
    """What bulkhead says of a configuration that lacks nothing but the key."""
    result = run(BUILD / "bulkhead", "run", "-c", folder, ok=(78,))
    lines = result.stderr.splitlines()
    assert any("api_key is not set" in line for line in lines)
    return [line for line in lines if "api_key is not set" not in line]


def test_the_examples_are_true(tmp_path):
    shutil.copytree(DEPLOY / "examples/conf.d", tmp_path / "conf.d")
    text = (DEPLOY / "examples/datadog.yaml").read_text()
    (tmp_path / "datadog.yaml").write_text(text)
    assert not findings_of(tmp_path)
    # Prose begins with ##, or is above the first key; an option that is commented out with one #.
    head, _, rest = text.partition("\n\n")
    rest = re.sub(r"^( *)# ", r"\1", rest, flags=re.M).replace("/var/l", f"{tmp_path}/l")
    (tmp_path / "datadog.yaml").write_text(head + "\n\n" + rest)
    # Keys, certificates and programs of a host are not here.
    assert not [f for f in findings_of(tmp_path) if "No such file" not in f]


def test_the_sample_for_logrotate_parses(tmp_path):
    sample = tmp_path / "bulkhead"
    sample.write_text(re.sub(r"create .*", "create 0640", (DEPLOY / "examples/logrotate").read_text()))
    result = run("logrotate", "-d", "-s", tmp_path / "state", sample)
    assert "error" not in result.stderr


def test_the_version_of_the_package_is_the_program_s():
    version = re.search(r'BH_VERSION\s+"(.*)"', (REPO / "common/version.h").read_text())[1]
    assert (DEPLOY / "debian/changelog").read_text().startswith(f"bulkhead ({version}) ")


def test_the_package_is_built_with_what_the_build_needs():
    setup = (REPO / "tests/setup").read_text().split("packages=(", 1)[1].split(")", 1)[0]
    needed = {word for word in setup.split() if word.startswith(("lib", "zlib"))}
    tests_only = {"libmicrohttpd-dev", "libprotobuf-c-dev", "libxxhash-dev"}
    control = (DEPLOY / "debian/control").read_text().split("Standards-Version")[0]
    assert not needed - tests_only - set(re.findall(r"[\w.+-]+", control))


def test_a_key_from_the_service_manager_and_a_state_directory_that_forgets(tmp_path):
    (tmp_path / "api_key").write_text(API_KEY + "\n")
    with Intake() as intake, tempfile.TemporaryDirectory(prefix="bh-", dir="/dev/shm") as memory:
        config = {"api_key": "", "run_path": memory}
        with Agent(intake, config=config, env={"CREDENTIALS_DIRECTORY": str(tmp_path)}) as agent:
            assert any(memory in note and "tmpfs" in note for note in agent.ctl("status")["notes"])
            assert "tmpfs" in agent.log_text()
            agent.stop()
