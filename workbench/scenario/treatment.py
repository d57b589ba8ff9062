"""What a scenario's labels teach: a LabelSpec and preference strength → Supervision of the train pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..axes import Pair, PairMask
from ..errors import WorkbenchError, listing
from ..evaluate.strength import in_sections
from ..preference.bands import Bands, bands, percentile_band
from ..preference.bradley_terry import Supervision
from .inputs import Inputs
from .labels import LabelSpec
from .noise import turned
from .strength import strength


def supervision(labels: LabelSpec | str, inputs: Inputs, *, without: PairMask | None = None, **fitted) -> Supervision:
    """What a scenario's labels teach on train: as they stand, or treated; `fitted` as for `strength.ensemble`.

    Noise first, then the strength of the labels as noise leaves them, the treatment, and what was decided by hand. without: mask
    of pairs that teach nothing, no head of an ensemble either.
    """
    pairs = inputs.split("train").pairs
    if not isinstance(labels, LabelSpec):
        return Supervision.hard(len(pairs)) if without is None else Supervision.hard(len(pairs)).dropped(without)
    among, (flip, drop) = in_sections(pairs, labels.where), _by_hand(labels, pairs["pair_id"].to_numpy())  # told before anything is fitted
    noisy = None if labels.noise is None else turned(labels.noise, len(pairs), inputs.length("train"))
    among = among if without is None else among & ~without
    taught = Supervision.hard(len(pairs))
    if labels.reads_strength:
        found, known = strength(inputs, labels.strength, noise=labels.noise, without=without, **fitted)
        mean = np.full(len(pairs), np.nan)
        mean[known] = found.mean
        taught = treated(labels, mean, among)
    taught = taught if noisy is None else taught.turned(noisy)
    decided = Supervision(np.where(flip, 0.0, taught.target), np.where(flip, 0.0, taught.margin), np.where(flip, 1.0, taught.weight))
    taught = decided.dropped(drop if without is None else drop | without)  # of the labels as stored, whatever their strength said
    if not taught.weight.any():
        raise WorkbenchError("every pair would be dropped", where="scenario, labels", remedy="Drop fewer pairs")
    return taught


def treated(labels: LabelSpec, mean: Pair, among: PairMask) -> Supervision:
    """What labels of strength `mean` teach: treated where `among` [pair] says so, as they stand elsewhere.

    A pair of `among` without a strength (NaN: its answers are not both rated) is dropped. Raises WorkbenchError where every
    pair would be.
    """
    known = np.isfinite(mean)
    mean, lacking, among = np.where(known, mean, 0.0), among & ~known, among & known
    other, ties = (among & mask if labels.relabel else np.zeros(len(mean), bool) for mask in (mean < 0, mean == 0))
    if not (among & ~ties).any() and not (~among & ~lacking).any():
        raise WorkbenchError("no pair is left to teach: each is a tie, or has no strength", where="scenario, labels",
                             remedy="Take another source of strength")
    made = _made(labels, mean, among)
    made = made.dropped(ties | lacking).turned(other)
    if not made.weight.any():
        raise WorkbenchError("every pair would be dropped", where="scenario, labels", remedy="Lower drop_below, or widen the band")
    return made


def masks(labels: LabelSpec, mean: Pair, among: PairMask) -> Bands:
    """Which labels are flipped, smoothed and dropped, masks [pair]; of relabelled pairs by |μ̂|, ties dropped."""
    if labels.relabel:
        found = _ranked(labels, np.abs(mean), among & (mean != 0))
        return found._replace(drop=found.drop | (among & (mean == 0)))
    return _ranked(labels, mean, among)


def _ranked(labels: LabelSpec, mean: Pair, among: PairMask) -> Bands:
    parts = labels.kind.split("+")
    none = np.zeros(len(mean), bool)
    if labels.band is not None:
        inside = percentile_band(mean, labels.band, among)
        return Bands(inside if "flip" in parts else none, inside if "smooth" in parts else none,
                     inside if "drop" in parts else among & ~inside if "keep" in parts else none)
    flip, smooth, drop = bands(mean, among=among, **labels.cuts)
    cut = labels.smooth_share is not None or labels.smooth_below is not None
    return Bands(flip, among & ~drop if "smooth" in parts and not cut else smooth, drop)


def _made(labels: LabelSpec, mean: Pair, among: PairMask) -> Supervision:
    """Before relabelled pairs are turned round."""
    parts, (flip, smooth, drop) = labels.kind.split("+"), masks(labels, mean, among)
    mean, among = (np.abs(mean), among & (mean != 0)) if labels.relabel else (mean, among)
    made = Supervision.hard(len(mean)).flipped(flip).smoothed(labels.alpha, smooth)
    if "soft" in parts:
        made = Supervision.soft(mean, labels.tau, base=made, among=among)
    if "margin" in parts:
        made = Supervision.margin(mean, labels.scale, base=made, among=among)
    if "scaled" in parts:
        made = Supervision.scaled(mean, base=made, among=among)
    return made.dropped(drop)


def _by_hand(labels: LabelSpec, pair_ids: np.ndarray) -> tuple[PairMask, PairMask]:
    """Masks [pair] of what was decided by hand: flipped, and dropped."""
    unknown = sorted(labels.hand.keys() - set(pair_ids))
    if unknown:
        raise WorkbenchError(f"no train pair {listing(unknown)}", where="labels, hand", remedy="Decide by hand on train pairs alone")
    decided = pd.Series(pair_ids).map(dict(labels.hand))
    return decided.eq("flip").to_numpy(bool), decided.eq("drop").to_numpy(bool)
