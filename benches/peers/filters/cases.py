"""What is asked: queries with filters that go with them, against them or neither, and the exact answers."""
import numpy as np

K = 10
SHARES = [0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001]
KINDS = ["none", "correlated", "uncorrelated", "anti-correlated"]
MILLION = 1_000_000


class Case:
    """Rows of some communities, or all, whose `shuffled` is below a bound, or all."""

    def __init__(self, names, below):
        self.names, self.below = names, below

    def sql(self):
        parts = []
        if self.names is not None:
            parts.append("community IN (%s)" % ", ".join("'%s'" % n.replace("'", "''") for n in self.names))
        if self.below is not None:
            parts.append(f"shuffled < {self.below}")
        return " AND ".join(parts) or None


class World:
    """Base, queries, attributes; the same for every engine."""

    def __init__(self, dataset, attributes, queries):
        import pyarrow.parquet as pq
        self.base = np.load(f"{dataset}/base.npy", mmap_mode="r")
        query = np.load(f"{dataset}/query.npy")
        self.query = query[np.arange(queries) * 7 % len(query)]
        table = pq.read_table(attributes, columns=["subreddit"])
        self.community = np.array([name or "" for name in table["subreddit"].to_pylist()])
        self.shuffled = (splitmix(np.arange(len(self.base), dtype=np.uint64)) % MILLION).astype(np.int64)

    def cases(self):
        """(kind, share) -> a case a query."""
        names, of = np.unique(self.community, return_inverse=True)
        sizes = np.bincount(of)
        means = np.zeros((len(names), self.base.shape[1]), np.float32)
        np.add.at(means, of, np.asarray(self.base))
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        out = {("none", 1.0): [Case(None, None)] * len(self.query)}
        for share in SHARES:
            out["uncorrelated", share] = [Case(None, round(share * MILLION))] * len(self.query)
            for kind, sign in (("correlated", -1), ("anti-correlated", 1)):
                out[kind, share] = [self.own(names, sizes, sign * (means @ q), share) for q in self.query]
        return out

    def own(self, names, sizes, distance, share):
        """The communities nearest to a query, or farthest, that hold so large a share."""
        order = np.argsort(distance, kind="stable")
        held = np.cumsum(sizes[order])
        wanted = share * len(self.base)
        count = int(np.searchsorted(held, wanted)) + 1
        posts = int(held[count - 1])
        below = round(wanted / posts * MILLION) if posts > 1.2 * wanted else None
        return Case([str(n) for n in names[order[:count]]], below)

    def passing(self, case):
        """The rows that pass, a bool each."""
        rows = np.ones(len(self.base), bool)
        if case.names is not None:
            rows &= np.isin(self.community, case.names)
        if case.below is not None:
            rows &= self.shuffled < case.below
        return rows

    def truths(self, cases):
        """For each case, of its query: how many results there are, and the similarity of the last."""
        base = np.asarray(self.base, np.float32)
        out = {key: [] for key in cases}
        for i, query in enumerate(self.query):
            scores = base @ query
            for key, of_query in cases.items():
                found = np.sort(scores[self.passing(of_query[i])])[-K:]
                out[key].append((len(found), float(found[0]) if len(found) else 0.0))
        return out


def splitmix(x):
    """A number that looks random a number."""
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
