"""The embedded face stack: `Faces.load(folder)` once, then pass it along; nothing is kept at module level."""

from portraitist.faces.detect import Detector, Face, Faces
from portraitist.faces.identity import (
    Circle,
    Recogniser,
    calibrate,
    distance,
    distances,
    grow,
    leave_one_out,
    mean,
    radius,
)

__all__ = [
    "Circle",
    "Detector",
    "Face",
    "Faces",
    "Recogniser",
    "calibrate",
    "distance",
    "distances",
    "grow",
    "leave_one_out",
    "mean",
    "radius",
]
