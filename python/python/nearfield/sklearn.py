"""Estimators for scikit-learn: neighbours found by nearfield.

`NearfieldTransformer` makes the sparse graph of neighbours that t-SNE, Isomap, spectral clustering,
DBSCAN, HDBSCAN and the like take as ``metric="precomputed"``; `NearfieldNeighbors` answers as
scikit-learn's ``NearestNeighbors`` does. Both need scikit-learn (``pip install
nearfield[sklearn]``). A pickle holds the points; reading it builds the index again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _collection
from ._errors import InvalidArgumentError

__all__ = ["NearfieldNeighbors", "NearfieldTransformer"]

# What users of scikit-learn call a metric, and what a collection does.
_METRICS = {
    "euclidean": "l2",
    "l2": "l2",
    "sqeuclidean": "l2",
    "cosine": "cosine",
    "ip": "ip",
}
_POINTS = "_points"


class _Neighbors(BaseEstimator):  # type: ignore[misc]
    """What both have in common: the collection of what was fitted, and searching in it."""

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        metric: str = "euclidean",
        recall: float = 0.95,
        exact: bool = False,
        profile: str = "balanced",
        n_jobs: int | None = None,
        seed: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.recall = recall
        self.exact = exact
        self.profile = profile
        self.n_jobs = n_jobs
        self.seed = seed

    def fit(self, X: Any, y: Any = None) -> Any:  # noqa: ARG002, N803 - scikit-learn's names
        """Index the points.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Floats; kept as float32.
        y : None
            Ignored.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError
            If X has NaN, infinity, too large a number for float32, or the wrong shape.
        """
        points = self._checked(X, reset=True)
        if self.metric not in _METRICS:
            names = ", ".join(map(repr, _METRICS))
            raise InvalidArgumentError(f"metric: expected one of {names}, found {self.metric!r}")
        self.collection_ = self._indexed(points)
        self.n_samples_fit_ = len(points)
        return self

    def _indexed(self, points: np.ndarray[Any, Any]) -> _collection.Collection:
        collection = _collection.create(
            dim=points.shape[1],
            metric=_METRICS[self.metric],  # type: ignore[arg-type]
            profile=self.profile,  # type: ignore[arg-type]
            seed=self.seed,
        )
        collection.upsert(np.arange(len(points)), points)
        collection.optimize()
        return collection

    def _checked(self, X: Any, *, reset: bool) -> np.ndarray[Any, Any]:  # noqa: N803
        points: np.ndarray[Any, Any] = validate_data(
            self, X, reset=reset, dtype=np.float32, order="C"
        )
        return points

    def _found(
        self,
        X: Any,  # noqa: N803
        k: int,
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return distances and rows of shape (n, k); without X, of the points but themselves."""
        check_is_fitted(self, "collection_")
        most = self.n_samples_fit_ - (X is None)
        if not 0 < k <= most:
            raise InvalidArgumentError(
                f"n_neighbors: expected 1 to {most}, as n_samples_fit = {self.n_samples_fit_}, "
                f"found {k}; n_samples = {self.n_samples_fit_}"
            )
        dial: dict[str, Any] = {"exact": True} if self.exact else {"recall": self.recall}
        if self.n_jobs is not None and self.n_jobs > 0:
            dial["threads"] = self.n_jobs
        if X is None:
            found = self.collection_.search_ids(np.arange(self.n_samples_fit_), k, **dial)
        else:
            found = self.collection_.search(self._checked(X, reset=False), k, **dial)
        distances = found.distances.astype(np.float64)
        if self.metric in ("euclidean", "l2"):
            distances = np.sqrt(np.maximum(distances, 0))
        elif self.metric == "cosine":
            # Of a vector and itself, rounding leaves some 1e-8 beside zero.
            distances = np.maximum(distances, 0)
        return distances, found.ids.astype(np.int64)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        collection = state.pop("collection_", None)
        if collection is not None:
            state[_POINTS] = collection.scan(limit=self.n_samples_fit_)["vector"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The same points and seed make the same index.
        points = state.pop(_POINTS, None)
        super().__setstate__(state)
        if points is not None:
            self.collection_ = self._indexed(points)


class NearfieldTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Neighbors):  # type: ignore[misc]
    """Points to the sparse graph of their nearest neighbours, as ``KNeighborsTransformer``.

    Parameters
    ----------
    mode : {"distance", "connectivity"}
        What the graph holds: distances, of n_neighbors + 1 points each, as those that were fitted
        are their own nearest; or ones, of n_neighbors points.
    n_neighbors : int, default 5
        Neighbours a point.
    metric : {"euclidean", "sqeuclidean", "cosine", "ip"}
        "l2" is another name of "euclidean".
    recall : float, default 0.95
        Expected share of the true neighbours, above 0 and below 1.
    exact : bool
        Whether to compare with every point instead.
    profile : {"balanced", "fast", "compact"}
        Memory against speed.
    n_jobs : int, optional
        Most threads; by default all of the pool (``NEARFIELD_THREADS``).
    seed : int
        Of everything random in a build.

    Attributes
    ----------
    n_samples_fit_ : int
        Points that were fitted.
    n_features_in_ : int
        Their components.
    collection_ : Collection
        The points, ids from 0.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> NearfieldTransformer(n_neighbors=3).fit_transform(X).shape
    (100, 100)
    """

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        metric: str = "euclidean",
        recall: float = 0.95,
        exact: bool = False,
        profile: str = "balanced",
        n_jobs: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            n_neighbors=n_neighbors,
            metric=metric,
            recall=recall,
            exact=exact,
            profile=profile,
            n_jobs=n_jobs,
            seed=seed,
        )
        self.mode = mode

    def fit(self, X: Any, y: Any = None) -> NearfieldTransformer:  # noqa: N803
        """Index the points; see `transform`.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Floats; kept as float32.
        y : None
            Ignored.

        Returns
        -------
        NearfieldTransformer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X or a parameter can't be used.
        """
        if self.mode not in ("distance", "connectivity"):
            raise InvalidArgumentError(
                f'mode: expected "distance" or "connectivity", found {self.mode!r}'
            )
        super().fit(X, y)
        # For get_feature_names_out.
        self._n_features_out = self.n_samples_fit_
        return self

    def transform(self, X: Any) -> csr_matrix:  # noqa: N803
        """Find the neighbours, among the points that were fitted, of each row.

        Parameters
        ----------
        X : array_like of shape (n, n_features)
            Points.

        Returns
        -------
        scipy.sparse.csr_matrix of shape (n, n_samples_fit_)
            The neighbours of each row, nearest first.

        Raises
        ------
        ValueError
            If X can't be used, or fewer points were fitted than there are neighbours asked for.
        """
        check_is_fitted(self, "collection_")
        k = self.n_neighbors + (self.mode == "distance")
        return _graph(*self._found(X, k), self.n_samples_fit_, self.mode)


