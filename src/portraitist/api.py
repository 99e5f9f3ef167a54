"""The acts of the command line as functions on paths or Pillow pictures, returning the same reports."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL.Image import Image

from portraitist.faces import Faces
from portraitist.images import from_pil, save_png
from portraitist.photos import Limits, check_photos
from portraitist.requests import CheckReport
from portraitist.settings import Settings, load_settings
from portraitist.types import OnStep, no_progress

Source = str | Path | Image


@contextmanager
def as_files(photos: Sequence[Source]) -> Iterator[list[Path]]:
    """The photos as files: paths as they are, Pillow pictures in a folder that goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="portraitist-") as place:
        files = []
        for number, photo in enumerate(photos, 1):
            if isinstance(photo, Image):
                files.append(save_png(Path(place) / f"picture-{number:02d}.png", from_pil(photo), made=False))
            else:
                files.append(Path(photo))
        yield files


def check(
    photos: Sequence[Source],
    *,
    face: tuple[float, float] | None = None,
    keep_all: bool = False,
    home: Path | None = None,
    on_step: OnStep = no_progress,
) -> CheckReport:
    """A verdict on each photo. Raises NoPhotos, or MissingModel with the command that fetches the face models."""
    settings = load_settings(home)
    faces = load_faces(settings)
    limits = Limits(bytes=settings.max_photo_bytes, pixels=settings.max_photo_pixels)
    with as_files(photos) as files:
        return check_photos(files, faces, limits=limits, point=face, keep_all=keep_all, on_step=on_step).report


def load_faces(settings: Settings) -> Faces:
    """The face stack of these settings."""
    return Faces.load(settings.models_folder / "faces")
