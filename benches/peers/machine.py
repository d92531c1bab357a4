"""The line that says where and how a table was made."""
import os
import platform
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def field(path, key):
    with open(path) as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "unknown")


def git(*args):
    try:
        return subprocess.run(["git", "-C", HERE, *args], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(threads):
    """CPU, cores, memory, commit, command."""
    return dict(cpu=field("/proc/cpuinfo", "model name"), cores=len(os.sched_getaffinity(0)), threads=threads,
                l2=size("index2"), l3=size("index3"),
                memory_gib=round(int(field("/proc/meminfo", "MemTotal").split()[0]) / 2**20, 1),
                kernel=platform.release(), python=platform.python_version(),
                commit=(git("rev-parse", "--short", "HEAD") or "unknown") + ("+changes" if git("status", "--porcelain", "-uno") else ""),
                date=time.strftime("%F %R"), command=" ".join(sys.argv))


def size(index):
    try:
        with open(f"/sys/devices/system/cpu/cpu0/cache/{index}/size") as f:
            return f.read().strip()
    except OSError:
        return "unknown"


def line(m):
    """One line of Markdown for a `describe()`."""
    return (f"{m['cpu']}, {m['cores']} cores, L2 {m['l2']}, L3 {m['l3']}, {m['memory_gib']} GiB, Linux {m['kernel']}; "
            f"commit {m['commit']}, {m['date']}, {m['threads']} threads; `{m['command']}`")
