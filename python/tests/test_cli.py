"""The command line opens what Python wrote, and the reverse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nearfield as nf
from conftest import COLUMNS, SCHEMA, clustered

TARGETS = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[2] / "target"))


def binary() -> str:
    """Find the program: NEARFIELD_BIN, else what cargo built last."""
    stated = os.environ.get("NEARFIELD_BIN")
    if stated is not None:
        found = shutil.which(stated)
        assert found, f"NEARFIELD_BIN={stated}: expected an executable; build nearfield-server"
        return found
    built = [TARGETS / profile / "nearfield" for profile in ("debug", "release")]
    built = [path for path in built if path.is_file()]
    if not built:
        pytest.skip(
            "no nearfield binary: run `cargo build -p nearfield-server` or set NEARFIELD_BIN"
        )
    return str(max(built, key=lambda path: path.stat().st_mtime))


def run(*arguments: str, status: int = 0) -> Any:
    """Run a command with --json and return what it says."""
    done = subprocess.run(
        [binary(), *arguments, "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout) if status == 0 else done.stderr


def test_the_program_opens_what_python_wrote(path: Path) -> None:
    base = clustered(1500, 16)
    with nf.create(path, dim=16, metric="cosine", schema={"n": "i64"}) as points:
        points.upsert(np.arange(1500), base, {"n": np.arange(1500)})
        points.optimize()
        stats = points.stats()
        nearest = points.search(base[3], k=5, exact=True).ids.tolist()
    said = run("stats", str(path))
    assert said["points"] == stats.points == 1500
    assert [s["name"] for s in said["segments"]] == [s["name"] for s in stats.segments]
    assert run("verify", str(path))["points"] == 1500
    vector = ",".join(str(x) for x in base[3].tolist())
    found = json.dumps(run("search", str(path), f"--vector={vector}", "-k", "5", "--exact"))
    assert all(f'"{i}"' in found for i in nearest)


def test_python_opens_what_the_program_wrote(path: Path) -> None:
    schema = ",".join(f"{name}:{kind}" for name, kind in SCHEMA.items())
    run("create", str(path), "--dim", "2", "--metric", "l2", "--id-type", "str", "--schema", schema)
    with nf.open(path, "r+") as posts:
        assert posts.schema == SCHEMA
        posts.upsert(["a", "b", "c"], [[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], COLUMNS)
    assert run("stats", str(path))["points"] == 3