class NearfieldNeighbors(_Neighbors):
    """The nearest of the points that were fitted, as ``NearestNeighbors`` of scikit-learn.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours a point.
    metric : {"euclidean", "sqeuclidean", "cosine", "ip"}
        "l2" is another name of "euclidean".
    recall : float, default 0.95
        Expected share of the true neighbours, above 0 and below 1.
    exact : bool
        Whether to compare with every point instead.
    profile : {"balanced", "fast", "compact"}
        Memory against speed.
    n_jobs : int, optional
        Most threads; by default all of the pool (``NEARFIELD_THREADS``).
    seed : int
        Of everything random in a build.

    Attributes
    ----------
    n_samples_fit_ : int
        Points that were fitted.
    n_features_in_ : int
        Their components.
    collection_ : Collection
        The points, ids from 0.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> distances, rows = NearfieldNeighbors(n_neighbors=3).fit(X).kneighbors(X[:2])
    >>> rows.shape, rows[:, 0].tolist()
    ((2, 3), [0, 1])
    """

    def kneighbors(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest points.

        Parameters
        ----------
        X : array_like of shape (n, n_features), optional
            Points; without it, those that were fitted, each of which leaves itself out.
        n_neighbors : int, optional
            Neighbours a point; by default as the estimator was made.
        return_distance : bool
            Whether to return distances too.

        Returns
        -------
        distances : float64 array of shape (n, n_neighbors)
            Nearest first; if asked for.
        rows : int64 array of shape (n, n_neighbors)
            Rows of the points that were fitted.

        Raises
        ------
        ValueError
            If X can't be used, or fewer points were fitted than there are neighbours asked for.
        """
        check_is_fitted(self, "collection_")
        distances, rows = self._found(X, self.n_neighbors if n_neighbors is None else n_neighbors)
        return (distances, rows) if return_distance else rows

    def kneighbors_graph(
        self,
        X: Any = None,  # noqa: N803
        n_neighbors: int | None = None,
        mode: str = "connectivity",
    ) -> csr_matrix:
        """Find the nearest points, as a sparse graph.

        Parameters
        ----------
        X, n_neighbors
            As in `kneighbors`.
        mode : {"connectivity", "distance"}
            Whether the graph holds ones or distances.

        Returns
        -------
        scipy.sparse.csr_matrix of shape (n, n_samples_fit_)
            The neighbours of each row, nearest first.

        Raises
        ------
        ValueError
            As `kneighbors`; or if the mode is unknown.
        """
        if mode not in ("distance", "connectivity"):
            raise InvalidArgumentError(
                f'mode: expected "connectivity" or "distance", found {mode!r}'
            )
        check_is_fitted(self, "collection_")
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        return _graph(*self._found(X, k), self.n_samples_fit_, mode)


def _graph(
    distances: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], columns: int, mode: str
) -> csr_matrix:
    n, k = rows.shape
    values = distances.ravel() if mode == "distance" else np.ones(n * k)
    return csr_matrix((values, rows.ravel(), np.arange(0, n * k + 1, k)), shape=(n, columns))
