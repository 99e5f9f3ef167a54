"""From crops and captions to examples: pictures are cut and encoded once, then every step draws from what is cached.

All chance of a step comes from (seed, number of the step), so a resumed training draws what an uninterrupted one would
have drawn, and no random state has to be saved. Knows no loss, no optimiser and no noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from portraitist.families.base import Model
from portraitist.images import crop, resize, size_of
from portraitist.photos.framing import crop_boxes
from portraitist.recipes import Recipe
from portraitist.training.job import TrainingJob, TrainingPicture
from portraitist.types import Box, Picture, Seed, Size, derive_seed

_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Example:
    """A photo as the training sees it: latents (variants, channels, h, w), its caption, and weights of the loss
    (variants, 1, h, w) against the photo, or None for a flat loss; `held` are weights against the bare base's own
    answer, or None. Together they have mean 1."""

    latents: Tensor
    weights: Tensor | None
    caption: str
    held: Tensor | None = None


@dataclass(frozen=True)
class Draw:
    """What one step looks at, a value for each picture of its batch: the photo's number, which of its variants, the
    caption, and a place in [0, 1) that says how much noise. All pictures of a batch have one size. `prior` marks a step
    that holds the class word to the bare base; `unnamed` are the captions without the trigger."""

    photos: tuple[int, ...]
    variants: tuple[int, ...]
    captions: tuple[str, ...]
    places: tuple[float, ...]
    prior: bool
    unnamed: tuple[str, ...] = ()


def prepare(job: TrainingJob, model: Model, on_picture: Callable[[int], None]) -> tuple[Example, ...]:
    """Cut the recipe's random crops (and mirror images) of each photo and encode them; `on_picture` hears how many."""
    examples = []
    for number, picture in enumerate(job.pictures):
        on_picture(number)
        variants = _variants(picture, job.recipe, Size(*model.base.size), derive_seed(job.seed, "crops", number))
        pixels = [variant for variant, _ in variants]
        latents = model.encode(pixels)
        weights, held = _loss_weights([mask for _, mask in variants], latents, job.recipe)
        examples.append(Example(latents, weights, picture.caption, held))
    on_picture(len(job.pictures))
    return tuple(examples)


def prepare_class(job: TrainingJob, model: Model) -> Tensor | None:
    """The latents of the job's class pictures, or None if it has none."""
    return model.encode(job.class_pictures) if job.class_pictures else None


def draw(examples: Sequence[Example], job: TrainingJob, step: int) -> Draw:
    """What a step looks at: each photo once an epoch in a new order, noise levels spread evenly over the visits."""
    recipe = job.recipe
    generator = torch.Generator().manual_seed(derive_seed(job.seed, "step", step))
    picked = _pick(examples, job.seed, recipe.batch, step)
    variants = tuple(_randint(len(examples[photo].latents), generator) for photo in picked)
    prior = recipe.prior_every > 0 and step % recipe.prior_every == recipe.prior_every - 1
    captions = tuple(_caption(examples[photo].caption, recipe, generator) for photo in picked)
    unnamed = tuple(_unnamed(caption, job) for caption in captions)
    start = derive_seed(job.seed, "places") / 2**63
    places = tuple((start + (step * recipe.batch + i) * _GOLDEN) % 1.0 for i in range(recipe.batch))
    return Draw(tuple(picked), variants, unnamed if prior else captions, places, prior, unnamed)


