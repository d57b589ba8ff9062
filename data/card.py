"""The tables of the data card, from the recipe: ``python data/card.py`` prints them; a test holds CARD.md to them."""

from __future__ import annotations

import recipe


def objective_table() -> str:
    """What each objective is worth and who rates it."""
    by = {name: (label, source) for label, source in recipe.SOURCES.items() for name in source.objectives}
    lines = ["| objective | group | unit | rated by | scale | noise | what leaks in |", "|---|---|---|---|---|---|---|"]
    for name in recipe.OBJECTIVES:
        label, source = by[name]
        leaks = [f"length {source.length_bias:+.2f}"] * bool(source.length_bias)
        leaks += [f"expert's taste {source.taste:+.2f}"] * bool(source.taste)
        leaks += ["the rating is length, nothing else"] * source.only_length
        scale = f"{source.low:g} to {source.high:g}"
        rated = f"{label} | {scale} | {source.noise:.2f} | {', '.join(leaks) or '–'}"
        lines.append(f"| {name} | {recipe.GROUPS[name]} | {recipe.UNIT[name]:.2f} | {rated} |")
    return "\n".join(lines)


def gate_table() -> str:
    """The planted weights of each cell, in percent."""
    lines = ["| cell | " + " | ".join(recipe.OBJECTIVES) + " |", "|---" * (1 + len(recipe.OBJECTIVES)) + "|"]
    for name, weights in recipe.planted_gate().items():
        lines.append(f"| {name} | " + " | ".join(f"{100 * w:.1f}" if w else "" for w in weights) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(objective_table(), gate_table(), sep="\n\n")
