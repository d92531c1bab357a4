"""Pictures of a collection: each function draws with matplotlib and returns what it drew.

``nearfield.viz`` needs matplotlib and pandas (``pip install nearfield[viz]``); `community_map` also
scikit-learn. Each function takes ``ax=``, the axes to draw into; without it, a new figure is made,
which notebooks show by themselves.
"""

from ._curves import filter_curve, recall_curve
from ._map import community_map
from ._storage import memory, segments

__all__ = ["community_map", "filter_curve", "memory", "recall_curve", "segments"]

for _function in (community_map, filter_curve, memory, recall_curve, segments):
    _function.__module__ = "nearfield.viz"
del _function
