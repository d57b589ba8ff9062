"""What a treatment of labels does, in words."""

from __future__ import annotations

from .ensembles import StrengthSpec


def said(labels) -> str:
    """Of a LabelSpec: "flip the lowest 5 %, drop the next 10 %"."""
    parts = labels.kind.split("+")
    words = [labels.noise.words] if labels.noise else []
    words += ["every label the sign of μ̂"] if labels.relabel else []
    words += _banded(labels) if labels.band else _cut(labels)
    if "smooth" in parts and not labels.band and not (labels.smooth_share or labels.smooth_below is not None):
        words.append(f"all labels smoothed by {labels.alpha:g}")
    if "soft" in parts:
        words.append(f"soft labels σ(μ̂{'' if labels.tau == 1 else f' / {labels.tau:g}'})")
    if "margin" in parts:
        words.append(f"margin {'' if labels.scale == 1 else f'{labels.scale:g} '}μ̂")
    if "scaled" in parts:
        words.append("weight max(μ̂, 0)")
    by_hand = {what: sum(value == what for value in labels.hand.values()) for what in ("flip", "drop")}
    words += [f"{what} {count:,} by hand" for what, count in by_hand.items() if count]
    where = f", in {' and '.join(labels.where)} alone" if labels.where else ""
    by = f" (strength: {labels.strength.words})" if labels.strength != StrengthSpec() else ""
    return (", ".join(words) or "labels as they stand") + where + by


def _cut(labels) -> list[str]:
    words = []
    for name in ("flip", "smooth"):
        share, below = getattr(labels, f"{name}_share"), getattr(labels, f"{name}_below")
        by = f" by {labels.alpha:g}" if name == "smooth" else ""
        words += [f"{name} the lowest {percent(share)}{by}"] if share else []
        words += [f"{name} below {number(below)}{by}"] if below is not None else []
    if labels.drop_share:
        words.append(f"drop the {'next' if words else 'lowest'} {percent(labels.drop_share)}")
    if labels.drop_below is not None:
        words.append(f"drop {'the rest ' if words else ''}below {number(labels.drop_below)}")
    return words


def _banded(labels) -> list[str]:
    low, high = (percent(end) for end in labels.band)
    part = labels.kind.split("+")[0]
    ending = f" by {labels.alpha:g}" if part == "smooth" else " alone" if part == "keep" else ""
    return [f"{part} the ranking from {low} to {high}{ending}"]


def percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def number(value: float) -> str:
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
