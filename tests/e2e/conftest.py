"""Fixtures of the end-to-end tests."""

import fcntl
import json
import pathlib
import shutil
import subprocess

import pytest

from harness import BUILD

DATADOGPY = "datadog==0.56.0"
HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def node_modules():
    """The npm packages of package.json, installed once below the build folder."""
    folder = BUILD / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test processes run side by side
        for name, version in wanted.items():
            found = folder / "node_modules" / name / "package.json"
            if found.exists() and json.loads(found.read_text())["version"] == version:
                continue
            for source in ("package.json", "package-lock.json"):
                shutil.copy(HERE / source, folder / source)
            subprocess.run(
                ["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                check=True,
                timeout=300,
            )
            break
    return folder / "node_modules"


@pytest.fixture(scope="session")
def datadogpy():
    """The folder of Datadog's Python client, installed once below the build folder."""
    folder = BUILD / "pip"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "datadog").exists():
            subprocess.run(
                ["/usr/bin/python3", "-m", "pip", "install", "-q", "--no-deps", "--target", folder, DATADOGPY],
                check=True,
                timeout=300,
            )
    return folder
