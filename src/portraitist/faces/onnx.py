"""Runs an ONNX file with onnxruntime on the processor. Knows tensors only."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portraitist.errors import MissingModel, UnfitModel

INSTALL = "pip install 'portraitist[onnx]'"


class OnnxNetwork:
    """A loaded network with one input. `shape` is that input's, with None where any size will do.

    Raises MissingModel without the package or the file, UnfitModel for a file that is no such network.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingModel("The package onnxruntime is missing.", hint=f"Run: {INSTALL}") from error
        if not path.is_file():
            raise MissingModel(f"The face model {path} is missing.", hint="Fetch it to that place.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        except _faults() as error:
            raise UnfitModel(f"The face model {path} is damaged.", hint="Delete it and fetch it again.") from error
        first = self._session.get_inputs()[0]
        self._input = first.name
        self.shape = tuple(size if isinstance(size, int) else None for size in first.shape)
        self.names = [output.name for output in self._session.get_outputs()]
        self._path = path

    def __call__(self, values: NDArray[np.float32]) -> list[NDArray[Any]]:
        """All outputs, in the file's order. Raises UnfitModel for an input that the network does not take."""
        try:
            found = self._session.run(None, {self._input: np.ascontiguousarray(values, dtype=np.float32)})
        except _faults() as error:
            raise UnfitModel(f"{self._path.name} does not take pictures of {values.shape}.") from error
        return [np.asarray(value) for value in found]


def _faults() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; it has no common class for them."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel", "NotImplemented",
             "RuntimeException")  # fmt: skip
    return (*(getattr(state, name) for name in names if hasattr(state, name)), ValueError, RuntimeError)
