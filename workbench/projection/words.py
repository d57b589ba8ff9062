"""The words that distinguish clusters of prompts, in any language: nothing here knows one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

READ = 2000  # characters of a prompt
MOST = 20_000  # prompts whose words are counted
SHARED = 3  # families whose prompts have a line, or a speaker's name, in common: it is a form and not their subject
TIMES = 2  # a word names a cluster where that many times as large a share of families has it as elsewhere
COMMON = 0.08  # of a cluster's families have a word that may name it
EVERYDAY = 0.05  # a word that this share of the families elsewhere has comes after all others
SPEAKER = re.compile(r"^\s*([^\s:：][^:：\n]{0,18})[:：]", re.MULTILINE)
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")


def cluster_names(
    labels: np.ndarray, *, texts: Sequence[str] | None, families: Sequence[str], sections: Sequence[str] | None = None,
) -> list[str]:
    """A name for each cluster 0, 1 …, no two alike: its two most distinguishing words; without text its section, or a number.

    labels [prompt], -1 = in none. Class-based tf-idf (arXiv 2203.05794, eq. 2) where a family of prompts counts once
    and a word once in it: share of the cluster's families with the word × log(1 + 1 / sum of the shares in all clusters),
    the first family with it not counted. Stop words are those about as frequent elsewhere; lines that several families
    share and names of speakers ("Human:") name nothing. Of more than 20 000 prompts, a random 20 000 are read.
    """
    count = int(labels.max(initial=-1)) + 1
    if texts is not None and len(labels) > MOST:
        some = np.random.default_rng(0).permutation(len(labels))[:MOST]
        labels, texts, families = labels[some], [texts[i] for i in some], [families[i] for i in some]
        sections = [sections[i] for i in some] if sections is not None else None
    ranked = [[]] * count if texts is None or not count else _ranked(labels, bare_texts(texts, families), families, count)
    names: list[str] = []
    for c in range(count):
        pairs = ([ranked[c][i], other] for i in range(len(ranked[c])) for other in ranked[c][i + 1 :] if not _alike(ranked[c][i], other))
        options = [", ".join(pair) for pair in pairs] + ranked[c]
        taken = {frozenset(name.split(", ")) for name in names}
        name = next((option for option in options if frozenset(option.split(", ")) not in taken), None)
        names.append(name or _plain(labels == c, sections, c, names))
    return names


def bare_texts(texts: Sequence[str], families: Sequence[str]) -> list[str]:
    """Texts without the lines that several families share and without the names of speakers; never left empty."""
    lines = [list(dict.fromkeys(line.strip() for line in str(text).splitlines() if line.strip())) for text in texts]
    homes: dict[str, set] = defaultdict(set)
    speakers: dict[str, set] = defaultdict(set)
    for own, family in zip(lines, families):
        for line in own:
            homes[line].add(family)
            if found := SPEAKER.match(line):
                speakers[found[1]].add(family)
    forms = {line for line, having in homes.items() if len(having) >= SHARED}
    speaking = {name for name, having in speakers.items() if len(having) >= SHARED}

    def said(line: str) -> str:
        found = SPEAKER.match(line)
        return line[found.end() :] if found and found[1] in speaking else line

    kept = ([line for line in own if line not in forms] or own for own in lines)
    return ["\n".join(said(line) for line in own) for own in kept]


def words_of(texts: Sequence[str]) -> list[set[str]]:
    """The words of each text, in small letters: runs of letters with their marks; pairs of characters where no spaces are written."""
    texts = [text[:READ].lower() for text in texts]
    letters = set().union(*map(set, texts)) if texts else set()
    apart = str.maketrans({c: " " for c in letters if unicodedata.category(c)[0] not in "LMN"})
    return [set(_split(text.translate(apart))) for text in texts]


def _split(text: str) -> list[str]:
    words = []
    for run in text.split():
        for part in UNSPACED.findall(run):
            words += [part[i : i + 2] for i in range(len(part) - 1)]
        words += [part for part in UNSPACED.sub(" ", run).split() if len(part) > 1 and not part.isdigit()]
    return words


def _ranked(labels: np.ndarray, texts: list[str], families: Sequence[str], count: int, most: int = 12) -> list[list[str]]:
    """The words that may name each cluster, best first."""
    having: list[Counter] = [Counter() for _ in range(count + 1)]  # the last one: in no cluster
    sizes = np.zeros(count + 1)
    together: dict[tuple[int, str], set[str]] = defaultdict(set)
    for label, family, words in zip(labels.tolist(), families, words_of(texts)):
        together[label, family] |= words
    for (label, _), words in together.items():
        having[label].update(words)
        sizes[label] += 1
    everywhere = sum(having, Counter())
    total = sizes.sum()
    shares: Counter = Counter()
    for c in range(count):
        for word, n in having[c].items():
            shares[word] += n / sizes[c]
    ranked = []
    for c in range(count):
        least = max(2, COMMON * sizes[c]) if sizes[c] > 2 else 1
        others = max(total - sizes[c], 1)
        rank = {}
        for word, n in having[c].items():
            elsewhere = (everywhere[word] - n) / others
            if n >= least and n / sizes[c] >= TIMES * elsewhere:
                score = max(n - 1, 0.5) / sizes[c] * np.log1p(1 / shares[word])
                rank[word] = (elsewhere > EVERYDAY, -score, -len(word), word)
        ranked.append(sorted(rank, key=rank.get)[:most])
    return ranked


def _alike(one: str, other: str) -> bool:
    """Forms of one word, as far as letters tell."""
    same = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    return same >= 4 and same >= 0.6 * max(len(one), len(other))


def _plain(here: np.ndarray, sections: Sequence[str] | None, number: int, names: list[str]) -> str:
    if sections is None:
        return f"cluster {number + 1}"
    here = here if here.any() else np.ones_like(here)
    section = Counter(np.asarray(sections, object)[here].tolist()).most_common(1)[0][0]
    return next(name for name in (section, *(f"{section} {i}" for i in range(2, len(names) + 3))) if name not in names)
