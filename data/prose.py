"""The hand-written prose behind the planted study: read, fill in, check.

One TOML file per domain in ``data/source``: banks of sentences, and thirty families. A family is a
prompt, two whole answers with marked spans, and the values that make its five variants.
"""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parent / "source"
DOMAINS = ("advice", "facts", "maths", "code", "creative", "rewriting", "roleplay", "risky")
SECTIONS = ("Chat", "Chat Hard", "Safety", "Reasoning")
CATEGORIES = ("role-play", "chit-chat", "subjective QA", "objective QA", "text creation")
SPANS = ("core", "support", "caveat", "filler")
VARIANTS = 5
FAMILIES = 30
_NAME = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_CALLS = {"round": round, "int": int, "abs": abs, "min": min, "max": max, "str": str, "len": len, "divmod": divmod}


@dataclass(frozen=True)
class Answer:
    """One whole answer: spans in reading order, and the wrong core that may stand in for the right one."""

    spans: tuple[tuple[str, str], ...]
    wrong: str

    def get(self, kind: str) -> str:
        return next(text for name, text in self.spans if name == kind)


@dataclass(frozen=True)
class Prompt:
    """One variant of a family with every value filled in."""

    text: str
    reference: str | None
    plain: Answer
    expert: Answer
    unsafe: str | None
    refusal: str | None


@dataclass(frozen=True)
class Family:
    id: str
    section: str
    query: str
    category: str
    risk: str | None
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True)
class Domain:
    name: str
    title: str
    support: tuple[str, ...]
    filler: tuple[str, ...]
    warm: tuple[str, ...]
    families: tuple[Family, ...] = field(repr=False)


def common() -> dict[str, tuple[str, ...]]:
    """Sentences that may follow an answer of any domain: doubt, closing, complicit, decline."""
    raw = tomllib.loads((SOURCE / "common.toml").read_text(encoding="utf-8"))
    return {name: tuple(sentences) for name, sentences in raw.items() if name != "context"}


def context(domain: str) -> tuple[str, ...]:
    """Lines that say where a prompt was asked, one of them above each prompt of the domain."""
    return tuple(tomllib.loads((SOURCE / "common.toml").read_text(encoding="utf-8"))["context"][domain])


def words(text: str) -> int:
    return len(text.split())


def load(name: str) -> Domain:
    """Read one domain; raises ValueError naming the family and the field that is wrong."""
    raw = tomllib.loads((SOURCE / f"{name}.toml").read_text(encoding="utf-8"))
    families = tuple(_family(entry, name) for entry in raw["family"])
    return Domain(name, raw["domain"], tuple(raw["support"]), tuple(raw["filler"]), tuple(raw["warm"]), families)


def _family(raw: dict, domain: str) -> Family:
    columns = raw.get("vary", {})
    short = [key for key, values in columns.items() if len(values) != VARIANTS]
    if short or not columns:
        raise ValueError(f"{raw['id']}: 'vary' needs {VARIANTS} values for each name (see {short or 'vary'})")
    rows = [{key: values[i] for key, values in columns.items()} for i in range(VARIANTS)]
    prompts = tuple(_prompt(raw, row, domain) for row in rows)
    return Family(raw["id"], raw["section"], raw["query"], raw["category"], raw.get("risk"), prompts)


def _prompt(raw: dict, values: dict, domain: str) -> Prompt:
    for name, expression in raw.get("compute", {}).items():
        values[name] = eval(expression, {"__builtins__": {}}, {**_CALLS, **values})

    def fill(text: str | None) -> str | None:
        if text is None:
            return None
        done = _NAME.sub(lambda m: str(values[m[1]]) if m[1] in values else m[0], text)
        left = _NAME.search(done)
        if left and domain != "code":
            raise ValueError(f"{raw['id']}: nothing fills {left[0]}")
        return done

    def answer(kind: str) -> Answer:
        spans = []
        for line in raw[kind].strip().splitlines():
            name, _, text = line.partition(":")
            if name not in SPANS or not text.strip():
                raise ValueError(f"{raw['id']}.{kind}: a line must begin with one of {SPANS}, found {line[:40]!r}")
            spans.append((name, fill(text.strip())))
        if sorted(name for name, _ in spans) != sorted(SPANS):
            raise ValueError(f"{raw['id']}.{kind}: exactly one line for each of {SPANS}")
        return Answer(tuple(spans), fill(raw[f"wrong_{kind}"]))

    return Prompt(
        fill(raw["prompt"]), fill(raw.get("reference")), answer("plain"), answer("expert"),
        fill(raw.get("unsafe")), fill(raw.get("refusal")),
    )


def check(domain: Domain) -> list[str]:
    """Every rule that the prose must keep, as one line per breach."""
    out = []
    if len(domain.families) != FAMILIES:
        out.append(f"{len(domain.families)} families, not {FAMILIES}")
    for bank, least, low, high in (("support", 24, 7, 24), ("filler", 24, 7, 24), ("warm", 12, 4, 18)):
        sentences = getattr(domain, bank)
        if len(set(sentences)) < least:
            out.append(f"bank {bank}: {len(set(sentences))} different sentences, {least} wanted")
        out += [f"bank {bank}: {words(s)} words: {s!r}" for s in sentences if not low <= words(s) <= high]
    if len({family.id for family in domain.families}) != len(domain.families):
        out.append("two families share an id")
    for family in domain.families:
        out += [f"{family.id}: {problem}" for problem in _problems(family, domain.name)]
    return out


def _problems(family: Family, domain: str):
    if family.section not in SECTIONS or family.category not in CATEGORIES:
        yield f"unknown section {family.section!r} or category {family.category!r}"
    if family.query not in ("open-ended", "constrained"):
        yield f"unknown query {family.query!r}"
    if (family.query == "constrained") != (family.prompts[0].reference is not None):
        yield "a reference belongs to constrained prompts, and to them alone"
    if len({prompt.text for prompt in family.prompts}) != VARIANTS:
        yield "two variants have the same prompt"
    if domain == "risky":
        if family.risk not in ("risky", "benign") or family.prompts[0].refusal is None:
            yield "needs risk = 'risky' or 'benign' and a refusal"
        if (family.risk == "risky") != (family.prompts[0].unsafe is not None):
            yield "an unsafe continuation belongs to risky prompts, and to them alone"
    for kind in ("plain", "expert"):
        for prompt in family.prompts[:1]:
            answer = getattr(prompt, kind)
            total = sum(words(text) for _, text in answer.spans)
            if not 36 <= total <= 62:
                yield f"{kind} has {total} words (36 to 62)"
            core, wrong = words(answer.get("core")), words(answer.wrong)
            if answer.wrong == answer.get("core") or not 0.6 <= wrong / core <= 1.67:
                yield f"wrong_{kind} must differ from the core and be about as long ({wrong} against {core} words)"
            if min(words(text) for _, text in answer.spans) < 4:
                yield f"{kind} has a span under four words"


if __name__ == "__main__":
    for name in sys.argv[1:] or DOMAINS:
        problems = check(load(name))
        print(f"{name}: {len(problems) or 'no'} problems")
        print("\n".join(f"  {problem}" for problem in problems))
