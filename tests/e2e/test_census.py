"""bulkheadctl dogstatsd-stats and top contexts: who sends what, and who fills the memory."""

from harness import Agent, Intake, wait_until


def received(agent):
    return sum(r["received"] for r in agent.ledger_rows("listener"))


def test_the_most_frequent_metrics():
    with Intake() as intake, Agent(intake, config={"dogstatsd_metrics_stats_enable": True}) as agent:
        agent.send(b"often:1:1:1|c|#b:2,a:1\nonce:1|g\n", b"often:1|c|#a:1,b:2")
        wait_until(lambda: received(agent) == 5, 10)
        answer = agent.ctl("dogstatsd-stats")
        rows = {m["name"]: m for m in answer["metrics"]}
        assert [m["name"] for m in answer["metrics"]] == ["often", "once"]
        assert (rows["often"]["count"], rows["often"]["tags"]) == (4, "a:1 b:2")
        assert rows["once"]["last_seen"].endswith("Z")
        assert "often a:1 b:2" in agent.run_ctl("dogstatsd-stats").stdout
        assert agent.stop() == 0


def test_without_the_option_the_way_out_is_named():
    with Intake() as intake, Agent(intake) as agent:
        result = agent.run_ctl("dogstatsd-stats")
        assert result.returncode == 1
        assert "dogstatsd_metrics_stats_enable" in result.stderr
        assert agent.run_ctl("stop", "dogstatsd").returncode == 0
        assert "does not run" in agent.run_ctl("top", "contexts").stderr
        assert agent.run_ctl("top", "secrets").returncode == 2
        assert agent.stop() == 0


def test_what_makes_the_contexts():
    with Intake() as intake, Agent(intake) as agent:
        agent.send(*[b"page:1|c|#user:%d,env:prod\nother:1|g" % i for i in range(2000)])
        wait_until(lambda: received(agent) == 4000, 10)
        answer = agent.ctl("top", "contexts")
        assert answer["contexts"] == 2001
        assert answer["names"] == [{"name": "page", "contexts": 2000}, {"name": "other", "contexts": 1}]
        assert answer["tag_keys"] == [{"key": "user", "values": 2000}, {"key": "env", "values": 1}]
        assert "2000  user" in agent.run_ctl("top", "contexts").stdout
        assert agent.stop() == 0
