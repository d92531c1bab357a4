"""A map: points, or means of groups, at coordinates that a library computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._collection import Collection
from .._errors import InvalidArgumentError
from .._table import _needs
from ._draw import axes_of

if TYPE_CHECKING:
    import pandas as pd


def community_map(
    collection: Collection,
    *,
    group_by: str | None = None,
    label: str | None = None,
    size: str | None = None,
    projection: Any = "tsne",
    clusters: int | None = 12,
    labels: int = 40,
    limit: int = 100_000,
    seed: int = 0,
    ax: Any = None,
) -> pd.DataFrame:
    """Draw the points, or groups of them, as a map: what is alike lies together.

    Parameters
    ----------
    collection : Collection
        Whose vectors are drawn.
    group_by : str, optional
        A ``keyword`` column: each of its values is one dot, at the mean of its points' vectors,
        and as large as they are many. By default every point is a dot.
    label : str, optional
        Without `group_by`: the column that names dots; by default the id.
    size : str, optional
        Without `group_by`: the numeric column that sizes dots.
    projection : {"tsne", "umap", "pca"} or estimator
        What computes the coordinates: scikit-learn's, umap-learn's, or an object whose
        ``fit_transform`` takes (n, dim) and returns (n, 2). t-SNE and UMAP begin with 50 principal
        components, as is usual.
    clusters : int, optional
        Colour dots by so many k-means clusters of their vectors; None: one colour.
    labels : int, default 40
        Write the names of so many of the largest dots, where they don't overlap.
    limit : int, default 100,000
        Read at most so many points, in the order of their ids.
    seed : int
        Of projection and clusters.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    pandas.DataFrame
        A row a dot: ``label``, ``size``, ``x``, ``y``, ``cluster``.

    Raises
    ------
    InvalidArgumentError
        If a column isn't there, or there are fewer than 3 dots.
    ImportError
        If matplotlib, pandas, or what computes the coordinates isn't installed.
    """
    pandas = _needs("pandas")
    table = collection.scan(limit=limit)
    vectors, names = table["vector"], table[group_by or label or "id"]
    if collection.metric == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if group_by is not None:
        names, vectors, sizes = _grouped(names, vectors)
    else:
        sizes = np.ones(len(names)) if size is None else np.nan_to_num(table[size].astype(float))
    if len(names) < 3:
        raise InvalidArgumentError(f"community_map: expected at least 3 dots, found {len(names)}")
    places = _projected(vectors, projection, seed)
    if clusters is None:
        colours = np.zeros(len(names), int)
    else:
        _needs("sklearn")
        from sklearn.cluster import KMeans

        means = KMeans(min(clusters, len(names)), n_init=1, random_state=seed)
        colours = means.fit_predict(vectors)
    frame: pd.DataFrame = pandas.DataFrame(
        {"label": names, "size": sizes, "x": places[:, 0], "y": places[:, 1], "cluster": colours}
    )
    axes = axes_of(ax, (9, 7.5))
    area = 4 + 60 * sizes / max(sizes.max(), 1e-12) if np.ptp(sizes) > 0 else 6.0
    axes.scatter(
        frame["x"], frame["y"], s=area, c=frame["cluster"], cmap="tab20", alpha=0.6, linewidths=0
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    what = f"{len(frame):,} {'values of ' + group_by if group_by else 'points'}"
    axes.set_title(f"{what}: what is alike lies together", loc="left", fontsize=11)
    _name_largest(axes, frame, labels)
    return frame


def _name_largest(axes: Any, frame: pd.DataFrame, labels: int) -> None:
    """Write the names of the largest dots, but for those that would lie over another."""
    axes.figure.draw_without_rendering()
    written: list[Any] = []
    for row in frame.nlargest(4 * labels, "size", keep="first").itertuples():
        if len(written) == labels:
            break
        text = axes.annotate(str(row.label), (row.x, row.y), fontsize=7, ha="center", va="center")
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in written):
            text.remove()
        else:
            written.append(box)


def _grouped(
    names: np.ndarray[Any, Any], vectors: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return names, mean vectors and sizes of groups; null belongs to none."""
    known = np.array([name is not None for name in names], bool)
    groups, member, counts = np.unique(
        names[known].astype(str), return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(groups), vectors.shape[1]))
    np.add.at(sums, member, vectors[known])
    return groups, sums / counts[:, None], counts.astype(float)


def _projected(vectors: np.ndarray[Any, Any], how: Any, seed: int) -> np.ndarray[Any, Any]:
    if not isinstance(how, str):
        places = np.asarray(how.fit_transform(vectors))
        if places.shape != (len(vectors), 2):
            raise InvalidArgumentError(
                f"projection: expected ({len(vectors)}, 2) of fit_transform, found {places.shape}"
            )
        return places
    if how not in ("tsne", "umap", "pca"):
        raise InvalidArgumentError(
            f'projection: expected "tsne", "umap", "pca" or an estimator, found {how!r}'
        )
    _needs("sklearn")
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    parts = 2 if how == "pca" else min(50, *vectors.shape)
    fewer = PCA(parts, random_state=seed).fit_transform(vectors)
    if how == "pca":
        places = fewer
    elif how == "umap":
        places = _needs("umap").UMAP(random_state=seed).fit_transform(fewer)
    else:
        perplexity = min(30.0, (len(vectors) - 1) / 3)
        tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        places = tsne.fit_transform(fewer)
    return np.asarray(places)
