"""Portraitist: learns a person from a few photos and makes portraits, on your own machine.

`from portraitist import check, train, portrait, finish` are the acts of the command line as functions; `Models` keeps
bases loaded between them. They are loaded when first used, so that `import portraitist` stays quick.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["Models", "__version__", "check", "finish", "portrait", "train"]

_ACTS = {
    "Models": "portraitist.models",
    "check": "portraitist.api",
    "train": "portraitist.api",
    "portrait": "portraitist.api",
    "finish": "portraitist.api",
}


def __getattr__(name: str) -> Any:
    if name in _ACTS:
        return getattr(importlib.import_module(_ACTS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
