"""What other processes do while we measure, and repeats until they leave us alone."""
import os
import time

TRIES = int(os.environ.get("BENCH_TRIES", "6"))


def cores_busy_since(a, b):
    """Cores that OTHER processes kept busy between two `now()`."""
    return round(max(0.0, (b[0] - a[0] - (b[1] - a[1])) / (b[2] - a[2])), 2)


def now():
    """CPU seconds of the whole machine from /proc/stat, CPU seconds of our own, and the clock."""
    with open("/proc/stat") as f:
        fields = f.readline().split()[1:]
    busy = sum(int(fields[i]) for i in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")
    t = os.times()
    return busy, t.user + t.system + t.children_user + t.children_system, time.perf_counter()


def wait(seconds=60, cores=0.25):
    """Waits until fewer than `cores` are busy, at most `seconds`; the cores that still are."""
    end = time.time() + seconds
    while True:
        a = now()
        time.sleep(1)
        busy = cores_busy_since(a, now())
        if busy < cores or time.time() > end:
            return busy


def repeat(reps, quiet_cores, once):
    """Runs `once` (QPS and anything) until `reps` runs were quiet, at most TRIES; keeps the quietest `reps`.

    Quiet: other processes kept fewer than `quiet_cores` busy meanwhile (one thread only needs a free core).
    The QPS of the runs kept, the most foreign cores among them, and the last output.
    """
    runs = []
    for _ in range(max(reps, TRIES)):
        a = now()
        qps, out = once()
        runs.append((cores_busy_since(a, now()), qps))
        if sum(r[0] < quiet_cores for r in runs) >= reps:
            break
        if len(runs) >= reps:
            time.sleep(0.4)
    runs.sort()
    keep = runs[:reps]
    return [r[1] for r in keep], max(r[0] for r in keep), out
