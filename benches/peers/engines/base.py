"""What an adapter is: it builds, searches one query, searches a batch, and says what to sweep."""
import importlib.metadata
import os

K = 10
EF = [10, 16, 24, 38, 60, 95, 150, 240, 380, 600, 950]
EF_FINE = [10, 12, 15, 19, 24, 30, 38, 48, 60, 76, 95, 120, 150, 190, 240, 300, 380, 480, 600, 950, 1500, 2400]


def dir_mb(path):
    """Megabytes of a file or of everything under a folder."""
    if os.path.isfile(path):
        return os.path.getsize(path) / 1e6
    return sum(os.path.getsize(os.path.join(r, f)) for r, _, fs in os.walk(path) for f in fs) / 1e6


class Engine:
    """Besides what stands here an adapter has `build(x)`, `set(point)`, `search1(q)` and, with `batch_api`, `batch`.

    `make` sets n, dim, metric ("ip" or "l2"), threads, tmp (a folder that is removed), dataset, reps, reuse.
    """
    package = None  # of the Python distribution, for its version
    batch_api = True  # has `batch(queries, prepared, threads)`, which gives an i64 matrix
    external = False  # another process measures: `run_external(query, recall)` gives the result
    stop = 0.9955  # a sweep ends above this recall
    monotone = True  # recall only rises along the sweep, so the sweep can stop early
    mt = "threads"  # how to use several threads when there is no batch call: threads or fork

    def __init__(self, params, **env):
        self.params = params
        self.__dict__.update(env)
        self.ip = self.metric == "ip"

    def version(self):
        return importlib.metadata.version(self.package) if self.package else ""

    def load(self):
        """Imports the library; what it takes is not the index's memory."""

    def prepare(self, q):
        """Queries in the form that `search1` takes, made before the clock runs."""
        return list(q)

    def own_mb(self):
        """The engine's own count of its memory, in parts, or None."""
        return None

    def work(self, queries):
        """What a query reads as it is set, where the engine tells: lists of [what, how many, bytes of each], or None."""
        return None

    def disk_mb(self):
        """Size of the saved index, or None."""
        return None

    def sweep(self):
        """The search settings to measure, by rising recall; `set` takes one."""
        return self.params.get("sweep", EF)

    def save_to(self, save):
        p = os.path.join(self.tmp, "index")
        try:
            save(p)
            return dir_mb(p)
        except Exception as ex:  # noqa: BLE001
            print("  save failed:", ex)
            return None
