"""What the README and docs/benchmarks.md show of the comparison:  publish.py [RESULTS_DIR...]

Keeps the results of the folders given (of run_all.py; what was kept of the same datasets is replaced) in benches/results, without
logs. Then writes tables for each dataset there, and of one of them the curve docs/pictures/recall-qps.png and the table in the README.
"""
import json
import re
import shutil
import sys
from pathlib import Path

import plot
from curve import at, load, points
from report import folder, folders, kilobytes, markdown, number, qps, speed

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "benches" / "results"
PICTURE = ROOT / "docs" / "pictures" / "recall-qps.png"
README = ROOT / "README.md"
# The dataset of the picture and of the README's table, and how engines are called there.
SHOWN = "posts-200k"
NAMES = {"symqg-R32-b0": "SymphonyQG (rabitqlib)", "hnswlib-M16": "hnswlib, M=16"}


def keep(source):
    """Copies results, probes and the machine's line; logs stay behind."""
    target = KEPT / Path(source).name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in sorted(Path(source).iterdir()):
        if path.suffix in (".json", ".probe"):
            shutil.copy(path, target)
    machine = json.loads((target / "machine.json").read_text())
    # Where folders lay on that machine helps nobody.
    machine["command"] = re.sub(r"/\S*/", "", machine["command"])
    (target / "machine.json").write_text(json.dumps(machine) + "\n")


def readme(results):
    """Puts the table between the two comments of the README that say so."""
    threads = next(iter(results.values()))["threads"]
    head = (f"{SHOWN}, recall@10 of 0.95", "queries a second, one thread", f"in batches, {threads} threads", "build", "index, a vector")
    rows = []
    for name, r in sorted(results.items(), key=lambda x: -speed(x[1])):
        own = r.get("own_mb")
        memory = own["hot"] + own["warm"] if own else r["idx_rss_mb"]
        called = f"{NAMES.get(name, name)} {r['version']}" if name in NAMES else name
        rows.append([called, qps(at(points(r, "st"), 0.95)), qps(at(points(r, "mt"), 0.95)), f"{number(r['build_s'], 1)} s",
                     f"{number(kilobytes(r, memory), 2)} kB"])
    table = "\n".join(markdown(head, rows))
    text = README.read_text()
    text = re.sub(r"(<!-- make bench-report: -->\n).*?(<!-- end -->)", lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)
    README.write_text(text)


def main():
    for source in folders(sys.argv[1:]):
        keep(source)
    for kept in sorted(path for path in KEPT.iterdir() if load(path)):
        (kept / "report.md").write_text(folder(str(kept)))
        print(kept / "report.md")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    plot.picture(str(KEPT / SHOWN), PICTURE)
    readme(load(str(KEPT / SHOWN)))


if __name__ == "__main__":
    main()
