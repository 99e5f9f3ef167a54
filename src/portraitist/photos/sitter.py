"""Which face is the sitter's, in each photo and over all of them. Sees embeddings and boxes; knows no pixels.

The rule of one photo: the only face; or the largest, if it has several times the area of the second; or the one pointed
at. Over all photos the faces then vote who the sitter is, those in photos too small or with company too, and once three
photos of the sitter are known, the sitter's face is the one that is like them. Thresholds come from the sitter's own
photos, never from a number for all people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from portraitist.faces import Face, distance, distances, grow, leave_one_out, mean, radius
from portraitist.photos.quality import Limits
from portraitist.requests import Reason
from portraitist.types import Embedding, Size

KNOWN = 3
"""From so many photos on, the sitter is known."""

_ALIKE = 1.4
"""How much farther than the sitter's own photos those of a second person may reach."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Company:
    """The faces of one photo, the largest first: `faces[i]` has `embeddings[i]`.

    `usable` says whether nothing but company speaks against a face; `group` numbers the shot that a face comes from:
    faces of one shot have one vote together.
    """

    name: str
    size: Size
    faces: tuple[Face, ...]
    embeddings: tuple[Embedding, ...]
    usable: tuple[bool, ...]
    group: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Sitter:
    """The sitter by the faces that are his or hers: within `radius` of their mean a face passes, `reach` is the
    farthest of them, measured from the others."""

    members: tuple[Embedding, ...]
    radius: float
    reach: float

    def distance(self, embedding: Embedding) -> float:
        """From the mean of the members; a member is compared with the others."""
        others = [member for member in self.members if member is not embedding]
        return distance(embedding, mean(others or self.members))


@dataclass(frozen=True)
class Choice:
    """The sitter's face in a photo by its index, or None; the reasons against it as the sitter's.

    `known` says that it was told by who it is, not by its size.
    """

    index: int | None
    reasons: tuple[Reason, ...] = ()
    known: bool = False


def find_sitter(photos: Sequence[Company], point: Point | None, earlier: Sequence[Embedding], limits: Limits) -> Sitter:
    """Who most photos show. `earlier` are embeddings of photos that show the sitter for sure.

    Fewer than three votes give a sitter without members. Where two people are in equally many photos, only photos
    with one face in question vote.
    """
    everyone = [(i, k) for i, photo in enumerate(photos) for k in _candidates(photo, point)]
    own = _vote(photos, everyone, earlier)
    rest = [(i, k) for i, k in everyone if (i, k) not in own and not _twin_of(photos, (i, k), own)]
    if own and not earlier and _rival(photos, own, _vote(photos, rest, ())):
        certain = [(i, k) for i, photo in enumerate(photos) if (k := by_rule(photo, point, limits).index) is not None]
        own = _vote(photos, certain, earlier)
    good = [photos[i].embeddings[k] for i, k in own if photos[i].usable[k]]
    members = [*earlier, *(good if len(good) + len(earlier) > 1 else [photos[i].embeddings[k] for i, k in own])]
    if len(members) < 2 or len(own) + len(earlier) < KNOWN:
        return Sitter((), 0.0, 0.0)
    return Sitter(tuple(members), radius(members), float(leave_one_out(members).max()))


def choose(photo: Company, sitter: Sitter, point: Point | None, limits: Limits) -> Choice:
    """The sitter's face in one photo. With a known sitter it is told by who it is, else by the rule of one photo."""
    ruled = by_rule(photo, point, limits)
    candidates = _candidates(photo, point)
    if not sitter.members or not candidates:
        return ruled
    apart = [sitter.distance(photo.embeddings[k]) for k in candidates]
    order = np.argsort(apart, kind="stable")
    nearest, value = candidates[int(order[0])], apart[int(order[0])]
    clear = len(candidates) == 1 or apart[int(order[1])] >= limits.clearer * value
    if value <= sitter.radius and clear and len(sitter.members) >= KNOWN:
        return Choice(nearest, _too_close(photo, nearest, limits) if point is None else (), known=len(candidates) > 1)
    if ruled.index is None:
        return ruled
    value = sitter.distance(photo.embeddings[ruled.index])
    if value <= sitter.radius:
        return ruled
    return Choice(ruled.index, (_stranger(photo.name, value, sitter),))


