"""Makes harness.py importable from every folder of tests."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "e2e"))
