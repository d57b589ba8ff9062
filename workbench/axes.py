"""The words for axes, used in every annotation.

``row`` a response · ``pair`` a comparison · ``side`` chosen or rejected · ``obj`` an objective ·
``dim`` a feature · ``member`` of an ensemble · ``seed`` a training run.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer

CHOSEN, REJECTED = 0, 1
SIDES = ("chosen", "rejected")
SPLITS = ("train", "dev", "test")

Array = np.ndarray
Row = Float[np.ndarray, "row"]
RowDim = Float[np.ndarray, "row dim"]
RowObj = Float[np.ndarray, "row obj"]
Pair = Float[np.ndarray, "pair"]
PairMask = Bool[np.ndarray, "pair"]
PairDim = Float[np.ndarray, "pair dim"]
PairSide = Float[np.ndarray, "pair side"]
PairSideDim = Float[np.ndarray, "pair side dim"]
PairObj = Float[np.ndarray, "pair obj"]
PairSideObj = Float[np.ndarray, "pair side obj"]
PairMember = Float[np.ndarray, "pair member"]
ItemDim = Float[np.ndarray, "item dim"]
ItemFeatures = Float[np.ndarray, "item side feature"] | Float[np.ndarray, "item feature"]  # of pairs, or of rows
SeedPair = Float[np.ndarray, "seed pair"]
SeedPairObj = Float[np.ndarray, "seed pair obj"]
Obj = Float[np.ndarray, "obj"]
ObjDim = Float[np.ndarray, "obj dim"]
ObjObj = Float[np.ndarray, "obj obj"]
Index = Integer[np.ndarray, "n"]
