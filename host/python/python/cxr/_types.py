"""What `predict` takes and answers."""

from typing import Any, Literal, NotRequired, Protocol, TypedDict


class Array(Protocol):
    """An array of numpy's. It is a `Buffer` too, which type checkers know from Python 3.12 on."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Map = TypedDict("Map", {"class": str, "rows": int, "columns": int, "cells": list[float], "bias": float})
"""What a class's logit consists of: the cells (rows from top to bottom) and the bias add up to it."""

class Prediction(TypedDict):
    """A line of `host predict --json`."""

    image: str
    sha256: str
    """Of the file; of an array, of the PNG that it becomes."""
    model: str
    model_sha256: str
    label: str | None
    """The class, unless it is withheld."""
    probabilities: dict[str, float]
    logits: list[float]
    abstained: bool
    reason: Literal["low_confidence", "out_of_distribution"] | None
    refusal_score: float | None
    refuse_above: float | None
    warnings: list[str]
    milliseconds: float
    maps: NotRequired[list[Map]]
    """One a class, where they were asked for."""
