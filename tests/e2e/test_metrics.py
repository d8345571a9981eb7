"""Metrics from a socket to the intake. Buckets are 10 s long; a stop sends the open ones, so tests
send, stop, and look."""

import math
import random
import re
import socket

import pytest

from harness import SLOW, Agent, Intake, free_udp_port, wait_until


def send_and_stop(intake, *datagrams, **kwargs):
    """One agent's life; returns it for its folder's sake only after everything arrived."""
    with Agent(intake, **kwargs) as agent:
        agent.send(*datagrams)
        assert agent.stop() == 0


def only(records):
    assert len(records) == 1, records
    return records[0]


def series(intake, name):
    """The one series of that name: (type, last value, sorted tags)."""
    record = only(intake.records("series", name))
    assert record["host"] == "testhost"
    return record["type"], record["points"][-1][1], sorted(record["tags"])


def test_counters_are_rates_over_ten_seconds_and_sum_up():
    with Intake() as intake:
        send_and_stop(
            intake,
            b"hits:3|c|#env:prod,b:1\nhits:2|c|@0.5|#b:1,env:prod\nhits:1:1:1|c|#env:prod,b:1\n",
            b"hits:5|c\n",
        )
        tagged = [r for r in intake.records("series", "hits") if r["tags"]]
        plain = [r for r in intake.records("series", "hits") if not r["tags"]]
        assert {tuple(sorted(r["tags"])) for r in tagged} == {("b:1", "env:prod")}
        assert {(r["type"], r["interval"]) for r in tagged + plain} == {("rate", 10)}
        assert sum(v for r in tagged for _, v in r["points"]) == pytest.approx(1.0)  # (3 + 4 + 3) / 10
        assert sum(v for r in plain for _, v in r["points"]) == pytest.approx(0.5)
        assert all(ts % 10 == 0 for r in tagged + plain for ts, _ in r["points"])


def test_a_gauge_keeps_its_last_value():
    with Intake() as intake:
        send_and_stop(intake, b"temp:20|g|#room:a\ntemp:21.5|g|#room:a\ntemp:-3|g|#room:b")
        got = {tuple(r["tags"]): (r["type"], r["points"][-1][1]) for r in intake.records("series", "temp")}
        assert got == {("room:a",): ("gauge", 21.5), ("room:b",): ("gauge", -3)}


def test_a_histogram_gives_its_default_aggregates():
    with Intake() as intake:
        send_and_stop(intake, b"lat:1:10:4:5:2:2|h|#a:b\n")
        assert series(intake, "lat.max") == ("gauge", 10, ["a:b"])
        assert series(intake, "lat.median") == ("gauge", 2, ["a:b"])
        assert series(intake, "lat.avg") == ("gauge", 4, ["a:b"])
        assert series(intake, "lat.count") == ("rate", pytest.approx(0.6), ["a:b"])
        assert series(intake, "lat.95percentile") == ("gauge", 10, ["a:b"])
        assert not intake.records("series", "lat") and not intake.records("series", "lat.min")


def test_a_timer_weighs_its_samples_by_rate():
    with Intake() as intake:
        send_and_stop(intake, b"t:1|ms\nt:2|ms|@0.5\nt:3|ms|@0.2\nt:10|ms|@0.5\n")
        assert series(intake, "t.count") == ("rate", pytest.approx(1.0), [])
        assert series(intake, "t.median")[1] == 3
        assert series(intake, "t.avg")[1] == pytest.approx(4)


def test_configured_aggregates_and_percentiles_replace_the_defaults():
    config = {"histogram_aggregates": ["min", "sum"], "histogram_percentiles": ["0.20", "0.80"]}
    with Intake() as intake:
        send_and_stop(intake, b"h:1|h\nh:2|h|@0.5\nh:3|h|@0.2\nh:10|h|@0.5\n", config=config)
        names = {r["metric"] for r in intake.records("series") if r["metric"].startswith("h.")}
        assert names == {"h.min", "h.sum", "h.20percentile", "h.80percentile"}
        assert series(intake, "h.sum")[1] == pytest.approx(40)
        assert series(intake, "h.20percentile")[1] == 2
        assert series(intake, "h.80percentile")[1] == 3


def test_a_set_counts_distinct_strings():
    with Intake() as intake:
        send_and_stop(intake, b"users:a|s\nusers:b:c|s\nusers:a|s\n")
        assert series(intake, "users") == ("gauge", 2, [])


