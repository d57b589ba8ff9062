"""A head's other lessons are part of the recipe, run from a scenario, and come back from disk."""

from __future__ import annotations

import numpy as np
import pytest
from planted import planted

from workbench.errors import WorkbenchError
from workbench.scenario.pools import pools
from workbench.scenario.recipe import GateSpec, Scenario
from workbench.scenario.run import run


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """Two of four answers to each prompt are compared; the others are a pool."""
    return planted(tmp_path_factory.mktemp("pooled") / "study", families=100, per_family=1, compared=2).study


SHORT = {"kind": "bradley-terry", "steps": 20, "batch_size": 128}


@pytest.mark.parametrize("extra", [
    {"contrastive": {"method": "none"}, "hidden": (8,)}, {"contrastive": {"method": "simcse"}, "hidden": (8,)},
    {"contrastive": {"method": "swav", "on": "differences"}, "hidden": (8,)}, {"meta": {"order": 1, "answers": 2}},
    {"meta": {"order": 2, "answers": 2}},
], ids=["dropout", "simcse", "swav", "meta", "meta 2"])
def test_each_runs_from_a_scenario_and_comes_back(pooled, extra):
    scenario = Scenario(gate={**SHORT, **extra}, labels="drop", seeds=(0,))
    result = run(scenario, pooled)
    assert np.isfinite(result.margins).all() and result.margins.std() > 0
    again = run(Scenario.from_json(scenario.to_json()), pooled)
    assert again.margins.tobytes() == result.margins.tobytes()


def test_recipes_say_what_is_there_and_no_more():
    plain = GateSpec(kind="bradley-terry")
    assert set(plain.model_dump()) == {"kind", "hidden", "temperature", "steps", "batch_size", "lr", "start"}
    one = Scenario(gate={"kind": "bradley-terry", "contrastive": {"method": "simcse"}})
    assert one.recipe()["gate"]["contrastive"] == {"method": "simcse"} and one.gate.hidden == (64,) and one.gate.lr == 3e-3
    other = Scenario(gate={"kind": "bradley-terry", "contrastive": {"method": "simcse", "on": "differences"}})
    meta = Scenario(gate={"kind": "bradley-terry", "meta": {}})
    assert len({one.id, other.id, meta.id, Scenario(gate=plain).id}) == 4
    assert "gate contrastive SimCSE on pairs, feature dropout 0.05" in one.edits_from(Scenario(gate=plain))
    assert "gate meta MetaRM of order 1" in meta.edits_from(Scenario(gate=plain))
    assert Scenario.from_json(meta.to_json()) == meta


@pytest.mark.parametrize(("gate", "said"), [
    ({"contrastive": {"method": "simcse"}}, "heads on features"), ({"kind": "bradley-terry", "meta": {"order": 3}}, "order"),
    ({"kind": "bradley-terry", "meta": {}, "contrastive": {"method": "swav"}}, "one of them"),
    ({"kind": "bradley-terry", "hidden": (), "contrastive": {"method": "swav"}}, "hidden layer"),
    ({"kind": "bradley-terry", "contrastive": {"method": "moco"}}, "method"),
    ({"kind": "bradley-terry", "meta": {"answers": 1}}, "answers"),
])
def test_what_cannot_be_is_told(gate, said):
    with pytest.raises(WorkbenchError, match=said):
        Scenario(gate=gate)


def test_pools_are_answers_that_no_pair_compares(pooled, wide):
    rows, prompts = pools(pooled, answers=2)
    table = pooled.split_responses("dev")
    free = ~table["response_id"].isin(pooled.pairs[["chosen", "rejected"]].to_numpy().ravel())
    assert rows.shape == (table["prompt_id"].nunique(), 2, pooled.stream("dev").shape[-1])
    assert not set(prompts) & set(pooled.split_pairs("train")["prompt_id"])
    features = np.asarray(pooled.stream("dev"))
    for prompt, answers in zip(prompts, rows):
        mine = features[(free & (table["prompt_id"] == prompt)).to_numpy()]
        assert all((one == mine).all(axis=1).any() for one in answers) and len(np.unique(answers, axis=0)) == 2
    some = table["family"].unique().to_numpy()[:4]
    assert set(pools(pooled, answers=2, families=some)[1]) == set(table.loc[table["family"].isin(some), "prompt_id"])
    assert (pools(pooled, answers=2, seed=1)[0] != rows).any()
    with pytest.raises(WorkbenchError, match="no prompt of dev has 3 answers that no pair compares.*most is 2"):
        pools(pooled, answers=3)
    with pytest.raises(WorkbenchError, match="no prompt of dev has 2 answers"):
        pools(wide.study, answers=2)
    with pytest.raises(WorkbenchError, match="1 answers"):
        pools(pooled, answers=1)
