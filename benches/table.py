"""Turns criterion's results into benches/RESULTS.md. Run by `make bench`; needs Python only.

  table.py [CRITERION_HOME]     default: $CRITERION_HOME, else target/criterion
"""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
STALE_S = 3600  # a result this much older than the newest belongs to a benchmark that is gone


def machine() -> str:
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    return f"{cpu or platform.processor()}, {os.cpu_count()} threads, {platform.system()} {platform.machine()}"


def commit() -> str:
    def git(*args: str) -> str:
        return subprocess.run(["git", "-C", HERE, *args], capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "-uno") else "")


def seconds(ns: float) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


def change(folder: Path) -> str:
    """Against the previous run on this machine, if criterion kept one."""
    path = folder.parent / "change" / "estimates.json"
    if not path.exists() or path.stat().st_mtime < (folder / "estimates.json").stat().st_mtime - 60:
        return ""
    mean = json.loads(path.read_text())["mean"]
    low, high = (100 * mean["confidence_interval"][f"{side}_bound"] for side in ("lower", "upper"))
    return f"{low:+.1f} to {high:+.1f} %"


def rows(home: Path) -> list[list[str]]:
    notes = home / "recall.json"
    recall = json.loads(notes.read_text()) if notes.exists() else {}
    found = sorted(home.glob("**/new/estimates.json"))
    newest = max((p.stat().st_mtime for p in found), default=0)
    out = []
    for path in found:
        if path.stat().st_mtime < newest - STALE_S:
            continue
        about = json.loads((path.parent / "benchmark.json").read_text())
        median = json.loads(path.read_text())["median"]
        name, each = about["full_id"], (about["throughput"] or {}).get("Elements")
        interval = [seconds(median["confidence_interval"][f"{side}_bound"]) for side in ("lower", "upper")]
        per_second = f"{each / median['point_estimate'] * 1e9:,.0f}" if each else ""
        found_share = f"{recall[name]:.4f}" if name in recall else ""
        out.append([name, seconds(median["point_estimate"]), " to ".join(interval), per_second, found_share, change(path.parent)])
    return sorted(out, key=lambda row: [part.rjust(9) if part.isdigit() else part for part in row[0].split("/")])


def main() -> int:
    home = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CRITERION_HOME", HERE.parent / "target" / "criterion"))
    table = rows(home)
    if not table:
        print(f"{home}: no results of criterion; run `make bench`", file=sys.stderr)
        return 1
    head = ["benchmark", "median", "95 % interval", "a second", "recall@10", "since the last run"]
    lines = [
        "# Results of the last `make bench`",
        "",
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, commit {commit()}, {machine()}.",
        "The column \"a second\" counts rows scanned or built, and queries answered.",
        "",
        "| " + " | ".join(head) + " |",
        "|---|--:|--:|--:|--:|--:|",
        *("| " + " | ".join(row) + " |" for row in table),
    ]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
