"""bulkheadctl as an operator meets it: 80 columns, exit statuses, what waits and what was lost."""

import re
import socket

from harness import Agent, Intake, wait_until


def text(agent, *args):
    result = agent.run_ctl(*args)
    return result.returncode, result.stdout


def test_status_fits_80_columns_and_names_every_child():
    with Intake() as intake, Agent(intake) as agent:
        code, out = text(agent, "status")
        assert code == 0, out
        assert all(len(line) <= 80 for line in out.splitlines()), out
        for role in ("dogstatsd", "logs", "forwarder"):
            line = next(line for line in out.splitlines() if line.startswith(role))
            assert re.search(rf"RUNNING\s+pid {agent.child_pid(role)}, uptime \d+:\d\d:\d\d", line), line
            assert re.search(r"[\d.]+ [KM]iB", line), line


def test_status_says_what_was_lost_and_why():
    with Intake() as intake, Agent(intake) as agent:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.sendto(b"not a metric\n", agent.dsd_socket)
        sock.close()
        wait_until(lambda: "parse_error" in agent.run_ctl("--json", "ledger").stdout, 10)
        code, out = text(agent, "status")
        assert code == 0, out
        assert re.search(r"parse.error", out), out
        assert all(len(line) <= 80 for line in out.splitlines()), out


def test_status_says_what_waits_while_the_intake_refuses(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    with Intake() as intake:
        intake.fault("status=503")
        config = {"bulkhead": {"spool_after": 0}, "logs_config": {"batch_wait": 1}}
        with Agent(intake, logs=[{"path": str(log)}], config=config) as agent:
            with open(log, "a") as f:
                f.write("one\ntwo\n")

            def spooled():
                rows = agent.ctl("ledger")["rows"]
                return sum(r["spooled"] for r in rows if r["kind"] == "destination") >= 2

            wait_until(spooled, 20)
            _, out = text(agent, "status")
            assert re.search(r"spool", out) and "503" in out, out
            assert all(len(line) <= 80 for line in out.splitlines()), out
            intake.fault("clear=1")


def test_ledger_balances_and_status_of_a_stopped_agent_is_3_or_4():
    with Intake() as intake, Agent(intake) as agent:
        code, out = text(agent, "ledger")
        assert code == 0, out
        assert agent.ctl("ledger")["balanced"] is True
        assert agent.stop() == 0
        code, _ = text(agent, "status")
        assert code in (3, 4)


def test_version_and_wrong_verb():
    with Intake() as intake, Agent(intake) as agent:
        code, out = text(agent, "version")
        assert code == 0 and re.search(r"\d+\.\d+\.\d+", out)
        result = agent.run_ctl("statsu")
        assert result.returncode == 2 and "statsu" in result.stderr
