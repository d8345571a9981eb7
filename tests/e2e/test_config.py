"""bulkheadctl config: what is wrong with the files, their values, and what a reload would change."""

import json
import subprocess

import pytest

from harness import API_KEY, BUILD, REPO, Agent, Intake, clean_env

CONFIG = 78


@pytest.fixture
def folder(tmp_path):
    """A function that writes files and asks about them, without an agent."""

    def ask(*words, main="", env=None, sources=None):
        (tmp_path / "datadog.yaml").write_text(main)
        if sources is not None:
            (tmp_path / "conf.d" / "a.d").mkdir(parents=True, exist_ok=True)
            (tmp_path / "conf.d" / "a.d" / "conf.yaml").write_text(sources)
        result = subprocess.run(
            [BUILD / "bulkheadctl", "-c", tmp_path, *words],
            capture_output=True,
            text=True,
            env={**clean_env(), "DD_HOSTNAME": "h", **(env or {})},
            timeout=30,
            check=False,
        )
        return result.returncode, result.stdout.replace(str(tmp_path), "~"), result.stderr

    return ask


def test_check_lists_what_is_wrong_and_says_78(folder):
    code, out, _ = folder(
        "config",
        "check",
        main="api_key: k\ndogstatsd_prot: 1\nlogs_enabled: yes\napm_config: {}\n",
        sources="logs:\n- type: tcp\n",
    )
    assert code == CONFIG
    assert out == (
        "~/datadog.yaml:2:1: error: unknown key dogstatsd_prot; did you mean dogstatsd_port?\n"
        '~/datadog.yaml:3:15: error: logs_enabled: "yes" is not a boolean; write true or false\n'
        "~/datadog.yaml:4:1: warning: apm_config is known but has no effect in this version\n"
        "~/conf.d/a.d/conf.yaml:2:3: error: tcp source must have a port; source skipped\n"
    )


def test_check_of_a_good_configuration(folder):
    assert folder("config", "check", main="api_key: k\n") == (0, "the configuration is good\n", "")
    code, out, _ = folder("config", "check", main="api_key: ENC[k]\napm_config: {}\n")
    assert code == 0  # a warning is no mistake
    code, out, _ = folder("--json", "config", "check", main="api_key: k\nsite: [x]\n")
    assert code == CONFIG
    assert json.loads(out) == {
        "schema": 1,
        "valid": False,
        "findings": [
            {"level": "error", "place": "~/datadog.yaml:2:7", "text": "site: one plain value is wanted"},
        ],
    }


def test_the_shipped_example_needs_nothing_but_a_key(tmp_path):
    for env, code in (({}, CONFIG), ({"DD_API_KEY": "k", "DD_HOSTNAME": "h"}, 0)):
        result = subprocess.run(
            [BUILD / "bulkheadctl", "-c", REPO / "deploy" / "examples", "config", "check"],
            capture_output=True,
            text=True,
            env={**clean_env(), **env},
            timeout=30,
            check=False,
        )
        assert result.returncode == code, result.stdout


def test_a_start_goes_on_without_what_only_a_check_refuses():
    with Intake() as intake:
        agent = Agent(intake, config={"no_such_key": 1})
        with agent:
            assert agent.run_ctl("config", "check").returncode == CONFIG
            assert "unknown key no_such_key" in agent.log_text()
            assert agent.stop() == 0


def test_show_tells_each_value_and_where_it_is_from(folder):
    main = f"api_key: {API_KEY}\ntags:\n  - a:b\nproxy:\n  http: http://u:canary@h:1\n"
    env = {"DD_SITE": "datadoghq.eu", "HTTPS_PROXY": "http://u:canary@h:2", "DD_API_KEY": ""}
    code, out, err = folder(
        "config", "show", "--non-default", main=main, env=env, sources="logs: [{type: file, path: /a}]"
    )
    assert (code, err) == (0, "")
    lines = [line.split("  # ") for line in out.splitlines()]
    assert [(value.strip(), place) for value, place in lines] == [
        ("api_key: ********bcdef", "~/datadog.yaml:1:10"),
        ("site: datadoghq.eu", "environment DD_SITE"),
        ("hostname: h", "environment DD_HOSTNAME"),
        ("tags: [a:b]", "~/datadog.yaml:3:3"),
        ("proxy.http: ********", "~/datadog.yaml:5:9"),
        ("proxy.https: ********", "environment"),
        ("logs file /a", "~/conf.d/a.d/conf.yaml:1"),
    ]
    code, out, _ = folder("--json", "config", "show", main=main, env=env)
    options = {o["key"]: o for o in json.loads(out)["options"]}
    assert options["dogstatsd_port"] == {"key": "dogstatsd_port", "value": "8125", "from": "default"}
    assert len(options) > 100
    assert "canary" not in out and API_KEY not in out


def test_diff_tells_what_a_reload_would_change_and_changes_nothing(tmp_path):
    with Intake() as intake, Agent(intake) as agent:
        same = agent.run_ctl("config", "diff")
        assert (same.returncode, same.stdout) == (0, "no difference\n")
        agent.config["dogstatsd_tags"] = ["a:b"]
        agent.config["api_key"] = "f" * 31 + "1"
        agent.config["dogstatsd_port"] = 8125
        agent.write_config()
        agent.write_logs([{"path": str(tmp_path / "a.log")}])
        for _ in range(2):
            diff = agent.run_ctl("config", "diff")
            assert diff.returncode == 1
            assert diff.stdout == (
                "api_key: ********bcdef -> ********ffff1  # without a restart\n"
                "dogstatsd_port: 0 -> 8125  # at a start of bulkhead only\n"
                "dogstatsd_tags: [] -> [a:b]  # restarts dogstatsd\n"
                "log sources: 1 added, 0 removed, 0 changed, 0 unchanged\n"
            )
        assert agent.ctl("config", "diff")["changes"][2] == {
            "key": "dogstatsd_tags",
            "running": "[]",
            "files": "[a:b]",
            "applies": "restarts dogstatsd",
        }
        assert agent.run_ctl("reload", timeout=60).returncode == 0
        diff = agent.run_ctl("config", "diff")
        assert diff.stdout == "dogstatsd_port: 0 -> 8125  # at a start of bulkhead only\n"
        (agent.dir / "datadog.yaml").write_text("a: [")
        diff = agent.run_ctl("-s", str(agent.run_dir / "ctl.sock"), "config", "diff")
        assert diff.returncode == 1
        assert diff.stdout.endswith("a reload changes nothing: the files have errors\n")
        assert agent.stop() == 0


def test_words_that_are_none_are_refused(folder):
    assert folder("config", "chekc")[0] == 2
    assert folder("config", "check", "x")[0] == 2
    assert folder("config", "check", "--non-default")[0] == 2
    assert folder("status", "--non-default")[0] == 2
    assert folder("config", "diff", main="api_key: k\nbulkhead: {run_dir: /nowhere}\n")[0] == 5
