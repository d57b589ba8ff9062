"""What a Bradley–Terry head may learn besides its pairs, as values: to keep two views of an answer together, or shifted answers apart."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer

from .values import Frozen

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Extra(Frozen):
    """A frozen value that is written with what is not its default alone, and whatever must always be said."""

    @model_serializer(mode="wrap")
    def _bare(self, handler) -> dict[str, Any]:
        said = {name for name, field in type(self).model_fields.items() if field.is_required() or getattr(self, name) != field.default}
        return {name: value for name, value in handler(self).items() if name in said}


class ContrastiveSpec(Extra):
    """A contrastive loss beside the preference loss (arXiv 2401.06080, §3), views by feature dropout.

    method "simcse", "swav", or "none", the same head without it, the fair comparison; on "pairs" (every answer) or "differences"
    (chosen − rejected); beta: its weight, None is the paper's; dropout: of features, the two views.
    """

    method: Literal["none", "simcse", "swav"]
    on: Literal["pairs", "differences"] = "pairs"
    beta: Positive | None = None
    dropout: Annotated[float, Field(gt=0, lt=1)] = 0.05

    @property
    def words(self) -> str:
        """In words: "SimCSE on pairs, feature dropout 0.05"."""
        if self.method == "none":
            return f"feature dropout {self.dropout:g}"
        name = {"simcse": "SimCSE", "swav": "SwAV"}[self.method]
        return f"{name} on {self.on}{'' if self.beta is None else f', β {self.beta:g}'}, feature dropout {self.dropout:g}"


class MetaSpec(Extra):
    """MetaRM (arXiv 2405.00438): gradients are taken where answers to prompts of a shifted distribution are told apart.

    order 1 is the published algorithm, 2 its own equation; eta: how far, None by the features' scale; prompts: drawn a step;
    answers: of each prompt (see `pools`).
    """

    order: Literal[1, 2] = 1
    eta: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    prompts: int = Field(8, ge=1)
    answers: int = Field(4, ge=2)

    @property
    def words(self) -> str:
        """In words: "MetaRM of order 1"."""
        return f"MetaRM of order {self.order}{'' if self.eta is None else f', η {self.eta:g}'}"
