"""RLHFlow's caches become a study whose every row is the cache's; damaged ones are refused by file and row."""

from __future__ import annotations

import os
import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from workbench import caches
from workbench.armorm.checkpoint import OBJECTIVES
from workbench.caches import importing
from workbench.check import check
from workbench.errors import WorkbenchError
from workbench.scalarize.gate import SoftmaxGate
from workbench.scalarize.weights import GlobalWeights
from workbench.scores import Scores

DIM, NAMES = 8, ("good", "long", "safe")


def bf16(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16()


def stage1(folder, *, data="Rated-Set-v0.1", rows=(30, 25), names=3, seed=0, **change):
    """Files of one data set: embeddings and labels in [0, 1], a third of them unrated."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, count in enumerate(rows, 1):
        embeddings = bf16(count, DIM, seed=seed + number)
        labels = (torch.sigmoid(embeddings[:, :names].float()) * 10).round() / 10
        labels[torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed + number)) < 0.33] = torch.nan
        file = {"embeddings": embeddings, "labels": labels, **change}
        save_file(file, folder / f"{data}-{number:05d}-of-{len(rows):05d}.safetensors")
    return folder


def stage2(folder, name="pairs-helpful-train", *, prompts=20, per_prompt=2, seed=50, **change):
    folder.mkdir(parents=True, exist_ok=True)
    prompt = bf16(prompts, DIM, seed=seed).repeat_interleave(per_prompt, 0)
    embeddings = bf16(len(prompt), 2, DIM, seed=seed + 1)
    save_file({"embeddings": embeddings, "prompt_embeddings": prompt[:, None].repeat(1, 2, 1), **change}, folder / f"{name}.safetensors")
    return folder


def rows_of(folder, key):
    from safetensors.torch import load_file

    return torch.cat([load_file(path)[key] for path in sorted(folder.glob("*.safetensors"))]).float().numpy()


@pytest.fixture
def both(tmp_path):
    return stage1(tmp_path / "one"), stage2(tmp_path / "two")


# -- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7 * 4 * DIM, 2**26])
def test_blocks_are_the_files(both, monkeypatch, size):
    monkeypatch.setattr(caches.stages, "READ", size)
    one, two = caches.read_stage1(both[0], NAMES), caches.read_stage2(both[1])
    assert (len(one), one.dim, one.objectives, len(two), two.dim) == (55, DIM, NAMES, 40, DIM)
    np.testing.assert_array_equal(np.concatenate([block.features for block in one.blocks()]), rows_of(both[0], "embeddings"))
    np.testing.assert_array_equal(np.concatenate([block.labels for block in one.blocks()]), rows_of(both[0], "labels"))
    starts = [block.start for block in one.blocks()]
    assert starts[0] == 0 and sorted(starts) == starts and {block.dataset for block in one.blocks()} == {"Rated-Set-v0.1"}
    np.testing.assert_array_equal(np.concatenate([block.features for block in two.blocks()]), rows_of(both[1], "embeddings"))


def test_the_nineteen_are_known(tmp_path):
    folder = stage1(tmp_path / "one", names=3, labels=torch.rand(30, 19), rows=(30,))
    assert caches.read_stage1(folder).objectives == OBJECTIVES and len(OBJECTIVES) == 19
    assert caches.read_stage1(sorted(folder.iterdir())[0], [f"o{i}" for i in range(19)]).objectives[18] == "o18"
    with pytest.raises(WorkbenchError, match="3 columns of labels and 0 names.*in order"):
        caches.read_stage1(stage1(tmp_path / "other"))
    with pytest.raises(WorkbenchError, match="3 columns of labels and 2 names"):
        caches.read_stage1(tmp_path / "other", ("a", "a", "b"))


# -- a whole study -----------------------------------------------------------------------------------


def composed(study, ids):
    table = study.split_responses(text=False)
    at = table.reset_index().set_index("response_id").loc[ids, "index"].to_numpy()
    return np.asarray(study.stream())[at]


@pytest.mark.parametrize("shard", [1, 2**26])
def test_a_study_of_both_stages(both, tmp_path, monkeypatch, shard):
    monkeypatch.setattr(importing, "SHARD", 4 * DIM * 9 if shard == 1 else shard)
    study = caches.import_caches(tmp_path / "study", stage1=both[0], stage2=both[1], objectives=NAMES, name="both", licence="theirs")
    assert not check(study.folder).problems and study.info["licence"] == "theirs" and study.name == "both"
    assert study.info["features"] == {"compose": ["response"]} and not study.has_text
    responses, pairs, ratings = study.table("responses"), study.table("pairs"), study.ratings
    assert len(responses) == 55 + 2 * 40 and len(pairs) == 40 and pairs["prompt_id"].nunique() == 20
    rated = [f"Rated-Set-v0.1:{i}" for i in range(55)]
    np.testing.assert_array_equal(composed(study, rated), rows_of(both[0], "embeddings"))
    for side, word in enumerate(("chosen", "rejected")):
        ids = [f"pairs-helpful-train:{i}:{word}" for i in range(40)]
        assert pairs[word].tolist() == ids
        np.testing.assert_array_equal(composed(study, ids), rows_of(both[1], "embeddings")[:, side])
    np.testing.assert_array_equal(np.asarray(study.prompt_rows(pairs["prompt_id"])), rows_of(both[1], "prompt_embeddings")[:, 0])
    labels = pd.DataFrame(rows_of(both[0], "labels"), index=rated, columns=list(NAMES)).dropna(how="all")
    np.testing.assert_array_equal(ratings.set_index("response_id").loc[labels.index].to_numpy(), labels.to_numpy(np.float64))
    assert len(ratings) == len(labels) and study.info["guessed_ranges"] == {name: [0, 1] for name in NAMES}
    assert set(pairs["source"]) == {"pairs-helpful"} and set(study.table("splits")["split"]) == {"train", "dev", "test"}
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "one", tmp_path / "two", study.folder])


def test_what_has_no_prompt_is_said_and_takes_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "SHARD", 4 * DIM * 10)
    study = caches.import_caches(tmp_path / "study", stage1=stage1(tmp_path / "one"), stage2=stage2(tmp_path / "two"), objectives=NAMES)
    skipped = study.store.skipped("prompt")
    assert set(skipped) == set(range(20, 75)) and set(skipped.values()) == {"stage 1 caches hold no prompt feature"}
    entries = study.store.index["kinds"]["prompt"]["shards"]
    assert [entry["rows"] for entry in entries] == [10, 10, 10, 10, 10, 10, 10, 5]
    assert len({entry["file"] for entry in entries}) == 4  # two of prompts, one of ten rows of nothing, one of five
    assert not study.store.rows("prompt", np.arange(20, 75)).any() and not study.store.skipped("response")


def test_probes_are_fitted_on_stage_1_and_gates_trained_on_stage_2(tmp_path):
    """A row without prompt feature is still a row for probes, and every pair is one for the gate."""
    from workbench.scenario.recipe import Scenario
    from workbench.scenario.run import run

    one = stage1(tmp_path / "one", rows=(120,))
    study = caches.import_caches(tmp_path / "study", stage1=one, stage2=stage2(tmp_path / "two", prompts=40), objectives=NAMES)
    for stream in (study.stream("train"), study.stream("train", of="pairs")):
        assert stream.mask is None or stream.mask.all()
    result = run(Scenario(gate={"hidden": (4,), "steps": 5, "batch_size": 16}, seeds=(0,)), study, cache=False)
    assert result.names == NAMES and len(result.gates) == 1 and len(result.pairs) == len(study.split_pairs("dev"))


def test_rows_with_the_same_bytes_share_a_family(tmp_path):
    """A rated response that is in a pair too would leak from train to dev as a prompt of its own."""
    two = stage2(tmp_path / "two")
    shared = torch.tensor(rows_of(two, "embeddings")[3, 1]).bfloat16()
    embeddings = bf16(30, DIM, seed=9)
    embeddings[4], embeddings[7], embeddings[20] = shared, embeddings[6], embeddings[6]
    one = stage1(tmp_path / "one", rows=(30,), embeddings=embeddings)
    study = caches.import_caches(tmp_path / "study", stage1=one, stage2=two, objectives=NAMES)
    owner = study.table("responses").set_index("response_id")["prompt_id"]
    assert owner["Rated-Set-v0.1:4"] == owner["pairs-helpful-train:3:rejected"]
    assert owner["Rated-Set-v0.1:6"] == owner["Rated-Set-v0.1:7"] == owner["Rated-Set-v0.1:20"] == "Rated-Set-v0.1:6"
    assert owner.nunique() == 20 + 30 - 3 and len(study.store.skipped("prompt")) == 27


@pytest.mark.parametrize("alone", ["one", "two"])
def test_either_stage_alone(tmp_path, alone):
    files = {"stage1": stage1(tmp_path / "one")} if alone == "one" else {"stage2": stage2(tmp_path / "two")}
    study = caches.import_caches(tmp_path / "study", objectives=NAMES, backbone="org/model", **files)
    assert not check(study.folder).problems and study.info["features"]["backbone"] == "org/model"
    assert (len(study.pairs), len(study.store.skipped("prompt"))) == ((0, 55) if alone == "one" else (40, 0))
    assert ("ratings.parquet" in study.info["files"]) == (alone == "one")


def test_splits_of_the_files_names(tmp_path):
    for seed, name in ((1, "set-train"), (200, "set-code-validation"), (300, "set-test")):
        stage2(tmp_path / "two", name, seed=seed)
    study = caches.import_caches(tmp_path / "study", stage1=stage1(tmp_path / "one"), stage2=tmp_path / "two", objectives=NAMES)
    split = study.pairs.assign(file=study.pairs["pair_id"].str.split(":").str[0]).groupby("file")["split"].unique().map(list)
    assert split.to_dict() == {"set-train": ["train"], "set-code-validation": ["dev"], "set-test": ["test"]}
    assert set(study.responses.loc[study.responses["response_id"].str.startswith("Rated"), "split"]) == {"train", "dev", "test"}
    stage2(tmp_path / "torn", "set-train", seed=1)
    stage2(tmp_path / "torn", "set-test", seed=1)
    with pytest.raises(WorkbenchError, match="in two splits"):
        caches.import_caches(tmp_path / "other", stage2=tmp_path / "torn")


def test_scales_and_objectives_nobody_rated(tmp_path):
    labels = torch.full((30, 3), torch.nan)
    labels[:20, 1] = torch.arange(20) % 5
    study = caches.import_caches(tmp_path / "study", stage1=stage1(tmp_path / "one", rows=(30,), labels=labels), objectives=NAMES)
    assert study.objectives == ("long",) and study.info["unrated"] == ["good", "safe"]
    assert study.info["guessed_ranges"] == {"long": [0, 4]} and len(study.ratings) == 20


def test_equal_sides_are_counted(tmp_path):
    embeddings = bf16(40, 2, DIM)
    embeddings[5, 0] = embeddings[5, 1]
    study = caches.import_caches(tmp_path / "study", stage2=stage2(tmp_path / "two", embeddings=embeddings))
    assert study.info["identical_sides"] == 1 and len(study.pairs) == 40


# -- what is wrong with files ------------------------------------------------------------------------


def nan_at(shape, row):
    out = bf16(*shape)
    out[row].view(-1)[1] = torch.nan
    return out


def differing(rows):
    out = bf16(40, 1, DIM).repeat(1, 2, 1)
    out[rows, 1, 3] += 1
    return out


def truncated(folder):
    path = sorted(folder.iterdir())[-1]
    path.write_bytes(path.read_bytes()[:-7])
    return folder


def without(folder, number):
    sorted(folder.iterdir())[number].unlink()
    return folder


def mixed(first, second):
    for path in second.iterdir():
        path.rename(first / path.name)
    return first


LABELS = torch.zeros(30, 3)
BAD1 = {
    "missing shard": (lambda p: without(stage1(p / "a", rows=(5, 5, 5)), 1), ["shard missing: Rated-Set-v0.1-00002-of-00003"]),
    "truncated": (lambda p: truncated(stage1(p / "a")), ["Rated-Set-v0.1-00002-of-00002.safetensors", "truncated"]),
    "not finite": (lambda p: stage1(p / "a", rows=(30,), embeddings=nan_at((30, DIM), 17)),
                   ["00001-of-00001.safetensors", "NaN or infinite embeddings in rows 17"]),
    "infinite label": (lambda p: stage1(p / "a", rows=(30,), labels=LABELS + torch.inf), ["infinite label in rows 0, 1", "NaN stands"]),
    "rows": (lambda p: stage1(p / "a", rows=(30,), labels=torch.zeros(29, 3)), ["29 labels beside 30 embeddings"]),
    "dims": (lambda p: mixed(stage1(p / "a", rows=(30,)), stage1(p / "b", rows=(30,), data="x", embeddings=bf16(30, 4))),
             ["x-00001-of-00001.safetensors", "embeddings of 4 dims, of 8 in Rated"]),
    "objectives": (lambda p: mixed(stage1(p / "a", rows=(30,)), stage1(p / "b", rows=(30,), data="x", names=2)),
                   ["x-00001-of-00001.safetensors", "labels of 2 objectives, of 3"]),
    "other stage": (lambda p: stage2(p / "a"), ["embeddings has shape [40, 2, 8], wanted [N, d]", "other stage"]),
    "no labels": (lambda p: save_file({"embeddings": bf16(3, DIM)}, p / "x.safetensors") or p, ["x.safetensors", "no tensor 'labels'"]),
    "not safetensors": (lambda p: (p / "x.safetensors").write_bytes(b"PK" * 40) and p, ["x.safetensors", "not a safetensors file"]),
    "nothing": (lambda p: (p / "a").mkdir() or p / "a", ["no .safetensors file here"]),
    "no file": (lambda p: p / "none.safetensors", ["none.safetensors", "missing"]),
}  # fmt: skip
BAD2 = {
    "prompts differ": (lambda p: stage2(p / "a", prompt_embeddings=differing([4, 9])),
                       ["pairs-helpful-train.safetensors", "prompt rows differ in rows 4, 9"]),
    "not finite": (lambda p: stage2(p / "a", embeddings=nan_at((40, 2, DIM), 3)), ["NaN or infinite embeddings in rows 3"]),
    "prompt not finite": (lambda p: stage2(p / "a", prompt_embeddings=nan_at((40, 2, DIM), 3)), ["infinite prompt_embeddings in rows 3"]),
    "sides": (lambda p: stage2(p / "a", embeddings=bf16(40, 3, DIM)), ["[40, 3, 8] and [40, 2, 8], wanted [N, 2, d]"]),
    "dims": (lambda p: mixed(stage2(p / "a"), stage2(p / "b", "x-test", embeddings=bf16(4, 2, 6), prompt_embeddings=bf16(4, 2, 6))),
             ["x-test.safetensors", "embeddings of 6 dims, of 8"]),
    "truncated": (lambda p: truncated(stage2(p / "a")), ["pairs-helpful-train.safetensors", "truncated"]),
    "other stage": (lambda p: stage1(p / "a"), ["embeddings has shape [30, 8], wanted [N, 2, d]"]),
}  # fmt: skip


@pytest.mark.parametrize("stage, case", [*(("stage1", case) for case in BAD1), *(("stage2", case) for case in BAD2)])
def test_bad_caches(tmp_path, stage, case):
    make, words = (BAD1 if stage == "stage1" else BAD2)[case]
    files = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(WorkbenchError) as caught:
        caches.import_caches(tmp_path / "study", objectives=NAMES, **{stage: files})
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before  # nothing is left of a study that could not be made


def test_what_import_refuses(both, tmp_path):
    with pytest.raises(WorkbenchError, match="no files named"):
        caches.import_caches(tmp_path / "study")
    caches.import_caches(tmp_path / "study", stage2=both[1])
    with pytest.raises(WorkbenchError, match="something is here already"):
        caches.import_caches(tmp_path / "study", stage2=both[1])
    other = stage2(tmp_path / "other", embeddings=bf16(40, 2, 6), prompt_embeddings=bf16(40, 1, 6).repeat(1, 2, 1))
    with pytest.raises(WorkbenchError, match="stage 1 features of 8 dims, stage 2 features of 6"):
        caches.import_caches(tmp_path / "mixed", stage1=both[0], stage2=other, objectives=NAMES)


def test_a_file_cut_short_while_it_is_read(both):
    one = caches.read_stage1(both[0], NAMES)
    truncated(both[0])
    with pytest.raises(WorkbenchError, match="cut short since it was opened"):
        list(one.blocks())


def test_types_are_kept_or_widened(tmp_path):
    folder = stage1(tmp_path / "one", rows=(30,))
    assert caches.import_caches(tmp_path / "a", stage1=folder, objectives=NAMES).store.index["kinds"]["response"]["dtype"] == "BF16"
    two = stage2(tmp_path / "two", embeddings=torch.randn(40, 2, DIM), prompt_embeddings=torch.randn(40, 1, DIM).repeat(1, 2, 1))
    study = caches.import_caches(tmp_path / "b", stage1=folder, stage2=two, objectives=NAMES)
    assert study.store.index["kinds"]["response"]["dtype"] == "F32"
    np.testing.assert_array_equal(composed(study, study.table("pairs")["chosen"]), rows_of(two, "embeddings")[:, 0])


# -- weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torch", "legacy", "safetensors", "bfloat16"])
def test_regression(tmp_path, kind):
    weight = torch.randn(3, DIM)
    weight = weight.bfloat16() if kind == "bfloat16" else weight
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "safetensors":
        save_file({"weight": weight}, path)
    else:
        torch.save({"weight": weight}, path, _use_new_zipfile_serialization=kind != "legacy")
    found = caches.read_regression(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, weight.float().numpy())


class Marker:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "beside tensors"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path, form):
    path, marker = tmp_path / "gate.pt", tmp_path / "marker"
    held = {"weight": Marker(marker)} | ({"logit_scale": torch.ones(1)} if form == "beside tensors" else {})
    if form == "plain":
        path.write_bytes(pickle.dumps(held, protocol=2))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=form != "legacy")
    for read in (caches.read_regression, lambda path: caches.read_gate(path, NAMES)):
        with pytest.raises(WorkbenchError, match="gate.pt: refused: it holds more than tensors.*Nothing was run.*state_dict"):
            read(path)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Marker(marker)))
    assert marker.exists()  # it would have been made


@pytest.mark.parametrize(
    "held, words",
    [
        (b"abc", ["not a readable torch file"]),
        (b"", ["not a readable torch file"]),
        ([torch.ones(2)], ["not tensors by name", "state_dict"]),
        ({"weight": 3}, ["not tensors by name"]),
        ({"bias": torch.ones(3)}, ["no regression weight [K, d]", "bias [3]"]),
        ({"weight": torch.ones(3)}, ["no regression weight [K, d]", "weight [3]"]),
        ({"weight": torch.tensor([[1.0, torch.nan]])}, ["weight holds NaN"]),
    ],
)
def test_bad_weights(tmp_path, held, words):
    path = tmp_path / "w.pt"
    path.write_bytes(held) if isinstance(held, bytes) else torch.save(held, path)
    with pytest.raises(WorkbenchError) as caught:
        caches.read_regression(path)
    assert all(word in str(caught.value) for word in ["w.pt", *words]), str(caught.value)


def test_missing_and_truncated_weights(tmp_path):
    with pytest.raises(WorkbenchError, match="no such file"):
        caches.read_regression(tmp_path / "none.pt")
    torch.save({"weight": torch.ones(99, 99)}, tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.pt").read_bytes())
    os.truncate(tmp_path / "w.pt", 900)
    with pytest.raises(WorkbenchError, match="w.pt: not a readable torch file"):
        caches.read_regression(tmp_path / "w.pt")
    with pytest.raises(WorkbenchError, match="w.safetensors: not a readable safetensors file"):
        caches.read_regression(tmp_path / "w.safetensors")


# -- the gate, and what it learned -------------------------------------------------------------------


class Released(torch.nn.Module):
    """A gate as it was released: softmax over `axis` of what the layers say, times a scale."""

    def __init__(self, dim, count, hidden=(32, 32), dropout=0.0, temperature=10.0):
        super().__init__()
        sizes = (dim, *hidden, count)
        self.logit_scale = torch.nn.Parameter(torch.ones(1))
        self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.dropout, self.temperature = torch.nn.Dropout(dropout), temperature

    def forward(self, x, axis):
        for layer in self.layers[:-1]:
            x = self.dropout(layer(x).relu())
        return torch.softmax(self.layers[-1](x) / self.temperature, dim=axis) * self.logit_scale


def planted_pairs(pairs=1200, dim=DIM, seed=0):
    """Prompts of two kinds, which weigh four objectives differently; scores [pair, 2, 4] with the better side first, mostly."""
    rng = np.random.default_rng(seed)
    prompt, scores = rng.normal(size=(pairs, dim)).astype(np.float32), rng.normal(size=(pairs, 2, 4)).astype(np.float32)
    weights = np.where(prompt[:, :1] > 0, [[0.7, 0.3, 0, 0]], [[0, 0.1, 0.2, 0.7]])
    worse = rng.uniform(size=pairs) > 1 / (1 + np.exp(-3 * (weights * (scores[:, 0] - scores[:, 1])).sum(1)))
    scores[worse] = scores[worse][:, ::-1]
    return torch.tensor(prompt), torch.tensor(scores)


@cache
def trained(axis, *, dropout=0.0, decay=0.0, steps=150, seed=0):
    """The released loop: AdamW at 1e-3 on Bradley–Terry; axis 1 of [pair, 2, d] is the bug, −1 of [pair, d] the paper."""
    torch.manual_seed(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several make so small a net slower
    prompt, scores = planted_pairs()
    gate = Released(DIM, 4, dropout=dropout)
    optimiser = torch.optim.AdamW(gate.parameters(), lr=1e-3, weight_decay=decay)
    for _ in range(steps):
        some = torch.randint(0, len(prompt), (128,))
        x = prompt[some, None].expand(-1, 2, -1) if axis == 1 else prompt[some]
        weights = gate(x, axis) if axis == 1 else gate(x, axis)[:, None]
        rewards = (weights * scores[some]).sum(-1)
        loss = -torch.nn.functional.logsigmoid(rewards[:, 0] - rewards[:, 1]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.set_num_threads(threads)
    return gate.eval()


FOUR = ("a", "b", "c", "d")


def read(gate, tmp_path):
    torch.save(gate.state_dict(), tmp_path / "gate.pt")
    return caches.read_gate(tmp_path / "gate.pt", FOUR)


def test_a_gate_is_read_as_it_was(tmp_path):
    gate, (prompt, _) = trained(-1), planted_pairs()
    found = read(gate, tmp_path)
    with torch.no_grad():
        np.testing.assert_allclose(found.weights(prompt.numpy()), gate(prompt, -1).numpy(), atol=1e-6)
    assert found.logit_scale == pytest.approx(gate.logit_scale.item()) and found.names == FOUR
    warm = caches.read_gate(tmp_path / "gate.pt", FOUR, temperature=1.0)
    assert warm.temperature == 1.0


def test_gates_that_do_not_fit(tmp_path):
    state = Released(DIM, 4).state_dict()
    for change, words in (
        ({"layers.1.weight": torch.ones(32, 31)}, "layer 1 has weight .* after one of 32"),
        ({"layers.1.bias": torch.ones(3)}, "layer 1 has weight .* and bias"),
        ({"logit_scale": None}, "lacks 'logit_scale'"),
        ({"layers.2.bias": None}, "lacks 'layers.2.bias'"),
    ):
        changed = {name: value for name, value in (state | change).items() if value is not None}
        torch.save(changed, tmp_path / "gate.pt")
        with pytest.raises(WorkbenchError, match=f"gate.pt: .*{words}"):
            caches.read_gate(tmp_path / "gate.pt", FOUR)
    torch.save(state, tmp_path / "gate.pt")
    with pytest.raises(WorkbenchError, match="gate.pt: a gate over 4 objectives with 3 names"):
        caches.read_gate(tmp_path / "gate.pt", NAMES)


@pytest.mark.parametrize("dropout, decay", [(0.0, 0.0), (0.2, 0.0), (0.2, 0.1)])
def test_the_wrong_axis_is_recognised(tmp_path, dropout, decay):
    gate, (prompt, _) = trained(1, dropout=dropout, decay=decay), planted_pairs()
    both = gate(prompt[:, None].expand(-1, 2, -1), 1)
    assert torch.equal(both, torch.full_like(both, 0.5) * gate.logit_scale)  # the bug: half the scale, whatever the layers say
    found = caches.diagnose_gate(read(gate, tmp_path), prompt.numpy())
    assert found.wrong_axis and found.last_bias <= 1
    assert max(found.between_prompts, found.between_objectives) < caches.diagnosis.FLAT
    assert "wrong axis" in found.sentence and "never trained" in found.sentence


def test_the_last_bias_has_no_gradient_over_the_wrong_axis():
    """Why the bias tells: dropout moves the other layers, but a number added to a logit on both sides changes nothing."""
    torch.manual_seed(0)
    before = Released(DIM, 4).layers
    after = trained(1, dropout=0.2).layers
    moved = [(new.bias - old.bias).abs().max().item() for old, new in zip(before, after)]
    assert moved[-1] < 0.005 and moved[0] > 5 * moved[-1]


def test_a_gate_that_learned_is_not_accused(tmp_path):
    for dropout in (0.0, 0.2):
        found = caches.diagnose_gate(read(trained(-1, dropout=dropout), tmp_path), planted_pairs()[0].numpy())
        assert not found.wrong_axis and found.between_prompts > 2 * caches.diagnosis.FLAT and "it learned" in found.sentence


def test_our_own_gates(tmp_path):
    prompt, values = planted_pairs(400)
    scores = Scores(values.numpy(), FOUR)
    gate = SoftmaxGate.fit(scores, prompt.numpy(), hidden=(16,), steps=150, batch_size=128, patience=None)
    assert not caches.diagnose_gate(gate, prompt.numpy()).wrong_axis


def one_for_all(weights):
    last = np.zeros((4, 6), np.float32), 10 * np.log(np.asarray(weights, np.float32))
    return SoftmaxGate(FOUR, ((np.ones((6, DIM), np.float32), np.zeros(6, np.float32)), last), 1.0, 10.0, np.ones(4, bool))


def test_a_global_gate_is_told_from_the_wrong_axis():
    prompt, values = planted_pairs(400)
    fitted = GlobalWeights.fit(Scores(values.numpy(), FOUR))
    found = caches.diagnose_gate(one_for_all(np.maximum(fitted.shares(prompt.numpy())[0], 0.02)), prompt.numpy())
    assert not found.wrong_axis and found.between_prompts < 1e-6 < caches.diagnosis.FLAT < found.between_objectives
    assert "global gate" in found.sentence and "wrong axis no objective would stand out" in found.sentence
    uniform = caches.diagnose_gate(one_for_all([0.25] * 4), prompt.numpy())
    assert not uniform.wrong_axis and "uniform gate, not the wrong axis" in uniform.sentence


def test_too_little_to_tell(tmp_path):
    gate = read(Released(DIM, 4), tmp_path)
    assert caches.diagnose_gate(gate, np.random.default_rng(0).normal(size=(50, DIM))).wrong_axis  # never trained: it says so too
    for prompts, one in ((np.zeros((1, DIM)), gate), (np.zeros((5, DIM)), gate.restrict(["a"]))):
        with pytest.raises(WorkbenchError, match="Nothing can differ"):
            caches.diagnose_gate(one, prompts)
