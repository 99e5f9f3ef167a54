"""The embedded face stack: `Faces.load(folder)` once, then pass it along; nothing is kept at module level."""

from portraitist.faces.detect import Faces
from portraitist.faces.face import Detector, Face, Masker, Masks, Recogniser
from portraitist.faces.identity import (
    Circle,
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
    "Masker",
    "Masks",
    "Recogniser",
    "calibrate",
    "distance",
    "distances",
    "grow",
    "leave_one_out",
    "mean",
    "radius",
]
