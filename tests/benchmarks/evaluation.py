"""Metrics, resamples, permutations, decomposition, debias, rank correlations and flips against plain loops; how each grows with rows.

19 objectives, 5 seeds, 4 pairs a family, 5 sections. Plain forms are timed on a part and scaled up. Each is also timed at
1×, 4× and 16× rows: the exponent is the slope through logarithms.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import bench  # noqa: E402
import numpy as np  # noqa: E402
from bench import Row, Timing  # noqa: E402
from preview import EDITS, OBJECTIVES, make, plain_metrics  # noqa: E402

from workbench.evaluate import correlation, inference  # noqa: E402
from workbench.evaluate.attribution import contributions, decisive_shares, flip_certificates  # noqa: E402
from workbench.evaluate.correlation import correlation_table  # noqa: E402
from workbench.evaluate.flips import flips  # noqa: E402
from workbench.evaluate.metrics import correct, metric_table  # noqa: E402
from workbench.evaluate.watershed import Watershed  # noqa: E402
from workbench.objectives.debias import Debiased  # noqa: E402
from workbench.scenario.preview import preview  # noqa: E402

SIZES = {"tiny": 800, "quick": 8_000, "middle": 100_000, "full": 100_000}
PART, DRAWS, FLIPS, RANKED = 800, 1000, 9999, 400


class Case:
    """A baseline and an edit of it over so many pairs, and everything that is made of them once."""

    def __init__(self, pairs: int):
        self.before, study = make(pairs)
        self.after = preview(self.before, self.before.scenario.child(**EDITS["debias, drop, multiplier"]), study)
        rng = np.random.default_rng(1)
        self.length = rng.integers(1, 400, size=(pairs, 2)).astype(np.float64)
        self.pairs, self.families = self.before.pairs, self.before.families
        for each in (self.before, self.after):
            _ = each.scores, each.raw, each.nuisance, each.mean_weights, each.differences, each.slices, each.weights

    def metrics(self):
        return metric_table(self.before.margins, self.pairs, groups=self.families, parts=self.before.slices, draws=0)

    def resamples(self):
        return inference.bootstrap(correct(self.before.margins), self.families, draws=DRAWS)

    def permutations(self):
        return inference.sign_flip(correct(self.after.margins) - correct(self.before.margins), self.families, draws=FLIPS)

    def decomposition(self):
        return contributions(self.before.mean_weights, self.before.differences), decisive_shares(self.before.mean_weights,
                                                                                                 self.before.differences)

    def certificates(self):
        return flip_certificates(self.after.mean_weights, self.after.scores, self.after.raw, self.after.nuisance, self.after.penalty,
                                 multiplier=self.after.multiplier)

    def debias(self):
        return Debiased.fit(self.before.scores, against="o04").penalty

    def within(self):
        table = correlation_table(self.before.scores, self.length, self.families, draws=RANKED)
        return table[table["view"] == correlation.WITHIN]

    def flipped(self):
        parts = tuple(contributions(each.mean_weights, each.differences) for each in (self.before, self.after))
        return flips(self.pairs, self.before.margin, self.after.margin, parts, (self.before.names, self.after.names))

    def watershed(self):
        return Watershed.of(self.before).table


# -- plain forms, of the first pairs --------------------------------------------------------------------------------------


def plain_flips(case: Case, part: int, signs: int) -> float:
    """p by sign patterns, family by family; signs from the same bytes."""
    difference = (correct(case.after.margins) - correct(case.before.margins))[:, :part]
    sums: dict[int, float] = {}
    for p in range(part):
        sums[case.families[p]] = sums.get(case.families[p], 0.0) + sum(seed[p] for seed in difference) / len(difference)
    moved = [value for value in sums.values() if abs(value) > 1e-12]
    drawn = np.random.default_rng(0).integers(0, 256, (signs, -(-len(moved) // 8)), np.uint8)
    hits = 0
    for row in np.unpackbits(drawn, axis=1):
        hits += abs(sum(-value if bit else value for value, bit in zip(moved, row))) >= abs(sum(moved)) - 1e-9
    return (1 + hits) / (1 + signs)


def plain_decomposition(case: Case, part: int) -> list[list[float]]:
    weights, values, out = case.before.mean_weights, case.before.scores.values, []
    for p in range(part):
        found = [float(weights[p, k] * (values[p, 0, k] - values[p, 1, k])) for k in range(OBJECTIVES)]
        size = sum(map(abs, found))
        out.append([abs(value) / size for value in found])
    return out


def plain_certificates(case: Case, part: int) -> list[float]:
    """The mass certificate: move mass from the largest difference to the smallest until the margin is gone."""
    out = []
    for p in range(part):
        weights, gaps = case.after.mean_weights[p], case.after.differences[p]
        share, sign = weights / weights.sum(), 1.0 if float(weights @ gaps) >= 0 else -1.0
        order = sorted(range(len(gaps)), key=lambda k: -sign * gaps[k])
        left, moved, least = abs(float(share @ gaps)), 0.0, sign * gaps[order[-1]]
        for k in order:
            drop = sign * gaps[k] - least
            if left <= 0 or drop <= 0:
                break
            step = min(share[k], left / drop)
            left, moved = left - step * drop, moved + step
        out.append(moved if least < 0 else float("nan"))
    return out


def plain_debias(case: Case, objective: str) -> float:
    """λ of one objective by bisection, each step a Spearman correlation from the start."""
    from scipy.stats import spearmanr

    values, nuisance = (case.before.scores.column(name).ravel() for name in (objective, "o04"))
    low, high = -8.0, 8.0
    for _ in range(52):
        middle = (low + high) / 2
        low, high = (middle, high) if spearmanr(values - middle * nuisance, nuisance).statistic > 0 else (low, middle)
    return (low + high) / 2


def plain_within(case: Case, part: int, draws: int) -> list[float]:
    """Resampled correlations of the first objective: draw families, put their rows together, rank, correlate."""
    from scipy.stats import spearmanr

    gaps, other = case.before.differences[:part, 0], (case.length[:, 0] - case.length[:, 1])[:part]
    members = [np.flatnonzero(case.families[:part] == family) for family in dict.fromkeys(case.families[:part].tolist())]
    out = []
    for drawn in np.random.default_rng(0).integers(0, len(members), (draws, len(members) - 1), np.uint16):
        rows = np.concatenate([members[family] for family in drawn])
        out.append(spearmanr(gaps[rows], other[rows]).statistic)
    return out


def plain_table(case: Case, part: int) -> list[tuple]:
    """Kind and mover of each pair, worst first."""
    old, new = (np.asarray(each.mean_weights[:part] * each.differences[:part]) for each in (case.before, case.after))
    rows = []
    for p in range(part):
        before, after = float(case.before.margin[p]), float(case.after.margin[p])
        kind = "broken" if before > 0 >= after else "fixed" if before <= 0 < after else "moved" if before != after else "same"
        change = dict(zip(case.after.names, new[p].tolist()))
        for name, value in zip(case.before.names, old[p].tolist()):
            change[name] = change.get(name, 0.0) - value
        rows.append((kind != "broken", after - before, p, kind, max(change, key=lambda name: abs(change[name]))))
    return sorted(rows)


# -- the table ---------------------------------------------------------------------------------------------------------------



def naive_forms(case: Case, part: int) -> dict[str, tuple[Timing, str, str]]:
    """Of each operation: what the plain form would take on all pairs, how that was timed, and how far ours is from it."""
    pairs, whole = len(case.pairs), Case(part)
    more = len(case.pairs) / part
    found = {}
    slow = bench.timed(lambda: plain_metrics(whole.before.margins, whole.pairs))
    ours = whole.metrics().set_index(["slice", "metric"])["value"]
    apart = max(abs(ours[key] - value) for key, (value, _) in slow.value.items())
    found["metrics"] = slow * more, f"{part} pairs, scaled up", f"to {apart:.0e}"
    few = bench.timed(lambda: plain_metrics(whole.before.margins, whole.pairs, 2))
    drawn = Timing(few.cpu - slow.cpu, few.wall - slow.wall) * (DRAWS / 2 * more / 4)  # of two metrics, of all pairs and of sections
    ours = inference.bootstrap(correct(whole.before.margins), whole.families, draws=2)
    apart = np.abs(np.array(few.value["All pairs", "accuracy"][1]) - ours).max()
    found["resamples"] = drawn, f"2 resamples of {part} pairs, scaled up", f"the same resamples of {part} pairs to {apart:.0e}"
    slow = bench.timed(lambda: plain_flips(whole, part, 20))
    apart = abs(slow.value - inference.sign_flip(correct(whole.after.margins) - correct(whole.before.margins), whole.families, draws=20))
    found["permutations"] = slow * (FLIPS / 20 * more), f"20 flips of {part} pairs, scaled up", f"p of the same flips to {apart:.0e}"
    slow = bench.timed(lambda: plain_decomposition(whole, part))
    found["decomposition"] = slow * more, f"{part} pairs, scaled up", f"to {np.abs(whole.decomposition()[1] - slow.value).max():.0e}"
    slow = bench.timed(lambda: plain_certificates(whole, part))
    mass = np.nan_to_num(whole.certificates()["mass"].to_numpy(), nan=-1) - np.nan_to_num(slow.value, nan=-1)
    found["certificates"] = slow * more, f"{part} pairs, scaled up", f"mass to {np.abs(mass).max():.0e}"
    slow = bench.timed(lambda: plain_debias(case, "o00"))
    apart = abs(slow.value - case.debias()[0])
    found["debias"] = slow * (OBJECTIVES - 1), "one objective, 52 halvings with scipy's spearmanr, times 18", f"λ to {apart:.0e}"
    slow = bench.timed(lambda: plain_within(case, pairs, 2))
    exact = plain_within(whole, part, 6)
    apart = np.abs(exact - correlation.spearman_draws(whole.before.differences[:, :1], whole.length[:, 0] - whole.length[:, 1],
                                                      whole.families, draws=6)[:, 0]).max()
    said = f"the same resamples of {part} pairs to {apart:.0e}"
    if case.families[-1] >= inference.BUNDLES:
        said += f"; of {case.families[-1] + 1:,} families linear, {_spread():.2f} × as wide as exact resamples of 3,000"
    found["within"] = slow * (RANKED / 2 * OBJECTIVES * 3), "2 resamples, one objective and view, scaled up to both views", said
    slow = bench.timed(lambda: plain_table(whole, part))
    table = whole.flipped()
    same = [(f"c{row[2]}", *row[3:]) for row in slow.value] == list(zip(table["pair_id"], table["kind"], table["moved_by"]))
    found["flipped"] = slow * more, f"{part} pairs, scaled up", "the same rows" if same else "OTHER ROWS"
    return found


def _spread() -> float:
    """How wide the linear resamples are beside the exact ones, at 3 000 families."""
    case = Case(12_000)
    exact = correlation._resampled(case.before.differences[:, :1], case.length[:, 0] - case.length[:, 1],
                                   inference.resampling_weights(3000, RANKED, np.random.default_rng(0)), case.families)
    linear = correlation.spearman_draws(case.before.differences[:, :1], case.length[:, 0] - case.length[:, 1], case.families, draws=RANKED)
    return float(linear.std() / exact.std())


WORK: dict[str, tuple[str, Callable]] = {
    "metrics": ("accuracy and log loss by section", Case.metrics), "resamples": ("accuracy, 1,000 resamples of families", Case.resamples),
    "permutations": ("9,999 sign flips of families", Case.permutations),
    "decomposition": ("contributions and decisive shares of every pair", Case.decomposition),
    "certificates": ("both flip certificates of every pair, with words", Case.certificates),
    "debias": ("exact debias of 19 objectives against one", Case.debias),
    "within": ("19 correlations with length, pooled and within prompts, 400 resamples", Case.within),
    "flipped": ("what broke, and the objective that moved each pair", Case.flipped), "watershed": ("watershed of the gate", Case.watershed),
}
WHY = {  # why a work's exponent is above 1
    "debias": "sorting is n log n, and larger columns leave the caches", "decomposition": "small sizes stay in the caches",
    "flipped": "a sort, and small sizes stay in the caches", "certificates": "small sizes stay in the caches",
}


def main() -> None:
    asked = bench.parser(__doc__).parse_args()
    pairs, rounds = SIZES[asked.size], 3 if asked.size in ("middle", "full") else 1
    sizes = [pairs // 16, pairs // 4, pairs]
    cases = {size: Case(size) for size in sizes}
    naive, rows = naive_forms(cases[pairs], min(PART, pairs)), []
    for name, (words, work) in WORK.items():
        ours = [bench.alternate({"ours": lambda work=work, case=case: work(case)}, rounds, warm=True)["ours"] for case in cases.values()]
        slow, how, agreed = naive.get(name, (None, "", ""))
        power = bench.exponent(sizes, [one.cpu for one in ours])
        said = f"grows with rows^{power:.2f} from {sizes[0]:,} to {pairs:,}"
        if power > 1.05:
            said += f": {WHY.get(name, 'columns leave the caches')}"
        rows.append(Row(f"{pairs:,} pairs: {words}", slow, ours[-1], naive_is=how, agreement=agreed, note=said))
    bench.report(rows, asked)


if __name__ == "__main__":
    main()
