"""Names of clusters: the planted words, in any script, never the forms that prompts share."""

import numpy as np
import pytest

from workbench.projection import words
from workbench.projection.words import bare_texts, cluster_names, words_of

TOPICS = (("python", "function"), ("knife", "harm"), ("recipe", "soup"))
PLAIN = "the of is a how do i and what for with it can you".split()


def prompts(topics=TOPICS, each=20, per_family=2, seed=0):
    rng = np.random.default_rng(seed)
    labels, texts, families = [], [], []
    for c, topic in enumerate(topics):
        for i in range(each):
            said = [*rng.choice(PLAIN, 6), *(word for word in topic if rng.uniform() < 0.8), f"only{c}{i // per_family}"]
            labels.append(c)
            texts.append(f"Answer as the desk of things.\nHuman: {' '.join(rng.permutation(said))}?")
            families.append(f"{c}-{i // per_family}")
    return np.array(labels), texts, families


def test_planted_words_name_the_clusters():
    labels, texts, families = prompts()
    names = cluster_names(labels, texts=texts, families=families)
    assert [set(name.split(", ")) for name in names] == [set(topic) for topic in TOPICS]


def test_stop_words_and_shared_forms_name_nothing():
    labels, texts, families = prompts()
    found = words_of(bare_texts(texts, families))
    assert not {"answer", "desk", "things", "human"} & set().union(*found)
    said = {word for name in cluster_names(labels, texts=texts, families=families) for word in name.split(", ")}
    assert not said & set(PLAIN)


def test_a_word_of_one_family_does_not_name_a_cluster_however_often_it_is_said():
    labels, texts, families = prompts(per_family=10)
    names = cluster_names(labels, texts=[f"{text} only00" if c == 0 else text for c, text in zip(labels, texts)], families=families)
    assert "only01" not in names[0]


def test_a_line_that_is_all_of_a_prompt_stays():
    assert bare_texts(["Hi there", "Hi there", "Hi there", "Hi there\nWhy?"], list("abcd")) == ["Hi there"] * 3 + ["Why?"]


def test_scores_are_those_of_the_formula():
    """Ten families in one cluster, twenty in another, sixty in none: `rare` in 2, `often` in 3 and in 3 elsewhere."""
    texts = ["rare often"] * 2 + ["often"] + ["…"] * 7 + ["often"] * 3 + ["…"] * 77
    labels = np.repeat([0, 1, -1], [10, 20, 60])
    rare, often = (2 - 1) / 10 * np.log1p(1 / (2 / 10)), (3 - 1) / 10 * np.log1p(1 / (3 / 10 + 3 / 20))
    assert often > rare and 3 / 10 * np.log1p(1 / 0.45) < 2 / 10 * np.log1p(1 / 0.2)  # the first family with it not counted
    assert cluster_names(labels, texts=texts, families=[str(i) for i in range(90)])[0] == "often, rare"


@pytest.mark.parametrize(("text", "expected"), [
    ("Don't ÉCLAIR 42 x foo_bar", {"don", "éclair", "foo", "bar"}),
    ("हिन्दी में लिखो", {"हिन्दी", "में", "लिखो"}),
    ("天気はどう?", {"天気", "気は", "はど", "どう"}),
    ("использование кода: Привет", {"использование", "кода", "привет"}),
])
def test_words_in_any_script(text, expected):
    assert words_of([text]) == [expected]


def test_names_differ_and_forms_of_one_word_are_not_both_said():
    texts = ["lock locks pick"] * 6 + ["pick locks lock"] * 6 + ["tea"] * 12
    names = cluster_names(np.repeat([0, 1, 2], [6, 6, 12]), texts=texts, families=[str(i) for i in range(24)])
    assert len(set(names)) == 3 and not any({"lock", "locks"} == set(name.split(", ")) for name in names)


def test_without_text_sections_name_and_without_sections_numbers():
    labels = np.array([0, 0, 1, 1, 2, -1])
    sections = ["Chat", "Chat", "Chat", "Chat", "Safety", "Chat"]
    assert cluster_names(labels, texts=None, families=list("abcdef"), sections=sections) == ["Chat", "Chat 2", "Safety"]
    assert cluster_names(labels, texts=None, families=list("abcdef")) == ["cluster 1", "cluster 2", "cluster 3"]
    assert cluster_names(labels, texts=[""] * 6, families=list("abcdef")) == ["cluster 1", "cluster 2", "cluster 3"]
    assert cluster_names(np.full(3, -1), texts=["a"] * 3, families=list("abc")) == []


def test_of_very_many_prompts_some_are_read(monkeypatch):
    monkeypatch.setattr(words, "MOST", 45)
    labels, texts, families = prompts(each=60)
    names = cluster_names(labels, texts=texts, families=families)
    assert [set(name.split(", ")) for name in names] == [set(topic) for topic in TOPICS]
