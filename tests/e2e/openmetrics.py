"""Reads a page of OpenMetrics 1.0 as strictly as the specification asks for; a fault is an AssertionError."""

import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?\d+(?:\.\d+)?)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


def unescape(value):
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value)


def parse(text):
    """{(name, ((label, value), …)): number}; labels sorted."""
    assert text.endswith("# EOF\n"), text[-200:]
    families, samples = {}, {}
    family = None
    for line in text[: -len("# EOF\n")].split("\n")[:-1]:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in families, f"a second {family}"
            assert kind in SUFFIXES, line
            families[family] = kind
        elif line.startswith("# HELP "):
            assert line.split(" ")[2] == family, line
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match[1], tuple(sorted((k, unescape(v)) for k, v in LABEL.findall(match[2])))
            assert name in [family + s for s in SUFFIXES[families[family]]], f"{name} is not of {family}"
            assert len({k for k, _ in labels}) == len(labels), line
            assert (name, labels) not in samples, f"twice: {line}"
            assert families[family] == "gauge" or float(match[3]) >= 0, line
            samples[name, labels] = float(match[3])
    for family in (f for f, kind in families.items() if kind == "histogram"):
        check_histograms(family, list(samples.items()))
    return samples


def check_histograms(family, samples):
    """Of each metric: buckets in order that only rise, up to +Inf; then the count, which is that one, and the sum."""
    metric, buckets = None, []
    for (name, labels), value in samples:
        if name == family + "_bucket":
            *before, (label, bound) = labels  # sorted: nothing we say comes behind "le"
            assert label == "le" and (not buckets or before == metric), f"interleaved: {name} {labels}"
            assert not buckets or (buckets[-1][0] < float(bound) and buckets[-1][1] <= value), f"{name} {labels}"
            metric = before
            buckets.append((float(bound), value))
        elif name == family + "_count":
            assert buckets and buckets[-1] == (float("inf"), value) and list(labels) == metric, f"{name} {labels}"
            buckets = []
        elif name == family + "_sum":
            assert not buckets and list(labels) == metric, f"{name} {labels}"
    assert not buckets, f"{family} ends within a metric"


def pick(samples, metric, /, **labels):
    """The sum of the samples that have these labels."""
    found = [v for (n, have), v in samples.items() if n == metric and labels.items() <= dict(have).items()]
    assert found, f"no {metric} {labels}"
    return sum(found)
