"""Datasets made from others or from nothing. Every recipe is seeded: the same arguments and numpy give the same rows."""
import gzip

import numpy as np


def unit(x):
    x = np.asarray(x, np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def images(path):
    """An IDX file of images, gzipped (fashion-mnist), as rows of f32."""
    raw = gzip.open(path).read()
    n, h, w = (int.from_bytes(raw[4 * i:4 * i + 4], "big") for i in (1, 2, 3))
    return np.frombuffer(raw, np.uint8, offset=16).reshape(n, h * w).astype(np.float32)


def noisy(base, rows, noise, seed):
    """`rows` unit vectors: `base` as it is, then copy after copy of it, each row plus fresh noise of length `noise`."""
    out = np.empty((rows, base.shape[1]), np.float32)
    first = min(rows, len(base))
    out[:first] = base[:first]
    rng = np.random.default_rng(seed)
    scale = np.float32(noise / base.shape[1] ** 0.5)
    for s in range(first, rows, len(base)):
        part = base[:min(len(base), rows - s)]
        out[s:s + len(part)] = unit(part + scale * rng.standard_normal(part.shape, dtype=np.float32))
    return out


def duplicates(base, share, of, seed):
    """As many rows as `base`; `share` of them are exact copies of rows drawn from the others (from `of` of them, if not 0)."""
    rng = np.random.default_rng(seed)
    copies = int(len(base) * share)
    kept = len(base) - copies
    rows = np.concatenate([np.arange(kept), rng.integers(0, of or kept, copies)])
    return base[rng.permutation(rows)]


def ordered(base):
    """`base`, its rows ordered by their first principal component."""
    x = base - base.mean(axis=0)
    axis = np.linalg.eigh((x.T @ x).astype(np.float64))[1][:, -1]
    axis *= np.sign(axis[np.argmax(np.abs(axis))])  # else its sign depends on the library
    return base[np.argsort(x @ axis.astype(np.float32), kind="stable")]


class Clusters:
    """Equally likely Gaussian clusters around random directions of length 1, each within its own `intrinsic` dimensions."""

    def __init__(self, dim, clusters=400, intrinsic=20, spread=0.6, seed=1):
        self.rng = np.random.default_rng(seed)
        self.centres = unit(self.normal(clusters, dim))
        # Rows of length 1; `spread` is the root mean square distance of a point from its centre.
        self.axes = np.stack([unit(self.normal(intrinsic, dim)) for _ in range(clusters)]) * np.float32(spread / intrinsic ** 0.5)

    def normal(self, *shape):
        return self.rng.standard_normal(shape, dtype=np.float32)

    def sample(self, rows):
        """Fresh rows, in random order of the clusters."""
        which = self.rng.integers(0, len(self.centres), rows)
        latent = self.normal(rows, self.axes.shape[1])
        out = self.centres[which]
        for c in range(len(self.centres)):
            of = which == c
            out[of] += latent[of] @ self.axes[c]
        return out


def to_u8(base, query):
    """Both on one scale of 0 to 255 that spans `base`, rounded; still f32."""
    low, high = base.min(), base.max()
    return tuple(np.clip(np.rint((x - low) * (255 / (high - low))), 0, 255).astype(np.float32) for x in (base, query))
