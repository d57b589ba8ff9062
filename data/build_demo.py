"""Build the shipped study ``data/demo`` from the prose and the recipe: same inputs, same bytes.

``python data/build_demo.py`` takes about ten minutes on two cores, nearly all of it the encoder; ``--keep-features``
takes the features of the study that is there, which the extraction refuses unless every text is the same.
"""

from __future__ import annotations

import itertools
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import prose  # noqa: E402
import recipe  # noqa: E402

from workbench.tables import Objective, Tables, split_families  # noqa: E402

ABOUT = "A planted experiment in real prose; see data/CARD.md"


def families() -> tuple[dict, list]:
    """Every domain, and its families in file order."""
    domains = {name: prose.load(name) for name in prose.DOMAINS}
    breaches = [f"{name}: {line}" for name, domain in domains.items() for line in prose.check(domain)]
    if breaches:
        raise SystemExit("\n".join(breaches))
    return domains, [(domain, family) for domain in domains.values() for family in domain.families]


def prompts_table(listed: list) -> pd.DataFrame:
    """One row per variant; each family is asked in one place, and the line above the question says where."""
    rng = np.random.default_rng(recipe.SEED + 4)
    above = {family.id: str(rng.choice(prose.context(domain.name))) for domain, family in listed}
    rows = [
        {
            "prompt_id": f"{family.id}-{'abcde'[i]}", "family": family.id, "section": family.section, "domain": domain.name,
            "query": family.query, "category": family.category, "risk": family.risk,
            "text": f"{above[family.id]}\n\n{prompt.text}", "reference": prompt.reference,
        }
        for domain, family in listed for i, prompt in enumerate(family.prompts)
    ]
    return pd.DataFrame(rows)


def responses_table(domains: dict, listed: list, split: dict) -> tuple[pd.DataFrame, np.ndarray]:
    """Four answers to each prompt; more for the raters where families train; a pool of one prompt of each other family."""
    rng, shared = np.random.default_rng(recipe.SEED + 1), prose.common()
    rows, values = [], []
    for domain, family in listed:
        others = [s for name, other in domains.items() if name != domain.name for s in (*other.support, *other.filler)]
        for i, prompt in enumerate(family.prompts):
            origin, seen = f"{family.id}-{'abcde'[i]}", set()
            train = split[family.id] == "train"
            more = recipe.RATED if train else recipe.POOL if i == 0 else 0
            while len(seen) < recipe.RESPONSES + more:
                made = recipe.draw(rng, family.risk)
                written = recipe.write(rng, prompt, made, domain, shared, others)
                if written.text in seen:
                    continue
                kind = "answer" if len(seen) < recipe.RESPONSES else "rated" if train else "pool"
                seen.add(written.text)
                rows.append({"response_id": f"{origin}-{len(seen):02d}", "prompt_id": origin, "text": written.text, "model": kind, **made})
                values.append(written.values)
    return pd.DataFrame(rows), np.array(values)


def pairs_table(responses: pd.DataFrame, values: np.ndarray, prompts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All six pairs of each prompt, labelled by the planted gate, then flipped; and what is true of each."""
    rng = np.random.default_rng(recipe.SEED + 2)
    gate = recipe.planted_gate()
    where = prompts.set_index("prompt_id")
    unit = np.array([recipe.UNIT[name] for name in recipe.OBJECTIVES])
    length = responses["text"].str.split().str.len().to_numpy()
    left, right, cells, domains = [], [], [], []
    answers = np.flatnonzero(responses["model"] == "answer")
    for rows in answers.reshape(-1, recipe.RESPONSES):  # four in a row belong to one prompt
        about = where.loc[responses["prompt_id"].iat[rows[0]]]
        for a, b in itertools.combinations(rows, 2):
            left.append(a), right.append(b)
            cells.append(recipe.cell(about["domain"], about["risk"])), domains.append(about["domain"])
    left, right, domains = np.array(left), np.array(right), np.array(domains)
    weights = np.stack([gate[name] for name in cells])
    gap = (weights * (values[left] - values[right]) / unit).sum(axis=1)
    chance = 1 / (1 + np.exp(-recipe.BETA * gap))
    swap = rng.uniform(size=len(gap)) > chance
    left, right, gap = np.where(swap, right, left), np.where(swap, left, right), np.where(swap, -gap, gap)
    shorter = length[right] - length[left]
    flip = rng.uniform(size=len(gap)) < recipe.flip_chances(gap, shorter > 0, shorter.clip(0), domains)
    left, right, gap = np.where(flip, right, left), np.where(flip, left, right), np.where(flip, -gap, gap)
    ids = responses["response_id"].to_numpy()
    table = pd.DataFrame({
        "pair_id": [f"pair-{i:05d}" for i in range(len(gap))], "prompt_id": responses["prompt_id"].to_numpy()[left],
        "chosen": ids[left], "rejected": ids[right], "source": "planted",
    })
    chance = 1 / (1 + np.exp(-recipe.BETA * gap))
    return table, pd.DataFrame({"pair_id": table["pair_id"], "cell": cells, "gap": gap, "probability": chance, "flipped": flip})


def objectives() -> tuple[Objective, ...]:
    by = {name: (label, source) for label, source in recipe.SOURCES.items() for name in source.objectives}
    return tuple(Objective(name, by[name][1].low, by[name][1].high, by[name][0], recipe.GROUPS[name]) for name in recipe.OBJECTIVES)


def plant() -> tuple[Tables, dict[str, pd.DataFrame]]:
    """Tables and truth, without features: a second's work."""
    domains, listed = families()
    prompts = prompts_table(listed)
    splits = split_families(prompts)
    responses, values = responses_table(domains, listed, dict(zip(splits["family"], splits["split"])))
    rated = (responses["model"] != "pool").to_numpy()
    pairs, truth_pairs = pairs_table(responses, values, prompts)
    marks = recipe.rate(np.random.default_rng(recipe.SEED + 3), values[rated])
    ratings = pd.DataFrame({"response_id": responses.loc[rated, "response_id"].to_numpy(), **marks})
    made = [column for column in responses if column not in ("response_id", "prompt_id", "text", "model")]
    truth = pd.concat([
        responses[["response_id"]], pd.DataFrame(values, columns=list(recipe.OBJECTIVES)), responses[made].add_prefix("made_"),
    ], axis=1)
    gate = pd.DataFrame(recipe.planted_gate(), index=list(recipe.OBJECTIVES)).T.rename_axis("cell").reset_index()
    tables = Tables(prompts, responses[["response_id", "prompt_id", "text", "model"]], pairs, ratings, objectives(), splits)
    return tables, {"truth": truth, "truth_pairs": truth_pairs, "truth_gate": gate}


def build(folder: Path, keep_features: bool) -> None:
    from workbench.extract import extract
    from workbench.projection import project

    tables, truth = plant()
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    if keep_features:
        shutil.copytree(folder / "features", beside / "features")
    study = extract(tables, beside, backbone="all-MiniLM-L6-v2", name="demo", truth=truth, about=ABOUT, licence="Apache-2.0",
                    progress=print)
    project(study, of="prompts", seed=recipe.SEED)
    (beside / ".extract.lock").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


if __name__ == "__main__":
    build(HERE / "demo", keep_features="--keep-features" in sys.argv[1:])