def by_rule(photo: Company, point: Point | None, limits: Limits) -> Choice:
    """The rule of one photo alone."""
    if not photo.faces:
        return Choice(None, (Reason("no_face", 0, 1, f"{photo.name} shows no face."),))
    candidates = _candidates(photo, point)
    if not candidates:
        return Choice(None, (Reason("no_face", 0, 1, f"{photo.name} shows no face at the given point."),))
    if len(candidates) > 1:
        ratio = photo.faces[0].box.area / photo.faces[1].box.area
        if ratio < limits.several:
            message = (
                f"{photo.name} shows {photo.count} faces and the largest is only {ratio:.1f} times the second in area; "
                f"it has to be {limits.several:g} times."
            )
            return Choice(None, (Reason("several_faces", round(ratio, 2), limits.several, message),))
    return Choice(candidates[0])


def _candidates(photo: Company, point: Point | None) -> list[int]:
    if point is None:
        return list(range(len(photo.faces)))
    shares = max(point) <= 1.0
    x, y = (point[0] * photo.size.width, point[1] * photo.size.height) if shares else point
    return [k for k, face in enumerate(photo.faces) if _holds(face, x, y)][:1]


def _holds(face: Face, x: float, y: float) -> bool:
    box = face.box
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height


def _vote(
    photos: Sequence[Company], voters: Sequence[tuple[int, int]], earlier: Sequence[Embedding]
) -> list[tuple[int, int]]:
    """The faces (photo, face) of the person whom most photos show, one a photo and one a shot; none below three."""
    heard: dict[int, tuple[int, int]] = {}
    for i, k in voters:
        heard.setdefault(photos[i].group[k], (i, k))
    faces = list(heard.values())
    there = sorted({i for i, _ in faces})
    if len(there) + len(earlier) < KNOWN:
        return []
    points = [photos[i].embeddings[k] for i, k in faces]
    centre = mean(earlier) if earlier else points[_middle(points, [i for i, _ in faces])]
    found: list[tuple[int, int]] = []
    for _ in range(2):  # the second time with a better centre
        best = [
            min(((i, k) for i, k in faces if i == photo), key=lambda at: distance(_at(photos, at), centre))
            for photo in there
        ]
        pool = [_at(photos, at) for at in best]
        known = range(len(pool), len(pool) + len(earlier)) if len(earlier) > 1 else ()
        own = grow([*pool, *earlier], known)
        found = [at for place, at in enumerate(best) if place in own]
        if not found:
            break
        centre = mean([*(_at(photos, at) for at in found), *earlier])
    return found


def _rival(photos: Sequence[Company], own: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> bool:
    """Whether the others are one person too, in as many photos: several people lie farther apart than one does."""
    if len(others) < len(own):
        return False
    reach = [float(leave_one_out([_at(photos, at) for at in part]).max()) for part in (own, others)]
    return reach[1] < _ALIKE * reach[0]


def _at(photos: Sequence[Company], at: tuple[int, int]) -> Embedding:
    return photos[at[0]].embeddings[at[1]]


def _middle(points: Sequence[Embedding], photo: Sequence[int]) -> int:
    """The face that lies nearest to the others: by the median over the photos of the distance to their nearest face."""
    apart, where = distances(points), np.array(photo)
    nearest = np.stack([apart[:, where == one].min(axis=1) for one in np.unique(where)], axis=1)
    return int(np.median(nearest, axis=1).argmin())


def _twin_of(photos: Sequence[Company], at: tuple[int, int], own: Sequence[tuple[int, int]]) -> bool:
    """Whether a face is another picture of a shot that is among `own`."""
    group = photos[at[0]].group[at[1]]
    return any(photos[i].group[k] == group for i, k in own)


def _too_close(photo: Company, index: int, limits: Limits) -> tuple[Reason, ...]:
    """Company that no crop can leave out: another face of like size cheek to cheek with the sitter's."""
    mine = photo.faces[index].box
    others = [
        face.box for k, face in enumerate(photo.faces) if k != index and face.box.area * limits.several > mine.area
    ]
    gaps = [float(np.hypot(*np.subtract(box.centre, mine.centre))) / max(mine.width, mine.height) for box in others]
    if not gaps or min(gaps) >= limits.company:
        return ()
    message = (
        f"{photo.name} shows {photo.count} faces; the sitter's was told by the other photos, but another is only "
        f"{min(gaps):.1f} face widths away and would be in every crop; it has to be {limits.company:g}."
    )
    return (Reason("several_faces", round(min(gaps), 2), limits.company, message),)


def _stranger(name: str, value: float, sitter: Sitter) -> Reason:
    message = (
        f"{name} shows another person (distance {value:.2f}, this sitter's own photos reach {sitter.reach:.2f}; "
        f"up to {sitter.radius:.2f} would pass)."
    )
    return Reason("other_person", round(value, 3), round(sitter.radius, 3), message)
