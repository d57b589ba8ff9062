"""Groups of objectives on screen: the sign that each wears, and rows under their groups."""

from __future__ import annotations

SLOTS = ("instruction", "helpful", "truth", "safety", "code", "form")


def slot_of(group: str | None) -> str:
    """The sign of a group: one of the six, or "other"."""
    low = (group or "").lower()
    return low if low in SLOTS else "other"


def by_group(rows: list[dict]) -> list[dict]:
    """Rows of one group beside one another, groups in the order of their first row; `first` of a group's first: how many."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    rows.sort(key=lambda row: groups.index(row["group"]))
    for group in groups:
        members = [row for row in rows if row["group"] == group]
        members[0]["first"] = len(members)
    return rows
