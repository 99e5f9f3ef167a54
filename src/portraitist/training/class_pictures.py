"""Pictures of others of the sitter's kind, which a training looks at beside the photos, so that the class word keeps
its meaning (Ruiz et al., arXiv:2208.12242): a user's own, or drawn once by the bare base. Knows no loss.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from portraitist.decoder import Decoder
from portraitist.errors import BadRequest
from portraitist.families.base import Model
from portraitist.files import make_folder
from portraitist.generation.generate import generate, picture_seeds
from portraitist.images import save_png
from portraitist.photos.intake import find_photos
from portraitist.recipes import Base, Recipe
from portraitist.requests import PortraitRequest, to_json
from portraitist.training.dataset import cut_widest
from portraitist.training.job import TrainingJob
from portraitist.training.tape import class_caption
from portraitist.types import OnStep, Picture, Size, Step, no_progress


def with_class_pictures(
    job: TrainingJob, model: Model, given: str | None, shelf: Path, on_step: OnStep = no_progress
) -> TrainingJob:
    """The job with the pictures of the folder `given`; without one, with as many a photo as the recipe has drawn.

    What is drawn lies in a folder below `shelf`, by base, prompt and seed, and is drawn once for all sitters. Raises
    NoPhotos, UnreadablePhoto, PhotoTooLarge, BadRequest, OutOfMemory, Unwritable or DiskFull.
    """
    size = Size(*model.base.size)
    if given is not None:
        return replace(job, class_pictures=_read(find_photos([Path(given)]), size))
    count = job.recipe.class_images * len(job.pictures)
    if not count or not job.recipe.class_weight:
        return job
    request = PortraitRequest("nobody", prompt=class_caption(job), count=count, seed=job.seed, base=model.base.name)
    folder = make_folder(shelf / _mark(model.base, request))
    return replace(job, class_pictures=_read(_draw(request, model, folder, on_step), size))


def _mark(base: Base, request: PortraitRequest) -> str:
    """What fixes the drawn pictures, whatever their count. Of the base all numbers: its name may get other weights."""
    told = to_json([base, replace(request, count=1)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _draw(request: PortraitRequest, model: Model, folder: Path, on_step: OnStep) -> Sequence[Path]:
    """The files of the request's pictures; those that are there already are not drawn again."""
    files = [folder / f"{number:04d}.png" for number in range(request.count)]
    for number, (file, seed) in enumerate(zip(files, picture_seeds(request), strict=True)):
        on_step(Step("class pictures", number, request.count))
        if not file.is_file():
            (portrait,) = generate(replace(request, count=1, seed=seed), model)
            save_png(file, portrait.pixels)
    on_step(Step("class pictures", request.count, request.count))
    return files


def _read(files: Sequence[Path], size: Size) -> tuple[Picture, ...]:
    """The middle of each, in the base's own size."""
    with Decoder() as decoder:
        return tuple(cut_widest(decoder.read(file), size) for file in files)


def check_class_images(given: str | None, recipe: Recipe) -> None:
    """Raises NoPhotos or BadRequest for a folder that could not be used."""
    if given is None:
        return
    find_photos([Path(given)])
    if not recipe.class_weight:
        raise BadRequest(
            f"The recipe {recipe.name!r} gives class pictures no weight.", hint="Leave --class-images out."
        )
