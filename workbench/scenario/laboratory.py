"""The strength laboratory: reward heads taught by many treatments of one study's labels, all at once, in seconds.

What a scenario does for one treatment with a gate, this does for dozens with Bradley–Terry heads on features: bands of strength,
added noise, domains left out, each over several seeds, as one job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..axes import PairMask
from ..errors import WorkbenchError, listing
from ..preference.answers import Answers
from ..preference.bradley_terry import Stacked, Supervision, bradley_terry_loss
from ..preference.data import hold_out
from ..preference.heads import DECAYS, HeadStack, penalties
from ..study import Study
from .edits import seeds_of
from .ensembles import StrengthSpec
from .inputs import Inputs, prepare
from .labels import LabelSpec, label_spec, label_words
from .noise import NoiseSpec, turned
from .strength import strength, truth_of
from .treatment import supervision
from .trial import NONE, ORACLE, ORACLE_DROP, Trial, corrected, references

Labels = Mapping[str, object]  # name → what stands for a LabelSpec
EVERY, LOSS = 10, "train loss"


@dataclass(frozen=True, eq=False)
class Laboratory:
    """A study's train pairs laid out for heads, and how those are trained.

    hidden: () linear heads, (32,) small MLPs; seeds: one head for each, with its own corruption of the labels and its own
    ensemble and order of the data; decay: L2 penalty of all of them, chosen on held-out families of the labels as they stand. The
    heads of a seed read the same batches, so that treatments differ by what they teach and by nothing else.
    """

    inputs: Inputs
    answers: Answers
    hidden: tuple[int, ...]
    seeds: tuple[int, ...]
    decay: float
    steps: int
    batch_size: int
    lr: float
    device: str
    store: bool

    @classmethod
    def of(cls, study: Study, *, hidden: Sequence[int] = (), seeds: int | Sequence[int] = 10, decay: float | None = None, steps: int = 200,
           batch_size: int = 512, lr: float | None = None, device: str = "auto", store: bool = True) -> Laboratory:
        """Raises WorkbenchError for a study without features, and for what exceeds the memory budget."""
        inputs, hidden = prepare(study, store=store), tuple(hidden)
        data = inputs.split("train")
        if data.read_features is None:
            raise WorkbenchError("heads need features, and this study has none", where=study.name, remedy="Extract features first")
        features, n, seeds = data.features, len(data.pairs), seeds_of(seeds)
        taught = np.ones(n, bool) if features.mask is None else features.mask
        rate = (1e-2 if not hidden else 3e-3) if lr is None else lr
        answers = Answers.laid_out(features.response, taught, hidden=hidden, heads=64, batch_size=batch_size, device=device)
        shared = dict(hidden=hidden, steps=steps, batch_size=batch_size, lr=rate, device=device)
        if decay is None:
            held = hold_out(data.families, n, 0.2, 0)
            decay = DECAYS[penalties(answers, Supervision.hard(n), held, seed=0, label="laboratory", **shared)[1]]
        return cls(inputs, answers, hidden, seeds, float(decay), steps, batch_size, rate, device, store)

    # -- what is asked -----------------------------------------------------------------------------

    def treatments(self, labels: Labels | Sequence, *, noise: NoiseSpec | dict | None = None, oracle: bool = True,
                   progress: Callable | None = None, cancel=None) -> Trial:
        """Heads taught by each treatment, by none, and by oracles that know the corrupted labels (where any are known).

        labels: name → treatment, or treatments that name themselves; noise: labels turned round on purpose, anew for each seed.
        """
        named, noise = _named(labels), _noise(noise)
        taught, strengths, corrupted = self._taught(named, noise, progress=progress, cancel=cancel)
        if oracle and corrupted.any():
            hard = Supervision.hard(corrupted.shape[1])
            made = [hard.turned(mask) for mask in self.noisy(noise, "train")]
            taught[ORACLE_DROP] = [one.dropped(mask) for one, mask in zip(made, corrupted)]
            taught[ORACLE] = [one.flipped(mask) for one, mask in zip(made, corrupted)]
        return self._tried(taught, noise, strengths, corrupted, progress, cancel)

    def by_band(self, *, bands: int = 10, spec: StrengthSpec | dict | str | None = None, noise: NoiseSpec | dict | None = None,
                progress: Callable | None = None, cancel=None) -> pd.DataFrame:
        """Heads taught by one band of strength alone (arXiv 2401.06080, §2.2): band (1 the weakest), lowest, highest (means over seeds),
        and the columns of `Trial.table`."""
        ends = np.linspace(0, 1, bands + 1)
        strength_ = {} if spec is None else {"strength": spec}
        labels = {str(k + 1): {"kind": "keep", "band": (ends[k], ends[k + 1]), **strength_} for k in range(bands)}
        trial = self.treatments(labels, noise=noise, oracle=False, progress=progress, cancel=cancel)
        table = trial.table()
        table = table[table["treatment"] != NONE].rename(columns={"treatment": "band"})
        table["band"] = table["band"].astype(int)
        mean = np.sort(trial.strengths[:, ~np.isnan(trial.strengths).any(axis=0)], axis=1).mean(axis=0)  # of the ranks, over seeds
        parts = [mean[round(ends[k] * len(mean)) : round(ends[k + 1] * len(mean))] for k in range(bands)]
        table["lowest"], table["highest"] = ([getattr(parts[band - 1], what)() for band in table["band"]] for what in ("min", "max"))
        return table.reset_index(drop=True)

    def by_noise(self, labels: Labels | Sequence, *, rates: Sequence[float] = (0.0, 0.1, 0.2, 0.3, 0.4),
                 follows: Sequence[str] = ("chance", "length"), progress: Callable | None = None, cancel=None) -> pd.DataFrame:
        """`treatments` at each rate of added noise and each kind of it: the columns of `Trial.table`, rate and follows.

        The oracles know the labels turned round by this noise; p_holm is over all rates, kinds and treatments.
        """
        parts = []
        for kind in follows:
            for rate in rates:
                noise = {"rate": rate, "follows": kind} if rate else None
                table = self.treatments(labels, noise=noise, oracle=bool(rate), progress=progress, cancel=cancel).table()
                parts.append(table.assign(rate=float(rate), follows=kind))
        return corrected(pd.concat(parts, ignore_index=True))

    def leave_one_out(self, labels: Labels | Sequence, *, by: str = "domain", fewest: int = 100, noise: NoiseSpec | dict | None = None,
                      progress: Callable | None = None, cancel=None) -> pd.DataFrame:
        """Heads taught without a domain, on that domain: the columns of `Trial.table`, and domain.

        by: a column of the pairs; domains with fewer than `fewest` dev pairs are left in and not reported. Neither heads nor the
        ensembles behind a treatment see the domain's labels; the penalty is the laboratory's. p_holm is over all domains and
        treatments.
        """
        train, dev = (self.inputs.split(name).pairs for name in ("train", "dev"))
        if by not in dev.columns:
            raise WorkbenchError(f"no column {by!r} of the pairs", where="leave one out", remedy=f"There are {listing(dev.columns, 20)}")
        counts = dev[by].value_counts()
        domains = [str(name) for name in counts.index[counts >= fewest]]
        if not domains:
            raise WorkbenchError(f"no {by} has {fewest} dev pairs", where="leave one out", remedy="Ask for fewer, or by another column")
        named, noise, parts = _named(labels), _noise(noise), []
        for domain in domains:
            there, here = train[by].astype(str).to_numpy() == domain, dev[by].astype(str).to_numpy() == domain
            taught, *known = self._taught(named, noise, without=there, progress=progress, cancel=cancel)
            trial = self._tried(taught, noise, *known, progress, cancel)
            parts.append(_on(trial, here).table().assign(domain=domain))
        return corrected(pd.concat(parts, ignore_index=True))

    def curves(self, labels: Labels | Sequence, *, noise: NoiseSpec | dict | None = None, every: int = EVERY,
               progress: Callable | None = None, cancel=None) -> pd.DataFrame:
        """Training curves, means over seeds: step, treatment, of ("train loss", or a reference on dev), value."""
        named, noise = _named(labels), _noise(noise)
        taught, _, _ = self._taught(named, noise, progress=progress, cancel=cancel)
        known, data, rows = self._references(noise), self.inputs.split("dev"), []
        names, stacked = list(taught), _stacked(taught)
        tensors, answers = [one.tensors() for each in zip(*taught.values()) for one in each], self.inputs.split("train").features

        def watch(step: int, heads: HeadStack) -> None:
            import torch

            margins = [_margins(heads(x)) for x in (answers.response, data.features.response)]
            losses = [float(bradley_terry_loss(torch.tensor(one, dtype=torch.float32), each)) for one, each in zip(margins[0], tensors)]
            for number, name in enumerate(names):
                mine = slice(number, None, len(names))
                rows.append((step, name, LOSS, float(np.mean(losses[mine]))))
                if step:  # before it every margin is zero, a tie
                    rows.extend((step, name, of, float(one.scored(margins[1][mine]).mean())) for of, one in known.items())

        self._fitted(*stacked, every=every, watch=watch, progress=progress, cancel=cancel)
        return pd.DataFrame(rows, columns=["step", "treatment", "of", "value"])

    # -- how it is done ----------------------------------------------------------------------------

    def _taught(self, named: dict, noise: NoiseSpec | None, **fitted) -> tuple[dict[str, list[Supervision]], np.ndarray | None, np.ndarray]:
        """Treatment → a supervision for each seed, the strength that was read [seed pair], and the labels known to be wrong [seed pair]."""
        taught = {NONE: []} | {name: [] for name in named}
        fitted |= {"device": self.device, "store": self.store}
        strengths, reads = [], next((spec for spec in named.values() if isinstance(spec, LabelSpec) and spec.reads_strength), None)
        for seed in self.seeds:
            _go_on(fitted["cancel"])
            here = None if noise is None else noise.model_copy(update={"seed": noise.seed + seed})
            for name, spec in {NONE: "hard", **named}.items():
                taught[name].append(supervision(_seeded(spec, here, seed), self.inputs, **fitted))
            if reads is not None:
                spec = _seeded(reads, here, seed).strength
                found, known = strength(self.inputs, spec, noise=here, **fitted)
                strengths.append(np.full(len(known), np.nan))
                strengths[-1][known] = found.mean
        return taught, np.stack(strengths) if strengths else None, self._corrupted(noise)

    def _corrupted(self, noise: NoiseSpec | None) -> np.ndarray:
        """Mask [seed pair] of the train labels that are known to be wrong: by noise; without any, by the truth where it is known."""
        masks = self.noisy(noise, "train")
        if noise is None and (truth := truth_of(self.inputs.study, self.inputs.split("train").pairs)) is not None and "gap" in truth:
            return np.broadcast_to(truth["gap"].to_numpy() < 0, masks.shape)
        return masks

    def noisy(self, noise: NoiseSpec | None, split: str = "train") -> np.ndarray:
        """Mask [seed pair] of the labels of a split that each seed's noise turns round."""
        count, length = len(self.inputs.split(split).pairs), self.inputs.length(split)
        if noise is None:
            return np.zeros((len(self.seeds), count), bool)
        return np.stack([turned(noise.model_copy(update={"seed": noise.seed + seed}), count, length, split) for seed in self.seeds])

    def _references(self, noise: NoiseSpec | None) -> dict:
        pairs = self.inputs.split("dev").pairs
        truth = truth_of(self.inputs.study, pairs)
        gap = truth["gap"].to_numpy(np.float64) if truth is not None and "gap" in truth else None
        return references(pairs, gap, self.noisy(noise, "dev"))

    def _fitted(self, stacked: Stacked, weight: np.ndarray, **loop) -> HeadStack:
        """A head for each supervision; those of a seed stand together and read the same batches."""
        _go_on(loop.get("cancel"))
        heads, mask = len(weight), self.inputs.split("train").features.mask
        weight = weight if mask is None else weight * mask
        seeds = np.repeat(self.seeds, heads // len(self.seeds)).tolist()
        found = HeadStack.fit(
            self.answers, stacked, hidden=self.hidden, seeds=seeds, orders=list(self.seeds), decay=[self.decay] * heads,
            held_out=np.zeros(len(stacked), bool), weight=weight, steps=self.steps, batch_size=self.batch_size, lr=self.lr,
            device=self.device, label=f"{heads} heads", **loop,
        )
        _go_on(loop.get("cancel"))
        return found

    def _tried(self, taught, noise, strengths, corrupted, progress, cancel) -> Trial:
        heads = self._fitted(*_stacked(taught), progress=progress, cancel=cancel)
        data = self.inputs.split("dev")
        margins = _margins(heads(data.features.response)).reshape(len(self.seeds), len(taught), -1)
        return Trial(tuple(taught), margins.transpose(1, 0, 2), data.pairs, self._references(noise), corrupted, strengths, self.decay,
                     self.inputs.study.hash)


def _go_on(cancel) -> None:
    if cancel is not None and cancel.is_set():
        raise WorkbenchError("cancelled", where="laboratory", remedy="Ask again: half an experiment says nothing")


def _named(labels: Labels | Sequence) -> dict[str, LabelSpec | str]:
    items = labels.items() if isinstance(labels, Mapping) else [(None, spec) for spec in labels]
    made = [(name, label_spec(spec)) for name, spec in items]
    named = {name or label_words(spec): spec for name, spec in made}
    if len(named) < len(made) or NONE in named:
        raise WorkbenchError("two treatments of one name", where="laboratory", remedy=f"Give each a name of its own, none of them {NONE!r}")
    if any(isinstance(spec, LabelSpec) and spec.noise for spec in named.values()):
        raise WorkbenchError("a treatment with noise of its own", where="laboratory", remedy="Give noise once, for all treatments")
    return named


def _noise(noise) -> NoiseSpec | None:
    return NoiseSpec(**noise) if isinstance(noise, Mapping) else noise


def _seeded(spec: LabelSpec | str, noise: NoiseSpec | None, seed: int) -> LabelSpec | str:
    """A treatment with this seed's noise, by this seed's ensemble."""
    if not isinstance(spec, LabelSpec):
        return spec if noise is None else LabelSpec(noise=noise)
    source = spec.strength
    if source.source == "heads":
        source = source.model_copy(update={"seed": source.seed + seed})
    return spec.model_copy(update={"noise": noise, "strength": source})


def _stacked(taught: dict[str, list[Supervision]]) -> tuple[Stacked, np.ndarray]:
    """The treatments of one seed after those of another, and their weights [head pair]."""
    return Stacked.of([one for each in zip(*taught.values()) for one in each])


def _margins(rewards: np.ndarray) -> np.ndarray:
    """R⁺ − R⁻ [head pair] of rewards [head pair side]."""
    return rewards[..., 0] - rewards[..., 1]


def _on(trial: Trial, here: PairMask) -> Trial:
    """The same on some of the dev pairs."""
    kept = {name: replace(one, right=one.right[..., here], among=one.among[here]) for name, one in trial.references.items()}
    kept = {name: one for name, one in kept.items() if one.among.any()}
    return replace(trial, margins=trial.margins[..., here], pairs=trial.pairs[here].reset_index(drop=True), references=kept)
