"""hnsw_rs, measured by the Rust program in ../hnsw_rs_bench (env HNSW_RS_BENCH: its binary)."""
import ctypes
import json
import os
import subprocess

import numpy as np

from engines.base import EF, Engine, K


class HnswRs(Engine):
    external = True

    def version(self):
        return "0.3.5"

    def run_external(self, query, recall):
        p = self.params
        pre = os.path.join(self.tmp, "r")
        binary = os.environ["HNSW_RS_BENCH"] + p.get("suffix", "")
        cmd = [binary, f"{self.dataset}/base.npy", f"{self.dataset}/query.npy", self.metric, str(p["M"]),
               str(p["efc"]), str(self.threads), "1000", "4000", str(self.reps), pre, *map(str, EF)]
        res = dict(points=[])
        die_with_parent = lambda: ctypes.CDLL(None).prctl(1, 9)  # noqa: E731  PR_SET_PDEATHSIG, SIGKILL
        with subprocess.Popen(cmd, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent) as proc:
            for line in proc.stdout:
                r = json.loads(line)
                if "build_s" in r:
                    res.update(r)
                    continue
                ids = np.fromfile(f"{pre}.{r['ef']}.i32", np.int32).reshape(-1, K)
                pt = dict(p=r["ef"], st=r["st_qps"], mt=r["mt_qps"], st_batch=[], p50_us=r["p50_us"],
                          p99_us=r["p99_us"], recall=recall(ids, len(ids)), cpu=1.0)
                res["points"].append(pt)
                print(f"  hnsw_rs ef {r['ef']} recall {pt['recall']} st {np.median(pt['st']):.0f}"
                      f" mt {np.median(pt['mt']):.0f}", flush=True)
                if pt["recall"] > self.stop:
                    proc.terminate()
                    break
        return res