def draw_class(pictures: int, job: TrainingJob, step: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Which of the class pictures a step looks at, and their places: each once an epoch, as the photos."""
    numbers = [step * job.recipe.batch + i for i in range(job.recipe.batch)]
    seed = derive_seed(job.seed, "class pictures")
    start = seed / 2**63
    return tuple(_turn(seed, i, pictures) for i in numbers), tuple((start + i * _GOLDEN) % 1.0 for i in numbers)


def _variants(
    picture: TrainingPicture, recipe: Recipe, size: Size, seed: Seed
) -> list[tuple[Picture, NDArray[np.float32] | None]]:
    """Crops of one size: the photo's own and its others, or random ones; with `flip` each has a mirror image."""
    if picture.others:
        masks = picture.other_masks or (None,) * len(picture.others)
        cut = [(picture.pixels, picture.mask), *zip(picture.others, masks, strict=True)]
        chosen = [_cut(pixels, mask, _widest(pixels, size), size) for pixels, mask in cut]
    elif picture.frame is not None:
        boxes = crop_boxes(picture.frame, size_of(picture.pixels), count=recipe.crops_per_photo, seed=seed)
        chosen = [_cut(picture.pixels, picture.mask, box, picture.frame.size) for box in boxes]
    else:
        chosen = _random_cuts(picture, recipe, size, np.random.default_rng(seed))
    if not recipe.flip:
        return chosen
    mirrored = [(p[:, ::-1].copy(), None if mask is None else mask[:, ::-1].copy()) for p, mask in chosen]
    return [*chosen, *mirrored]


def _random_cuts(
    picture: TrainingPicture, recipe: Recipe, size: Size, chance: np.random.Generator
) -> list[tuple[Picture, NDArray[np.float32] | None]]:
    """The largest crop, then crops of random size and place."""
    widest = _widest(picture.pixels, size)
    boxes = [widest]
    for _ in range(1, recipe.crops_per_photo):
        share = chance.uniform(recipe.smallest_crop, 1.0)
        width, height = widest.width * share, widest.height * share
        left = (picture.pixels.shape[1] - width) * chance.uniform()
        boxes.append(Box(left, (picture.pixels.shape[0] - height) * chance.uniform(), width, height))
    return [_cut(picture.pixels, picture.mask, box, size) for box in boxes]


def cut_widest(pixels: Picture, size: Size) -> Picture:
    """The largest part of the size's shape, in the middle, in that size."""
    return resize(crop(pixels, _widest(pixels, size)), size)


def _widest(pixels: Picture, size: Size) -> Box:
    """The largest box of the size's shape, in the middle."""
    whole = size_of(pixels)
    width = min(whole.width, whole.height * size.width / size.height)
    height = width * size.height / size.width
    return Box((whole.width - width) / 2, (whole.height - height) / 2, width, height)


def _cut(
    pixels: Picture, mask: NDArray[np.float32] | None, box: Box, size: Size
) -> tuple[Picture, NDArray[np.float32] | None]:
    return resize(crop(pixels, box), size), None if mask is None else _cut_mask(mask, box, size)


def _cut_mask(mask: NDArray[np.float32], box: Box, size: Size) -> NDArray[np.float32]:
    planes = np.stack([mask.clip(0, 1), (-mask).clip(0, 1), np.zeros_like(mask)], axis=2)
    person, outside, _ = np.moveaxis(resize(crop((planes * 255).astype(np.uint8), box), size) / 255.0, 2, 0)
    return np.asarray(person - outside, dtype=np.float32)


def _loss_weights(
    masks: Sequence[NDArray[np.float32] | None], latents: Tensor, recipe: Recipe
) -> tuple[Tensor | None, Tensor | None]:
    """Weights against the photo: 1 on the person; against the photo or the bare base: the recipe's on the background;
    0 over the photo's edge. Each picture's mean is brought to 1."""
    background, held = recipe.background_weight, recipe.background_target == "base"
    if background >= 1.0 and not held:
        return None, None
    small = torch.ones(len(masks), 1, *latents.shape[-2:])
    for i, mask in enumerate(masks):
        if mask is not None:
            whole = torch.from_numpy(mask)[None]
            small[i] = torch.nn.functional.adaptive_avg_pool2d(whole, (latents.shape[-2], latents.shape[-1]))
    person, outside = small.clamp(min=0.0), background * (1.0 - small.abs())
    mean = (person + outside).mean(dim=(1, 2, 3), keepdim=True)
    person, outside = ((part / mean).to(latents.device) for part in (person, outside))
    return (person, outside) if held else (person + outside, None)


def _pick(examples: Sequence[Example], seed: Seed, batch: int, step: int) -> list[int]:
    """The photos of a step. Sizes take turns by chance, each as often as it has photos; within a size each photo has
    its turn."""
    sizes = [tuple(example.latents.shape[1:]) for example in examples]
    epoch, place = divmod(step, len(examples))
    turns = sizes
    if len(set(sizes)) > 1:
        order = np.random.default_rng(derive_seed(seed, "sizes", epoch)).permutation(len(sizes))
        turns = [sizes[i] for i in order]
    members = [photo for photo, size in enumerate(sizes) if size == turns[place]]
    before = epoch * len(members) + turns[:place].count(turns[place])
    visits = range(before * batch, (before + 1) * batch)
    return [members[_turn(seed, visit, len(members))] for visit in visits]


def _turn(seed: Seed, visit: int, photos: int) -> int:
    """Which photo a visit goes to."""
    epoch, place = divmod(visit, photos)
    return int(np.random.default_rng(derive_seed(seed, "order", epoch)).permutation(photos)[place])


def _caption(caption: str, recipe: Recipe, generator: torch.Generator) -> str:
    """The caption with the recipe's dropout and order."""
    if _uniform(generator) < recipe.caption_dropout:
        return ""
    tags = [tag.strip() for tag in caption.split(",")]
    kept, rest = tags[: recipe.keep_tags], tags[recipe.keep_tags :]
    rest = [tag for tag in rest if _uniform(generator) >= recipe.tag_dropout]
    if recipe.shuffle_tags:
        rest = [rest[i] for i in torch.randperm(len(rest), generator=generator).tolist()]
    return ", ".join([*kept, *rest])


def _unnamed(caption: str, job: TrainingJob) -> str:
    """The caption without the trigger; the class word where nothing else was said beside it."""
    tags = (" ".join(word for word in tag.split() if word != job.trigger) for tag in caption.split(","))
    return ", ".join(tag or job.class_word for tag in tags) if caption else ""


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _randint(end: int, generator: torch.Generator) -> int:
    return int(torch.randint(end, (), generator=generator))
