"""The planted experiment: every constant, and how an answer, a rating and a preference come about.

Nothing here was chosen after a fit: the constants were written first and are repeated in the data card.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from prose import Domain, Prompt, words

SEED = 20
OBJECTIVES = (
    "helpfulness", "informativeness", "correctness", "calibration", "coherence",
    "complexity", "verbosity", "safety", "compliance", "empathy",
)
GROUPS = {
    "helpfulness": "Helpful", "informativeness": "Helpful", "empathy": "Helpful", "correctness": "Truth", "calibration": "Truth",
    "safety": "Safety", "compliance": "Instruction", "coherence": "Form", "complexity": "Form", "verbosity": "Form",
}

# -- answers ---------------------------------------------------------------------------------------

P_EXPERT, P_WRONG, P_CAVEAT, P_WARM = 0.5, 0.35, 0.5, 0.4
P_SUPPORT = (0.2, 0.3, 0.3, 0.2)  # none, one, two or three supporting sentences
P_STRAY = (0.6, 0.25, 0.15)  # none, one or two sentences that belong to another domain
P_REFUSE, P_UNSAFE, P_REFUSE_BENIGN = 0.25, 0.25, 0.25
OPTIONAL = (2, 7)  # the number of sentences beside the core that an answer aims at
LEAN = 0.85  # how much of the other sentences filler makes room for, so that length does not stand in for them
FILLER_MAX = 6
VERBOSITY_RANGE = (20, 150)  # words that map to 0 and 1
SUPPORT_WORDS = 55  # words of support that map to informativeness 1
RESPONSES, RATED, POOL = 4, 10, 64  # paired; rated only (training prompts); recombinations of one prompt (held out)

# -- preferences -----------------------------------------------------------------------------------

BETA = 6.0
# What one unit of each objective is worth: about its standard deviation where it varies.
UNIT = {
    "helpfulness": 0.34, "informativeness": 0.28, "correctness": 0.47, "calibration": 0.5, "coherence": 0.37,
    "complexity": 0.5, "verbosity": 0.17, "safety": 0.4, "compliance": 0.4, "empathy": 0.49,
}
# Which objectives decide where, in order; how much is a Dirichlet draw. Risky requests and their benign look-alikes differ.
DECIDES = {
    "advice": ("helpfulness", "empathy", "informativeness", "calibration"),
    "facts": ("complexity", "informativeness", "correctness"),
    "maths": ("correctness", "complexity", "coherence"),
    "code": ("complexity", "helpfulness", "correctness"),
    "creative": ("verbosity", "complexity", "coherence"),
    "rewriting": ("calibration", "informativeness", "coherence"),
    "roleplay": ("empathy", "helpfulness", "calibration"),
    "risky": ("safety", "empathy", "calibration"),
    "benign": ("compliance", "helpfulness", "informativeness", "empathy"),
}
DIRICHLET = (20.0, 8.0, 5.0, 5.0)  # concentrations in that order
FLIPS = 0.15
FLIP_WIDTH = 1.0  # flips fall off as exp(-|gap| / width), gap in units
LENGTH_FLIPS = "advice"  # here flips make the longer answer win
LENGTH_FLIP_WIDTH = 20.0  # words

# -- ratings ---------------------------------------------------------------------------------------

COVERAGE = 0.7
SPREAD = 0.6  # graded scales are used from 0.2 to 0.8 by value alone, so that what leaks in is not cut off


@dataclass(frozen=True)
class Source:
    """Who rates: scale, noise, and what leaks into the rating besides the objective (per unit on [0, 1])."""

    objectives: tuple[str, ...]
    low: float
    high: float
    noise: float
    length_bias: float = 0.0
    taste: float = 0.0
    only_length: bool = False
    spread: float = SPREAD


SOURCES = {
    "crowd": Source(("helpfulness", "empathy"), 1, 5, 0.14, length_bias=0.6),
    "specialists": Source(("informativeness",), 0, 10, 0.12, taste=0.25),
    "fact-desk": Source(("correctness", "calibration"), 0, 4, 0.10),
    "quick-panel": Source(("coherence",), 1, 5, 0.08, only_length=True),
    "editors": Source(("complexity", "verbosity"), 1, 7, 0.10),
    "auditors": Source(("safety", "compliance"), 0, 1, 0.04, spread=1.0),
}


@dataclass(frozen=True)
class Written:
    """One answer, what it was made of, and its true values in the order of OBJECTIVES."""

    text: str
    made_of: dict
    values: np.ndarray


def cell(domain: str, risk: str | None) -> str:
    """Which row of the planted gate a family follows."""
    return "benign" if risk == "benign" else domain


def planted_gate() -> dict[str, np.ndarray]:
    """Weights per cell over OBJECTIVES, adding up to one."""
    rng = np.random.default_rng(SEED)
    gate = {}
    for name, chosen in DECIDES.items():
        weights = np.zeros(len(OBJECTIVES))
        weights[[OBJECTIVES.index(objective) for objective in chosen]] = rng.dirichlet(DIRICHLET[: len(chosen)])
        gate[name] = weights
    return gate


def draw(rng: np.random.Generator, risk: str | None) -> dict:
    """The factors of one answer, drawn independently but for filler, which makes room for the others."""
    support, stray = int(rng.choice(4, p=P_SUPPORT)), int(rng.choice(3, p=P_STRAY))
    expert, wrong, caveat, warm = (bool(rng.uniform() < p) for p in (P_EXPERT, P_WRONG, P_CAVEAT, P_WARM))
    what = rng.uniform()
    refuse = {"risky": what < P_REFUSE, "benign": what < P_REFUSE_BENIGN}.get(risk, False)
    unsafe = risk == "risky" and P_REFUSE <= what < P_REFUSE + P_UNSAFE
    others = 1.25 * (support - 1.5) + 2 * (caveat - P_CAVEAT) + 2 * (warm - P_WARM) + stray - 0.55
    filler = rng.uniform(OPTIONAL[0] - 0.5, OPTIONAL[1] + 0.5) - 2.5 - LEAN * others
    return {
        "expert": expert, "wrong": wrong, "caveat": caveat, "warm": warm, "support": support,
        "filler": int(np.clip(round(filler), 0, FILLER_MAX)), "stray": stray, "refuse": refuse, "unsafe": unsafe,
    }


def write(rng: np.random.Generator, prompt: Prompt, made: dict, bank: Domain, shared: dict, others: list[str]) -> Written:
    """Put an answer together: opener, marked spans, bank sentences, strays, closing; then read off its true values."""
    answer = prompt.expert if made["expert"] else prompt.plain
    supports = [] if not made["support"] else [answer.get("support"), *_pick(rng, bank.support, made["support"] - 1)]
    fillers = [] if not made["filler"] else [answer.get("filler"), *_pick(rng, bank.filler, made["filler"] - 1)]
    caveats = [answer.get("caveat"), *_pick(rng, shared["doubt"], 1)] if made["caveat"] else []
    core = [answer.wrong if made["wrong"] else answer.get("core")]
    order = [kind for kind, _ in answer.spans]
    if made["refuse"]:
        core = [prompt.refusal, *_pick(rng, shared["decline"], 1)]
        order = ["core", *(kind for kind in order if kind != "core")]
    head = {"core": core, "support": supports[:1], "caveat": caveats[:1], "filler": fillers[:1]}
    spans = [text for kind in order for text in head[kind]]
    if made["unsafe"]:
        spans += [prompt.unsafe, *_pick(rng, shared["complicit"], 1)]
    tail = supports[1:] + fillers[1:] + caveats[1:] + _pick(rng, others, made["stray"])
    tail = [tail[i] for i in rng.permutation(len(tail))]
    opener, closing = _pick(rng, bank.warm, int(made["warm"])), _pick(rng, shared["closing"], int(made["warm"]))
    text = " ".join([*opener, *spans, *tail, *closing])
    low, high = VERBOSITY_RANGE
    values = {
        "helpfulness": made["support"] / 3, "informativeness": min(1.0, sum(map(words, supports)) / SUPPORT_WORDS),
        "correctness": 0.5 if made["refuse"] else float(not made["wrong"]), "calibration": float(made["caveat"]),
        "coherence": 1 - made["stray"] / 2, "complexity": float(made["expert"]),
        "verbosity": float(np.clip((words(text) - low) / (high - low), 0, 1)), "safety": float(not made["unsafe"]),
        "compliance": float(not made["refuse"]), "empathy": float(made["warm"]),
    }
    return Written(text, made, np.array([values[name] for name in OBJECTIVES]))


def _pick(rng: np.random.Generator, bank, n: int) -> list[str]:
    return [bank[i] for i in rng.choice(len(bank), n, replace=False)] if n else []


def rate(rng: np.random.Generator, values: np.ndarray) -> dict[str, np.ndarray]:
    """Ratings [row] per objective on each source's own whole-number scale, NaN where a source did not look."""
    column = {name: values[:, i] for i, name in enumerate(OBJECTIVES)}
    length = column["verbosity"] - column["verbosity"].mean()
    taste = column["complexity"] - column["complexity"].mean()
    out = {}
    for source in SOURCES.values():
        looked = rng.uniform(size=len(values)) < COVERAGE
        for name in source.objectives:
            seen = column["verbosity"] if source.only_length else column[name]
            seen = 0.5 + source.spread * (seen - 0.5)
            seen = seen + source.length_bias * length + source.taste * taste + source.noise * rng.normal(size=len(values))
            marks = np.clip(np.round(source.low + seen * (source.high - source.low)), source.low, source.high)
            out[name] = np.where(looked, marks, np.nan)
    return {name: out[name] for name in OBJECTIVES}


def flip_chances(gap: np.ndarray, longer_lost: np.ndarray, by_words: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Chance [pair] that a label is turned round: FLIPS on average in each domain.

    gap: true gap in units; longer_lost: the chosen answer is the shorter one; by_words: how many words shorter.
    """
    chance = np.exp(-np.abs(gap) / FLIP_WIDTH)
    here = domain == LENGTH_FLIPS
    chance[here] = np.where(longer_lost, 1 - np.exp(-by_words / LENGTH_FLIP_WIDTH), 0.0)[here]
    for name in np.unique(domain):
        mine = domain == name
        for _ in range(50):  # scale to the wanted mean; a chance stays below 0.9
            chance[mine] = np.minimum(0.9, chance[mine] * FLIPS / chance[mine].mean())
    return chance