def test_a_distribution_is_a_sketch():
    with Intake() as intake:
        send_and_stop(intake, b"dist:1:1|d|#env:prod\ndist:2|d|#env:prod\n")
        record = only(intake.records("sketch", "dist"))
        assert (record["host"], record["tags"]) == ("testhost", ["env:prod"])
        point = only(record["points"])
        assert (point["cnt"], point["min"], point["max"], point["sum"]) == (3, 1, 2, 4)
        assert point["avg"] == pytest.approx(4 / 3)
        assert dict(zip(point["k"], point["n"])) == {1338: 2, 1383: 1}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_udp_takes_the_same_lines(host):
    port = free_udp_port(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with Intake() as intake, Agent(intake, config={"dogstatsd_port": port, "bind_host": host}) as agent:
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            for _ in range(20):
                s.sendto(b"udp.hits:2|c|#via:udp\n", (host, port))
        assert agent.stop() == 0
        assert intake.total("udp.hits") == pytest.approx(40)


def test_non_local_traffic_takes_both_families_on_one_port():
    port = free_udp_port()
    config = {"dogstatsd_port": port, "dogstatsd_non_local_traffic": True}
    with Intake() as intake, Agent(intake, config=config) as agent:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.sendto(b"both:1|c", (host, port))
        assert agent.stop() == 0
        assert intake.total("both") == pytest.approx(2)


def test_a_closed_bucket_is_sent_without_a_stop():
    with Intake() as intake, Agent(intake) as agent:
        agent.send(b"live:4|c")
        wait_until(lambda: intake.total("live") == pytest.approx(4), 30)
        assert agent.stop() == 0
        assert intake.total("live") == pytest.approx(4)


def test_values_survive_the_way_exactly():
    rng = random.Random(1)
    values = [0.1, 1e300, -1e-300, 5e-324, 123456789.123456789, *(rng.uniform(-1e6, 1e6) for _ in range(50))]
    with Intake() as intake:
        lines = b"".join(b"g%d:%s|g\n" % (i, repr(v).encode()) for i, v in enumerate(values))
        send_and_stop(intake, lines)
        assert [intake.values(f"g{i}") for i in range(len(values))] == [[v] for v in values]


def test_text_that_is_not_utf8_does_not_poison_a_payload():
    with Intake() as intake:
        send_and_stop(intake, b"bad\xff\xfename:1|c|#t\xc3:v\ngood:1|c\n")
        assert intake.stats()["decode_errors"] == 0
        assert intake.total("good") == pytest.approx(1)
        assert intake.records("series", "bad\ufffdname")[0]["tags"] == ["t\ufffd:v"]


def test_values_that_are_not_finite_never_leave():
    with Intake() as intake, Agent(intake) as agent:
        agent.send(b"n:NaN|g\nn:inf|c\nn:-Inf|h\nn:nan|d\nok:1|c\n")
        agent.stop()
        assert intake.stats()["nonfinite_points"] == 0
        assert intake.total("ok") == pytest.approx(1)
        assert all(math.isfinite(v) for r in intake.records("series") for _, v in r["points"])


def test_configured_tags_are_added():
    with Intake() as intake:
        send_and_stop(intake, b"m:1|c|#own:1", config={"dogstatsd_tags": ["team:x", "zone:y"]})
        assert series(intake, "m")[2] == ["own:1", "team:x", "zone:y"]


GARBAGE = [
    b"",
    b"\n\n\n",
    b"novalue",
    b"noname|c",
    b":1|c",
    b"m:|c",
    b"m:1",
    b"m:1|x",
    b"m:1|c|@nope",
    b"m:abc|c",
    b"m:1e400|g",
    b"\0\0\0:\0|c",
    b"_e{5,4}:title|text",
    b"_sc|name|0",
    b"_e{99999999999,1}:a|b",
    b"|" * 8000,
    b":" * 8000,
    b"m:1|c|#" + b"," * 8000,
]


def test_garbage_is_counted_and_harms_nothing():
    rng = random.Random(7)
    with Intake() as intake, Agent(intake) as agent:
        pid = agent.child_pid("dogstatsd")
        for data in GARBAGE:
            agent.send(data, b"between:1|c")
        for size in (8191, 8192, 8193, 65536):
            agent.send(rng.randbytes(size), b"between:1|c")
        for _ in range(300):
            agent.send(rng.randbytes(rng.randrange(200)))
        agent.send(b"after:1|c\n")

        def drops():
            return {reason: n for r in agent.ledger_rows("listener") for reason, n in r["dropped"].items() if n}

        wait_until(lambda: drops().get("parse_error", 0) > 100 and drops().get("truncated_datagram", 0) > 0, 10, drops)
        ledger = agent.ctl("ledger")
        assert ledger["balanced"], ledger
        assert agent.child_pid("dogstatsd") == pid, "dogstatsd was restarted"
        agent.stop()
        assert intake.total("between") == pytest.approx(len(GARBAGE) + 4)
        assert intake.total("after") == pytest.approx(1)
        assert intake.stats()["decode_errors"] == 0


def test_garbage_over_udp_up_to_the_largest_datagram():
    port = free_udp_port()
    rng = random.Random(8)
    with Intake() as intake, Agent(intake, config={"dogstatsd_port": port}) as agent:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(rng.randbytes(65507), ("127.0.0.1", port))
            s.sendto(b"udp.after:1|c", ("127.0.0.1", port))
        agent.stop()
        assert intake.total("udp.after") == pytest.approx(1)


def test_packets_are_forwarded_unchanged():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, Intake() as intake:
        other.bind(("127.0.0.1", 0))
        other.settimeout(10)
        forward = {"statsd_forward_host": "127.0.0.1", "statsd_forward_port": other.getsockname()[1]}
        send_and_stop(intake, b"a:1|c\nnonsense", config=forward)
        assert other.recv(100) == b"a:1|c\nnonsense"
        assert intake.total("a") == pytest.approx(1)


def test_no_start_without_a_listener_where_one_is_required():
    with Intake() as intake:
        agent = Agent(intake, config={"dogstatsd_socket": "", "dogstatsd_require_listener": True})
        with pytest.raises(AssertionError):
            agent.start()
        assert agent.proc.wait(timeout=10) == 69
        assert "DogStatsD is off" in agent.log_text()
        agent._remove()


def test_quantiles_of_a_distribution_agree_with_an_exact_sort():
    rng = random.Random(11)
    values = [round(rng.lognormvariate(3, 2), 6) for _ in range(20000)]
    with Intake() as intake:
        send_and_stop(
            intake, *[b"lat:" + b":".join(b"%r" % v for v in values[i : i + 500]) + b"|d" for i in range(0, len(values), 500)]
        )
        bins = {}
        for record in intake.records("sketch", "lat"):
            for point in record["points"]:
                for k, n in zip(point["k"], point["n"]):
                    bins[k] = bins.get(k, 0) + n
    assert sum(bins.values()) == len(values)
    values.sort()
    for q in (0.01, 0.25, 0.5, 0.9, 0.99, 0.999):
        rank, seen = int(q * (len(values) - 1)), 0
        for k in sorted(bins):
            seen += bins[k]
            if seen > rank:
                break
        assert 1.015625 ** (k - 1338) == pytest.approx(values[rank], rel=1 / 128 + 1e-6), q


def test_names_are_mapped_spaced_and_filtered():
    profiles = [
        {
            "name": "jobs",
            "prefix": "job.",
            "mappings": [{"match": "job.*.time", "name": "job.time", "tags": {"job": "$1", "kind": "batch"}}],
        }
    ]
    with Intake() as intake:
        send_and_stop(
            intake,
            b"job.mail.time:5|g\ndrop.me:1|c\nlat:2|h\njvm.heap:1|g",
            config={
                "dogstatsd_mapper_profiles": profiles,
                "statsd_metric_namespace": "shop",
                "metric_filterlist": ["shop.drop.me", "shop.lat.avg"],
                "histogram_copy_to_distribution": True,
                "histogram_copy_to_distribution_prefix": "dist.",
            },
        )
        assert series(intake, "shop.job.time") == ("gauge", 5, ["job:mail", "kind:batch"])
        assert series(intake, "jvm.heap")[1] == 1
        names = {r["metric"] for r in intake.records("series")}
        assert "shop.lat.max" in names
        assert not names & {"shop.drop.me", "shop.lat.avg"}
        assert [r["metric"] for r in intake.records("sketch")] == ["dist.shop.lat"]


def test_series_can_go_as_v1_json():
    with Intake() as intake:
        send_and_stop(intake, b"m:1|c|#a:b\nt:4|g|T1700000000", config={"use_v2_api": {"series": False}})
        assert set(intake.stats()["requests"]) >= {"/api/v1/series"}
        assert "/api/v2/series" not in intake.stats()["requests"]
        assert intake.total("m") == pytest.approx(1)
        assert only(intake.records("series", "t"))["points"] == [[1700000000, 4]]


def test_log_payloads_tells_everything_that_is_flushed():
    with Intake() as intake, Agent(intake, config={"log_payloads": True}) as agent:
        agent.send(
            b"hits:3|c|#env:prod,b:1\ntemp:20|g\nlat:1:4|h\nuser:a|s\nsize:7|d\n"
            b"old:1|g|T1700000000\n_e{5,4}:title|text\n_sc|web.up|0\n"
        )
        assert agent.stop() == 0
        log = agent.log_text()
        for told in (
            r"flushed metric=hits bucket=\d+0 host=testhost type=counter sum=3 tags=b:1,env:prod\n",
            r"flushed metric=temp .*type=gauge value=20 tags=\n",
            r"flushed metric=lat .*type=histogram count=2 sum=5 tags=\n",
            r"flushed metric=user .*type=set members=1 tags=\n",
            r"flushed metric=size .*type=distribution count=1 min=7 max=7 sum=7 tags=\n",
            r"flushed samples with a timestamp points=1\n",
            r'flushed event={.*"msg_title":"title"',
            r'flushed check={"check":"web.up"',
        ):
            assert re.search(told, log), told


def test_a_flood_of_contexts_is_bounded_counted_and_named_and_harms_nobody():
    limit = 20_000
    config = {"bulkhead": {"dogstatsd_context_limit": limit}}
    with Intake() as intake, Agent(intake, config=config) as agent:
        agent.send(b"kept:1|c|#who:me")
        for first in range(0, 400_000, 100):
            agent.send(b"".join(b"flood:1|c|#id:%d,x:%040d\n" % (i, i) for i in range(first, first + 100)))
        agent.send(b"kept:1|c|#who:me")
        wait_until(lambda: sum(r["received"] for r in agent.ledger_rows("listener")) == 400_002, 20)
        dropped = sum(r["dropped"].get("context_limit", 0) for r in agent.ledger_rows("listener"))
        assert 400_000 - limit <= dropped < 400_000
        assert "context_limit" in agent.run_ctl("status").stdout.replace(" ", "_")
        assert agent.role("dogstatsd")["rss_kib"] < 64 * 1024 * SLOW
        agent.stop()
        assert intake.total("kept") == pytest.approx(2)


def test_events_and_service_checks_arrive_with_the_flush():
    with Intake() as intake:
        send_and_stop(
            intake,
            b"_e{5,9}:title|line\\ntwo|d:77|p:low|t:error|k:key|s:cron|#b,a\n_sc|db.up|1|m:slow|#a\n",
            b"_e{1,1}:x|y",
            config={"dogstatsd_tags": ["team:x"]},
        )
        events = {e["msg_title"]: e for e in intake.records("event")}
        assert events["title"]["msg_text"] == "line\ntwo"
        assert events["title"]["source"] == "cron"
        assert events["title"]["timestamp"] == 77
        assert events["title"]["tags"] == ["a", "b", "team:x"]
        assert events["x"]["host"] == "testhost"
        checks = {c["check"]: c for c in intake.records("check")}
        assert (checks["db.up"]["status"], checks["db.up"]["tags"]) == (1, ["a", "team:x"])
        assert (checks["datadog.agent.up"]["status"], checks["datadog.agent.up"]["tags"]) == (0, [])
        assert intake.stats()["decode_errors"] == 0


def test_the_ledger_counts_every_sample():
    with Intake() as intake, Agent(intake) as agent:
        agent.send(*[b"n:1|c\nn:1|g\nn:1:2:3|h\n"] * 10)

        def received():
            return sum(r["received"] for r in agent.ledger_rows("listener"))

        wait_until(lambda: received() == 50, 10, received)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_thousands_of_contexts_arrive_in_payloads_the_service_takes():
    with Intake() as intake:
        datagrams = [
            b"".join(b"ctx.%d:1|c|#tag:%s%d\n" % (i, b"x" * 40, i) for i in range(first, first + 50))
            for first in range(0, 20000, 50)
        ]
        send_and_stop(intake, *datagrams)
        stats = intake.stats()
        assert stats["decode_errors"] == 0
        assert set(stats["requests"]["/api/v2/series"]) == {"202"}
        names = {r["metric"] for r in intake.records("series") if r["metric"].startswith("ctx.")}
        assert len(names) == 20000
