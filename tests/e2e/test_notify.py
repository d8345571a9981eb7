"""What the service manager hears of a life (sd_notify)."""

import socket

from harness import SLOW, Agent, Intake


def test_the_manager_hears_of_start_reload_watchdog_and_stop():
    with Intake() as intake, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0bh-manager-" + str(intake.port))
        manager.settimeout(20 * SLOW)
        agent = Agent(intake)
        agent.env["NOTIFY_SOCKET"] = "@" + manager.getsockname()[1:].decode()
        agent.env["WATCHDOG_USEC"] = "200000"
        heard = []

        def hear(line):
            while not any(line in m.split("\n") for m in heard):
                heard.append(manager.recv(4096).decode())

        with agent:
            hear("READY=1")
            hear("WATCHDOG=1")
            pid = agent.child_pid("dogstatsd")
            with open(f"/proc/{pid}/environ", "rb") as f:
                assert b"NOTIFY_SOCKET" not in f.read()
            assert agent.run_ctl("reload").returncode == 0
            heard.clear()
            while not any(m.startswith("RELOADING=1\nMONOTONIC_USEC=") for m in heard):
                heard.append(manager.recv(4096).decode())
            hear("READY=1")
            agent.terminate()
            hear("STOPPING=1")
            hear("EXTEND_TIMEOUT_USEC=10000000")
            assert agent.wait() == 0
