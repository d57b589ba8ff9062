"""A study out, as a folder that `datasets.load_dataset` opens: parquet files by split and a card; `readers.read` reads it back."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from .bundle import write_folder
from .errors import WorkbenchError
from .readers.messages import messages_of
from .study import Study

PAIRS, RESPONSES = "data", "responses"  # folders
CONFIGURATION = {PAIRS: "pairs", RESPONSES: "responses"}
CALLED = {"train": "train", "dev": "validation", "test": "test"}
OF_PROMPTS = ("section", "domain", "query", "category", "reference")
MEASURED = "scores/measured.parquet"  # measured again wherever there is text
SHARED = "prompt_id, prompt (messages), family, section, domain, query, category, reference, split"


def export_dataset(study: Study, folder: str | Path) -> Path:
    """Write a study's pairs, and its responses with ratings and scores, as a new folder, whole or not at all.

    pairs: prompt, chosen and rejected as messages, ids, models, split (dev is called validation), and what else is known of a
    pair; responses: prompt, response, `ratings` and `scores` by name. Objectives with their ranges lie in index.json, licence
    and counts in the card. WorkbenchError for a folder that exists, and for a study without text.
    """
    folder = Path(folder)
    if folder.exists():
        raise WorkbenchError("something is here already", where=str(folder), remedy="Nothing is overwritten: choose another folder")
    prompts, responses = study.prompts, study.table("responses")
    if not all("text" in frame and frame["text"].notna().all() for frame in (prompts, responses)):
        raise WorkbenchError("a study without text", where=study.name, remedy="A data set of preferences consists of texts")
    prompts = _prompts(prompts)
    tables = {PAIRS: _pairs(study.table("pairs"), prompts, responses), RESPONSES: _responses(study, prompts, responses)}
    tables = {where: table for where, table in tables.items() if table is not None}
    if not tables:
        raise WorkbenchError("neither pairs nor ratings", where=study.name, remedy="There is nothing to export")
    files = {f"{where}/{split}-00000-of-00001.parquet": rows for where, table in tables.items() for split, rows in _by_split(table)}
    card = _card(study, list(files), tables)
    about = {"dataset": 1, "study": study.hash, "name": study.name, "objectives": _objectives(study)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_folder(folder, {**files, "README.md": card.encode()}, about)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)  # from now on the folder itself refuses
    return folder


def _objectives(study: Study) -> list[dict]:
    rated = [name for name in study.ratings.columns if name != "response_id"] if _rated(study) else []
    return [vars(study.objective_info[name]) for name in rated]


def _rated(study: Study) -> bool:
    return "ratings" in study.tables or "ratings.parquet" in study.info["files"]


def _prompts(prompts: pd.DataFrame) -> pd.DataFrame:
    """By prompt_id: the messages, and what a row of either table says of its prompt."""
    known = [name for name in OF_PROMPTS if name in prompts]
    return prompts[["prompt_id", "family", *known]].assign(prompt=messages_of(prompts), split=prompts["split"].map(CALLED))


def _pairs(pairs: pd.DataFrame, prompts: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame | None:
    if not len(pairs):
        return None
    pairs, answers = pairs.rename(columns={"chosen": "chosen_id", "rejected": "rejected_id"}), responses.set_index("response_id")
    for side in ("chosen", "rejected"):
        of_side = answers.loc[pairs[f"{side}_id"]]
        pairs[side] = [[{"role": "assistant", "content": text}] for text in of_side["text"]]
        if "model" in answers:
            pairs[f"{side}_model"] = of_side["model"].to_numpy()
    return _ordered(pairs, prompts, "pair_id", "prompt_id", "prompt", "chosen", "rejected")


def _responses(study: Study, prompts: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame | None:
    """Every response, where any is rated or scored."""
    frames = {"ratings": [study.ratings]} if _rated(study) else {}
    if scored := [path.removesuffix(".parquet") for path in study.info["files"] if path.startswith("scores/") and path != MEASURED]:
        frames["scores"] = [study.table(name) for name in scored]
    if not frames:
        return None
    table = responses[[name for name in ("response_id", "prompt_id", "text", "model") if name in responses]]
    table = table.rename(columns={"text": "response"})
    for name, some in frames.items():
        values = pd.concat([frame.set_index("response_id") for frame in some], axis=1).reindex(table["response_id"]).astype("float64")
        table[name] = values.astype(object).where(values.notna(), None).to_dict("records")
    return _ordered(table, prompts, "response_id", "prompt_id", "prompt", "response")


def _ordered(table: pd.DataFrame, prompts: pd.DataFrame, *first: str) -> pd.DataFrame:
    """With what is known of the prompts; columns without any value are left out."""
    whole = table.merge(prompts, on="prompt_id", how="left", validate="many_to_one").dropna(axis=1, how="all")
    return whole[[*first, *(name for name in whole if name not in first)]]


def _by_split(table: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """Parquet of each split's rows, all of one schema, without the marks of pandas, which say nothing to others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    for split in CALLED.values():
        buffer, rows = io.BytesIO(), whole.filter(pa.array(table["split"] == split))
        if len(rows):
            pq.write_table(rows, buffer, compression="zstd")
            yield split, buffer.getvalue()


def _card(study: Study, files: list[str], tables: dict[str, pd.DataFrame]) -> str:
    """The card: its YAML header says which files are which split, and under what licence."""
    licence = str(study.info.get("licence") or "")
    header, counts = [f"pretty_name: {json.dumps(study.name, ensure_ascii=False)}"], []
    if licence:
        header.append(f"license: {licence.lower() if re.fullmatch(r'[A-Za-z0-9.-]+', licence) else 'other'}")
    header.append("configs:")
    for where, table in tables.items():
        header.append(f"- config_name: {CONFIGURATION[where]}")
        header += ["  default: true"] * (where == PAIRS) + ["  data_files:"]
        for file in (file for file in files if file.startswith(f"{where}/")):
            split = Path(file).name.split("-")[0]
            header.append(f"  - split: {split}\n    path: {file}")
            counts.append(f"- {CONFIGURATION[where]}, {split}: {(table['split'] == split).sum()} rows")
    body = [
        f"# {study.name}", "", f"Preference data exported from study {study.hash}.", "", *counts, "",
        f"`pairs`: pair_id, {SHARED}, chosen and rejected (messages), their ids and models, source.", "",
        f"`responses`: response_id, {SHARED}, response, model, ratings and scores by name. Ranges of the ratings are in index.json.",
        *(["", f"Licence: {licence}"] if licence else []),
    ]
    return "\n".join(["---", *header, "---", "", *body, ""])
