"""Chest X-ray classifier, and importer of small networks.

Research software, not a medical device: not for diagnosis, triage or treatment.

>>> import cxr
>>> classifier = cxr.Classifier()
>>> classifier.predict(open("scan.dcm", "rb").read())["label"]
'Normal/NA'
"""

from ._cxr import CAUTION, NOTICE, Classifier, ImageError, NetworkError, __version__, import_network, verify
from ._types import Map, Prediction

__all__ = [
    "CAUTION", "NOTICE", "Classifier", "ImageError", "Map", "NetworkError", "Prediction", "__version__", "import_network", "verify",
]
