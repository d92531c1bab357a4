"""The estimators: scikit-learn's own checks, and its neighbours as the truth."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.manifold import TSNE, Isomap
from sklearn.neighbors import KNeighborsTransformer, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import nearfield as nf
from conftest import clustered
from nearfield.sklearn import NearfieldNeighbors, NearfieldTransformer

X = clustered(400, 8)
NEW = clustered(7, 8, seed=1)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([NearfieldTransformer(), NearfieldNeighbors()])
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine"])
def test_the_graph_is_that_of_scikit_learn(mode: str, metric: str) -> None:
    ours = NearfieldTransformer(mode=mode, metric=metric, exact=True).fit(X)
    theirs = KNeighborsTransformer(mode=mode, metric=metric, algorithm="brute").fit(X)
    for points in (X, NEW):
        a, b = ours.transform(points), theirs.transform(points)
        assert a.shape == b.shape
        assert a.nnz == b.nnz
        assert np.allclose(a.toarray(), b.toarray(), atol=2e-3)
    assert (np.diff(ours.transform(NEW).indptr) == 5 + (mode == "distance")).all()
    assert ours.get_feature_names_out()[0] == "nearfieldtransformer0"


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_scikit_learn(metric: str) -> None:
    ours = NearfieldNeighbors(n_neighbors=6, metric=metric, exact=True).fit(X)
    theirs = NearestNeighbors(n_neighbors=6, metric=metric, algorithm="brute").fit(X.astype(float))
    for points in (None, NEW, NEW.astype(float), NEW.tolist()):
        asked = None if points is None else np.asarray(points, float)
        distances, rows = theirs.kneighbors(asked)
        found = ours.kneighbors(points)
        assert np.allclose(found[0], distances, atol=1e-5)
        assert (found[1] == rows).mean() > 0.99, "ties may be in another order"
        assert (ours.kneighbors(points, return_distance=False) == found[1]).all()
        for mode in ("connectivity", "distance"):
            graph = ours.kneighbors_graph(points, 3, mode)
            assert np.allclose(
                graph.toarray(), theirs.kneighbors_graph(asked, 3, mode).toarray(), atol=1e-5
            )


def test_recall_is_kept_on_more_points() -> None:
    many = clustered(5000, 16)
    ours = NearfieldNeighbors(n_neighbors=10, recall=0.95).fit(many)
    truth = NearestNeighbors(n_neighbors=10).fit(many).kneighbors(return_distance=False)
    assert nf.recall(ours.kneighbors(return_distance=False), truth) > 0.93


def test_others_work_on_the_graph() -> None:
    graph = NearfieldTransformer(n_neighbors=60).fit_transform(X)
    assert len(set(DBSCAN(eps=3.0, metric="precomputed").fit_predict(graph))) > 5
    tsne = TSNE(metric="precomputed", init="random", perplexity=15, max_iter=250, random_state=0)
    assert tsne.fit_transform(graph).shape == (400, 2)
    isomap = make_pipeline(NearfieldTransformer(n_neighbors=399), Isomap(metric="precomputed"))
    assert isomap.fit_transform(X).shape == (400, 2)
    whole = NearfieldTransformer(n_neighbors=399, exact=True).fit_transform(X)
    clusters = HDBSCAN(metric="precomputed", min_cluster_size=8, copy=True).fit_predict(whole)
    plain = HDBSCAN(min_cluster_size=8, copy=True).fit_predict(X)
    assert (clusters == plain).mean() > 0.95


@pytest.mark.filterwarnings("ignore")
def test_umap_works_on_the_graph() -> None:
    umap = pytest.importorskip("umap")
    distances, rows = NearfieldNeighbors(n_neighbors=15).fit(X).kneighbors(X)
    made = umap.UMAP(precomputed_knn=(rows, distances.astype(np.float32)), random_state=0)
    assert made.fit_transform(X).shape == (400, 2)


def test_pickles_and_clones() -> None:
    fitted = NearfieldTransformer(metric="cosine", seed=3).fit(X)
    copy = pickle.loads(pickle.dumps(fitted))
    assert (copy.transform(NEW) != fitted.transform(NEW)).nnz == 0
    assert not hasattr(clone(fitted), "collection_")
    assert clone(fitted).get_params() == fitted.get_params()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NearfieldTransformer(metric="jaccard").fit(X), "metric: expected one of"),
        (lambda: NearfieldTransformer(mode="x").fit(X), "mode: expected"),
        (lambda: NearfieldTransformer(n_neighbors=400).fit_transform(X), "expected 1 to 400"),
        (lambda: NearfieldTransformer(n_neighbors=0, mode="connectivity").fit_transform(X), "1 to"),
        (lambda: NearfieldNeighbors(n_neighbors=400).fit(X).kneighbors(), "expected 1 to 399"),
        (lambda: NearfieldNeighbors().fit(X).kneighbors_graph(mode="x"), "mode: expected"),
        (lambda: NearfieldNeighbors(profile="x").fit(X), "profile: expected"),
        (lambda: NearfieldNeighbors(recall=2.0).fit(X).kneighbors(), "recall"),
        (lambda: NearfieldNeighbors(metric="cosine").fit(np.zeros((3, 2))), "zero"),
    ],
)
def test_parameters_that_cannot_be_used(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
