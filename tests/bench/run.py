#!/usr/bin/env python3
"""Figures, not verdicts: each part prints its tables. Run without a name, all parts run.

    run.py [dogstatsd|logs|supervisor …] [-- CASE …]      BENCH_RUNS=5 BENCH_SECONDS=20 in the environment

A part named alone takes its cases: `run.py logs -- backlog idle`.
"""

import sys

import dogstatsd
import logs
import supervisor

PARTS = {"dogstatsd": dogstatsd.main, "logs": logs.main, "supervisor": supervisor.main}


def main():
    args = sys.argv[1:]
    cases = args[args.index("--") + 1 :] if "--" in args else []
    names = args[: args.index("--")] if "--" in args else args
    unknown = [name for name in names if name not in PARTS]
    if unknown or (cases and names != ["logs"]):
        sys.exit(__doc__)
    for name in names or PARTS:
        print(f"--- {name}", flush=True)
        if cases:
            PARTS[name](cases)
        else:
            PARTS[name]()


if __name__ == "__main__":
    main()
