"""Chest X-ray classifier, and importer of small networks. Research software, not a medical device."""

import os
from collections.abc import Sequence
from typing import Any, Literal, Self, final

from typing_extensions import Buffer

from ._types import Array, Prediction

__all__ = ["CAUTION", "NOTICE", "Classifier", "ImageError", "NetworkError", "__version__", "import_network", "verify"]

__version__: str
NOTICE: str
"""What this is not; it belongs beside every verdict."""
CAUTION: str
"""What the training data make of age and origin."""

class ImageError(ValueError):
    """An image that cannot be used."""

    kind: Literal["empty", "not_an_image", "damaged", "too_large", "unsupported"]

class NetworkError(ValueError):
    """A network or a model that cannot be imported or read."""

@final
class Classifier:
    """A model. Threads may share it: `predict` runs without Python's global lock."""

    def __new__(cls, model: str | os.PathLike[str] | None = None) -> Self:
        """Reads a .cxr file of `host export`; the shipped model if absent."""

    def predict(self, image: Buffer | Array, *, name: str = "image", maps: bool = False) -> Prediction:
        """Classifies an image.

        `image` is a file held in memory (PNG, JPEG, TIFF, WebP, BMP, DICOM), or an array of uint8 or uint16 with the shape
        (rows, columns), or (rows, columns, 3). `name` serves messages.

        Raises ImageError for what is no image, damaged, too large or of a sort that is not read; TypeError for other arrays.
        """

    @property
    def classes(self) -> list[str]: ...
    @property
    def model(self) -> str: ...
    @property
    def model_sha256(self) -> str: ...
    @property
    def abstain_below(self) -> float: ...
    @property
    def doubt(self) -> tuple[str, float] | None:
        """A class that pictures of unknown hospitals are given too often, and the distance above which it is withheld."""

    @property
    def refuse_above(self) -> float | None: ...
    @property
    def unseen(self) -> str:
        """What is known of hospitals that the model has never seen: it belongs beside a verdict."""

def import_network(
    network: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    inputs: Buffer | Array | None = None,
    labels: Sequence[str] | None = None,
    ram: int | None = None,
) -> dict[str, Any]:
    """Reads a .tflite or .onnx network and writes OUT.cxr and OUT.json; returns what is in the latter.

    A float network is calibrated with `inputs`, an array of float32 or uint8 with the shape [n, ...]; OUT.onnx is its int8 form.

    Raises NetworkError for what cannot run, naming node, operator, reason and remedy; nothing is written then.
    """

def verify(model: str | os.PathLike[str], against: str | os.PathLike[str]) -> dict[str, Any]:
    """Compares an imported network with the file that it came from; `first_difference` is None where all bytes are equal.

    The referee runs where it is installed; `referee_missing` says why it did not.
    """
