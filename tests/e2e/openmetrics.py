"""Reads a page of OpenMetrics 1.0 as strictly as the specification asks for; a fault is an AssertionError."""

import re

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?\d+(?:\.\d+)?)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
SUFFIX = {"counter": "_total", "gauge": ""}


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
            assert kind in SUFFIX, line
            families[family] = kind
        elif line.startswith("# HELP "):
            assert line.split(" ")[2] == family, line
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels = match[1], tuple(sorted((k, unescape(v)) for k, v in LABEL.findall(match[2])))
            assert name == family + SUFFIX[families[family]], f"{name} is not of {family}"
            assert len({k for k, _ in labels}) == len(labels), line
            assert (name, labels) not in samples, f"twice: {line}"
            assert families[family] != "counter" or float(match[3]) >= 0, line
            samples[name, labels] = float(match[3])
    return samples


def pick(samples, metric, /, **labels):
    """The sum of the samples that have these labels."""
    found = [v for (n, have), v in samples.items() if n == metric and labels.items() <= dict(have).items()]
    assert found, f"no {metric} {labels}"
    return sum(found)
