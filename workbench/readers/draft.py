"""Rows in, Tables out: ids, identical texts, splits and declared ranges are settled in one place for every layout."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from ..errors import WorkbenchError, listing
from ..tables import COLUMNS, Objective, Tables
from .files import Line
from .messages import told

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
    "eval": "test",
}
USUAL_RANGES = ((0, 1), (1, 5), (0, 4), (0, 5), (1, 10), (0, 10), (0, 100))
MISSING = (None, "", "N/A", "n/a", "NA", "nan", "None")
OF_PAIRS = ("subset", "item", "label_by", "strength", "language")
_SKIP = "Correct the row, or leave such rows out (skip_bad=True, --skip-bad)"


def content_id(prefix: str, *texts: str) -> str:
    """An id made of what it names: the same text has the same id in every file."""
    digest = hashlib.sha256("\x1f".join(texts).encode()).hexdigest()
    return prefix + digest[:12]


def about(line: Line, **known) -> dict:
    """What a row says of its prompt and of itself, under the names that layouts use for it."""
    values = {
        "id": line.first("id", "pair_id", "uid"),
        "prompt_id": line.first("prompt_id"),
        "family": line.first("family", "prompt_hash"),
        "section": line.first("section", "group", "source"),
        "domain": line.first("domain", "source"),
        "query": line.first("query"),
        "category": line.first("category"),
        "reference": line.first("reference"),
        "split": line.first("split"),
        "source": line.first("source"),
        "model": line.first("model"),
        "chosen_model": line.first("chosen_model"),
        "rejected_model": line.first("rejected_model"),
        "extra": {name: line.data[name] for name in OF_PAIRS if line.data.get(name) is not None},
    }
    values.update({name: value for name, value in known.items() if value is not None})
    return values


class Draft:
    """Tables in the making. Texts that are equal under one prompt become one response, whichever file they came from.

    A prompt is a text or a list of turns (`messages.Turn`); conversations that read alike and differ are different prompts.
    skip_bad leaves out empty texts, identical sides, differing prompts and repeats, and counts them; anything else that is
    wrong raises WorkbenchError with the file and line. declared: objectives known before, ranges: ends known before.
    """

    def __init__(self, *, skip_bad: bool = False, ranges: dict[str, tuple[float, float]] | None = None, declared: Iterable[Objective] = ()):
        self.skip_bad, self.ranges = skip_bad, {name: tuple(map(float, ends)) for name, ends in (ranges or {}).items()}
        self.declared = {objective.name: objective for objective in declared}
        self.prompts: dict[str, dict] = {}
        self.responses: dict[str, dict] = {}
        self.pairs: dict[str, dict] = {}
        self.ratings: dict[str, dict[str, float]] = {}
        self.scores: dict[str, dict[str, float]] = {}
        self.sources: dict[str, str] = {}
        self.splits: dict[tuple[str, str], None] = {}
        self.left_out: Counter[str] = Counter()
        self._by_text: dict[tuple[str, str], str] = {}

    # -- one row at a time ------------------------------------------------------------------------

    def add_pair(self, place: str, prompt, chosen, rejected, known: dict) -> dict | None:
        """One comparison; the texts are as they came and are checked here. Its row, None where it is left out."""
        said, messages = told(prompt)
        if not self._texts(place, prompt=said, chosen=chosen, rejected=rejected):
            return None
        if chosen == rejected:
            return self.bad("identical sides", WorkbenchError("chosen and rejected are the same", where=place, remedy=_SKIP))
        pair_id = str(known.get("id") or content_id("c", *filter(None, (said, messages)), chosen, rejected))
        if pair_id in self.pairs:
            what = f"duplicate id {pair_id!r}" if known.get("id") else "the same pair again"
            return self.bad("repeated pairs", WorkbenchError(what, where=place, remedy=_SKIP))
        prompt_id = self._prompt(place, said, messages, known)
        self.pairs[pair_id] = {
            "pair_id": pair_id,
            "prompt_id": prompt_id,
            "chosen": self._response(place, prompt_id, chosen, known.get("chosen_model"), known.get("chosen_id")),
            "rejected": self._response(place, prompt_id, rejected, known.get("rejected_model"), known.get("rejected_id")),
            "source": known.get("source"),
            **known.get("extra", {}),
        }
        return self.pairs[pair_id]

    def add_rated(self, place: str, prompt, response, values: dict, known: dict, ranges: dict | None = None) -> str | None:
        """One rated response; values: objective → rating, None where unrated. Its id, None where it is left out."""
        said, messages = told(prompt)
        if not self._texts(place, prompt=said, response=response):
            return None
        given = known.get("id")
        if given is not None and str(given) in self.ratings:
            return self.bad("repeated responses", WorkbenchError(f"duplicate id {str(given)!r}", where=place, remedy=_SKIP))
        prompt_id = self._prompt(place, said, messages, known)
        again = self._by_text.get((prompt_id, response))
        if again is not None and again in self.ratings and given is None:
            return self.bad("repeated responses", WorkbenchError("the same prompt and response rated again", where=place, remedy=_SKIP))
        response_id = self._response(place, prompt_id, response, known.get("model"), given)
        row = self.ratings.setdefault(response_id, {})
        for name, value in values.items():
            self.sources.setdefault(name, name.split("-")[0] if "-" in name else str(known.get("source") or ""))
            row[name] = self._rating(place, name, value, self.ranges.get(name) or (ranges or {}).get(name))
        for name, ends in (ranges or {}).items():
            self.ranges.setdefault(name, ends)
        return response_id

    def add_scores(self, place: str, response_id: str, values: dict) -> None:
        """Numbers of a response that no one rated: column → score, None where unknown."""
        row = self.scores.setdefault(response_id, {})
        for name, value in values.items():
            number, known = self._rating(place, name, value, None), row.get(name, math.nan)
            if math.isnan(known):
                row[name] = number
            elif not math.isnan(number) and number != known:
                what = f"{name} of the same answer is {number:g}, and {known:g} before"
                self.bad("contradicting scores", WorkbenchError(what, where=place, remedy=_SKIP))

    def bad(self, reason: str, error: WorkbenchError) -> None:
        """A row to leave out and count, where that was asked for."""
        if not self.skip_bad:
            raise error
        self.left_out[reason] += 1

    def _texts(self, place: str, **texts) -> bool:
        for what, text in texts.items():
            if text is not None and not isinstance(text, str):
                raise WorkbenchError(
                    f"{what} is a {type(text).__name__}, not text", where=place, remedy="Give a string, or messages of role and content"
                )
            if text is None or not text.strip():
                self.bad("empty texts", WorkbenchError(f"empty {what}", where=f"{place}, column {what}", remedy=_SKIP))
                return False
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise WorkbenchError(
                    f"{what} is not UTF-8 text: half a surrogate pair at character {error.start + 1}",
                    where=f"{place}, column {what}",
                    remedy="Write the text again from its source",
                ) from None
        return True

    def _prompt(self, place: str, text: str, messages: str | None, known: dict) -> str:
        prompt_id = str(known.get("prompt_id") or content_id("p", *filter(None, (text, messages))))
        row = self.prompts.get(prompt_id)
        if row is None:
            row = {name: known.get(name) for name in COLUMNS["prompts"]}
            row |= {"prompt_id": prompt_id, "family": str(known.get("family") or prompt_id), "text": text, "messages": messages}
            self.prompts[prompt_id] = row
        elif (row["text"], row["messages"]) != (text, messages):
            raise WorkbenchError(f"prompt_id {prompt_id!r} has two texts", where=place, remedy="Ids are unique: rename one of them")
        split = known.get("split")
        if split is not None:
            if str(split).lower() not in SPLIT_NAMES:
                raise WorkbenchError(f"unknown split {split!r}", where=place, remedy=f"Known: {', '.join(SPLIT_NAMES)}")
            self.splits[row["family"], SPLIT_NAMES[str(split).lower()]] = None
        return prompt_id

    def _response(self, place: str, prompt_id: str, text: str, model, given=None) -> str:
        response_id = self._by_text.get((prompt_id, text)) if given is None else str(given)
        row = self.responses.get(response_id)
        if row is None:
            response_id = response_id or content_id("r", prompt_id, text)
            self.responses[response_id] = {"response_id": response_id, "prompt_id": prompt_id, "text": text, "model": model}
            self._by_text.setdefault((prompt_id, text), response_id)
        elif (row["prompt_id"], row["text"]) != (prompt_id, text):
            raise WorkbenchError(f"response id {response_id!r} has two texts", where=place, remedy="Ids are unique: rename one of them")
        elif row["model"] is None:
            row["model"] = model
        return response_id

    def _rating(self, place: str, name: str, value, ends) -> float:
        if isinstance(value, str):
            value = value.strip()
        if value in MISSING:
            return math.nan
        where = f"{place}, column {name}"
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise WorkbenchError(f"rating {value!r} is not a number", where=where, remedy="Ratings are numbers or null") from None
        if math.isinf(number):
            raise WorkbenchError("infinite rating", where=where, remedy="Ratings are numbers or null")
        if ends is not None and not math.isnan(number) and not ends[0] <= number <= ends[1]:
            raise WorkbenchError(
                f"rating {number:g} outside {ends[0]:g} to {ends[1]:g}",
                where=where,
                remedy=f"Correct it, or declare ranges={{{name!r}: (low, high)}}",
            )
        return number

    # -- the whole --------------------------------------------------------------------------------

    def tables(self, objectives: Iterable[str] | None = None, **notes) -> Tables:
        """The valid tables; objectives: which of the rated ones to keep. Raises the first problem."""
        names = list(self.sources)
        if objectives is not None:
            names = list(objectives)
            unknown = [name for name in names if name not in self.sources]
            if unknown:
                raise WorkbenchError(f"unknown objective {listing(unknown)}", remedy=f"Rated are {listing(self.sources, 30)}")
        unused = [name for name in self.ranges if name not in self.sources]
        if unused:
            raise WorkbenchError(f"a range for unknown objective {listing(unused)}", remedy=f"Rated are {listing(self.sources, 30)}")
        ratings, declared, guessed = self._ratings(names)
        if self.left_out:
            notes["left_out"] = dict(self.left_out)
        if guessed:
            notes["guessed_ranges"] = guessed
        splits = pd.DataFrame(list(self.splits), columns=list(COLUMNS["splits"])) if self.splits else None
        return Tables(
            _frame(self.prompts, "prompts"),
            _frame(self.responses, "responses"),
            _frame(self.pairs, "pairs"),
            ratings,
            declared,
            splits,
            notes,
            {"given": self._scores()} if self.scores else {},
        ).validated()

    def _ratings(self, names: list[str]):
        if not self.sources:
            return None, (), {}
        frame = pd.DataFrame.from_dict(self.ratings, orient="index").reindex(columns=names).astype("float64")
        frame = frame.rename_axis("response_id").reset_index()
        if frame.columns.size > 1:
            frame = frame.dropna(how="all", subset=names, ignore_index=True) if frame[names].notna().any(axis=None) else frame
        declared, guessed = [], {}
        for name in names:
            if name in self.declared and name not in self.ranges:
                declared.append(self.declared[name])
                continue
            low, high = self.ranges.get(name) or guessed.setdefault(name, usual_range(frame[name]))
            declared.append(Objective(name, float(low), float(high), source=self.sources[name], group=self.sources[name]))
        return frame, tuple(declared), {name: list(ends) for name, ends in guessed.items()}

    def _scores(self) -> pd.DataFrame:
        return pd.DataFrame.from_dict(self.scores, orient="index").astype("float64").rename_axis("response_id").reset_index()


def usual_range(values: pd.Series) -> tuple[float, float]:
    """The first usual scale that holds every value, else their own minimum and maximum."""
    low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # + 0.0: no minus zero
    return next(((float(a), float(b)) for a, b in USUAL_RANGES if a <= low and high <= b), (low, high))


def _frame(rows: dict[str, dict], name: str) -> pd.DataFrame:
    frame = pd.DataFrame.from_records(list(rows.values()), columns=None if rows else list(COLUMNS[name]))
    optional = [c for c in frame.columns if c not in ("prompt_id", "family", "text", "chosen", "rejected") and frame[c].isna().all()]
    return frame.drop(columns=optional) if len(frame) else frame
