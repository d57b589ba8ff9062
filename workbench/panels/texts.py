"""The texts of a session's items: a line for a table, and words looked up in prompts and responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Integer

from ..axes import PairMask
from ..study import Study

SHARED = 2  # families whose prompts begin with the same line: it is a form, and what they ask comes after
FORM = "… "  # stands for it
READ, SHOWN = 400, 160  # characters that a line is made from, and that it may have


@dataclass(frozen=True, eq=False)
class Texts:
    """prompts, responses: distinct texts; prompt, chosen, rejected [pair]: which of them each item has.

    forms: first lines that prompts of several families share, over the whole study.
    """

    prompts: Sequence[str]
    responses: Sequence[str]
    forms: frozenset[str]
    prompt: Integer[np.ndarray, " pair"]
    chosen: Integer[np.ndarray, " pair"]
    rejected: Integer[np.ndarray, " pair"]

    @classmethod
    def of(cls, study: Study, items: pd.DataFrame) -> Texts | None:
        """Those of a study's pairs; None for a study without text."""
        if not study.has_text:
            return None
        codes, ids = pd.factorize(items["prompt_id"])
        sides, responses = pd.factorize(pd.concat([items["chosen"], items["rejected"]]))
        prompts = study.table("prompts").set_index("prompt_id")
        asked = prompts["text"] if "text" in prompts else prompts.index.to_series()
        said = study.table("responses").set_index("response_id")["text"]
        forms = _forms(_strings(asked), prompts["family"].tolist())
        return cls(_strings(asked.loc[ids]), _strings(said.loc[responses]), forms, codes, sides[:len(items)], sides[len(items):])

    @cached_property
    def lines(self) -> np.ndarray:
        """One line per distinct prompt: white space closed up, without the first line that several families share, cut."""
        return np.array([_line(text, self.forms) for text in self.prompts], object)

    @cached_property
    def folded(self) -> tuple[list[str], list[str]]:
        """Prompts and responses without the difference between small and capital letters."""
        return [text.casefold() for text in self.prompts], [text.casefold() for text in self.responses]

    def holding(self, asked: str) -> PairMask:
        """Items whose prompt or responses hold every word of what is asked, in any case; all of them for nothing."""
        prompts, responses = self.folded
        found = np.ones(len(self.prompt), bool)
        for word in sorted(set(asked.casefold().split()), key=len, reverse=True):  # long ones leave less to look through
            here = np.flatnonzero(found)
            asks = _having(word, prompts, self.prompt[here])
            says = _having(word, responses, np.concatenate([self.chosen[here], self.rejected[here]]))
            found[here] = asks | says[: len(here)] | says[len(here):]
        return found


def _having(word: str, texts: list[str], codes: np.ndarray) -> np.ndarray:
    """Whether the text of each code has the word; each text is looked at once."""
    asked = np.zeros(len(texts), bool)
    asked[codes] = True
    among = np.flatnonzero(asked)
    asked[among] = np.fromiter((word in texts[i] for i in among.tolist()), bool, len(among))
    return asked[codes]


def _forms(texts: Sequence[str], families: Sequence) -> frozenset[str]:
    homes: dict[str, set] = {}
    for text, family in zip(texts, families):
        homes.setdefault(_first(text), set()).add(family)
    return frozenset(line for line, having in homes.items() if len(having) >= SHARED)


def _first(text: str) -> str:
    return text[:READ].lstrip().split("\n", 1)[0].strip()


def _line(text: str, forms: frozenset[str]) -> str:
    first, start = _first(text), text[:READ].lstrip()
    rest = start[len(first):].strip() if first in forms else ""
    line = " ".join((rest or start).split())
    cut = line[:SHOWN].rstrip() + "…" if len(line) > SHOWN or len(text) > READ else line
    return FORM + cut if rest else cut


def _strings(column: pd.Series) -> list[str]:
    return column.fillna("").astype(str).tolist()
