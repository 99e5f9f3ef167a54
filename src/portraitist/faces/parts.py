"""Which parts a face stack can be made of, by name, with their licences; and the stack that some names stand for.

`embedded` is the default: BlazeFace, FaceMesh, dlib. A name replaces the embedded part that does the same, and names
are joined by `+`: `yunet+auraface`. Landmarks and pose are always FaceMesh's, for the rules of photos go by its points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portraitist.errors import MissingModel, UnfitModel, UnknownName
from portraitist.faces import blaze, lids, mesh, packages
from portraitist.faces.detect import Faces
from portraitist.faces.detectors import RetinaFace, Scrfd, YuNet
from portraitist.faces.face import Detector, Masker, Recogniser
from portraitist.faces.identity import DlibRecogniser
from portraitist.faces.parsing import BiSeNetMasker
from portraitist.faces.recognisers import ArcFaceRecogniser
from portraitist.hub import HubModel, fetch, have
from portraitist.weights import require, sha256_of

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Part:
    """A part by name: what it does (`detector`, `recogniser`, `masker`), whose it is and under which terms.

    `make` loads it, by file and threads or, without a file, by folder and `offline`. `file` is the ONNX file that is
    looked for in the folder of the face models, with its `sha256` where we know it; `hub` is where it is fetched from
    the first time, if nobody put the file there; `extra` the extra of this package that it needs; `free` whether its
    terms allow commercial use.
    """

    name: str
    does: tuple[str, ...]
    licence: str
    origin: str
    make: Callable[..., Any] = field(repr=False)
    free: bool = True
    file: str | None = None
    sha256: str | None = None
    extra: str = "onnx"
    hub: HubModel | None = None


def _auraface(path: Path, threads: int) -> ArcFaceRecogniser:
    return ArcFaceRecogniser(path, "auraface-v1", threads=threads)


def _sface(path: Path, threads: int) -> ArcFaceRecogniser:
    return ArcFaceRecogniser(path, "sface-2021dec", bytes_in=True, threads=threads)


_YUNET = HubModel("opencv/face_detection_yunet", ("face_detection_yunet_2023mar.onnx",), licence="MIT", megabytes=1)
_AURAFACE = HubModel("fal/AuraFace-v1", ("glintr100.onnx",), licence="Apache-2.0", megabytes=261)
_SFACE = HubModel(
    "opencv/face_recognition_sface", ("face_recognition_sface_2021dec.onnx",), licence="Apache-2.0", megabytes=39
)
_UNIFACE = "https://github.com/yakhyo/uniface"
_RESEARCH = "InsightFace: for non-commercial research only"
PARTS = {
    part.name: part
    for part in (
        Part(
            "yunet", ("detector",), "MIT", "https://github.com/opencv/opencv_zoo", file="yunet.onnx", make=YuNet,
            hub=_YUNET,
        ),
        Part(
            "retinaface", ("detector",), "MIT", _UNIFACE, file="retinaface_mv2.onnx", make=RetinaFace,
            sha256="3ca44c045651cabeed1193a1fae8946ad1f3a55da8fa74b341feab5a8319f757",
        ),
        Part(
            "scrfd", ("detector",), _RESEARCH, _UNIFACE, free=False, file="scrfd_10g_kps.onnx", make=Scrfd,
            sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        ),
        Part(
            "auraface", ("recogniser",), "Apache-2.0", "https://huggingface.co/fal/AuraFace-v1", file="glintr100.onnx",
            make=_auraface, hub=_AURAFACE,
        ),
        Part(
            "sface", ("recogniser",), "Apache-2.0", "https://github.com/opencv/opencv_zoo", file="sface.onnx",
            make=_sface, hub=_SFACE,
        ),
        Part(
            "bisenet", ("masker",), "MIT, trained on CelebAMask-HQ: for non-commercial research only",
            "https://github.com/yakhyo/face-parsing", free=False, file="bisenet.onnx", make=BiSeNetMasker,
        ),
        Part("uniface", ("detector",), "MIT", _UNIFACE, extra="uniface", make=packages.UnifaceDetector),
        Part(
            "uniface-adaface", ("recogniser",), "MIT; the weights by the terms of WebFace: for research", _UNIFACE,
            free=False, extra="uniface", make=packages.UnifaceRecogniser,
        ),
        Part(
            "insightface", ("detector", "recogniser"), _RESEARCH, "https://github.com/deepinsight/insightface",
            free=False, extra="insightface", make=packages.InsightFace,
        ),
    )
}  # fmt: skip


def chosen(names: str) -> tuple[Part, ...]:
    """The parts that `names` (`yunet+auraface`) put in place of embedded ones. Raises UnknownName, UnfitModel."""
    parts = []
    for name in (word.strip() for word in names.split("+")):
        if name in ("", EMBEDDED):
            continue
        if name not in PARTS:
            raise UnknownName("face model", name, (EMBEDDED, *PARTS))
        parts.append(PARTS[name])
    jobs = [job for part in parts for job in part.does]
    twice = next((job for job in jobs if jobs.count(job) > 1), None)
    if twice is not None:
        named = " and ".join(part.name for part in parts if twice in part.does)
        raise UnfitModel(f"{named} are both a {twice}.", hint="Choose one of them.")
    return tuple(parts)


def terms(names: str) -> tuple[str, ...]:
    """A line on the licence of each chosen part."""
    return tuple(
        f"Faces by {part.name} ({', '.join(part.does)}): {part.licence}. {part.origin}"
        + ("" if part.free else " Not for commercial use.")
        for part in chosen(names)
    )


def load(folder: Path, names: str = EMBEDDED, *, threads: int = 1, offline: bool = False) -> Faces:
    """The stack of the embedded models in `folder` with the parts of `names` in their places.

    Raises MissingModel with the command or the place for what is missing, UnknownName, UnfitModel, FetchFailed.
    """
    parts = chosen(names)
    paths = require(folder)
    made = {job: _make(part, folder, threads, offline) for part in parts for job in part.does[:1] if job != "masker"}
    both = next((part for part in parts if len(part.does) > 1), None)
    if both is not None:
        made = {**made, **dict.fromkeys(both.does, made[both.does[0]])}
    detector: Detector = made.get("detector") or blaze.BlazeDetector(
        blaze.full_range(paths["face_detection_full_range.tflite"], threads),
        blaze.short_range(paths["face_detection_short_range.tflite"], threads),
    )
    recogniser: Recogniser = made.get("recogniser") or DlibRecogniser(
        paths["shape_predictor_5_face_landmarks.dat"], paths["dlib_face_recognition_resnet_model_v1.dat"]
    )
    landmarks, eyes = (
        mesh.Mesh(paths["face_landmark.tflite"], threads),
        lids.Lids(paths["iris_landmark.tflite"], threads),
    )
    return Faces(detector, landmarks, recogniser, eyes)


def load_masker(folder: Path, names: str, *, threads: int = 1) -> Masker | None:
    """The masker among `names`, or None where the embedded one is meant."""
    part = next((part for part in chosen(names) if "masker" in part.does), None)
    if part is None:
        return None
    masker: Masker = _make(part, folder, threads, True)
    return masker


def missing(part: Part, folder: Path) -> str | None:
    """What a part lacks here, in a sentence with the next step; None when it is ready."""
    package = "onnxruntime" if part.extra == "onnx" else part.extra
    if not _installed(package):
        return f"pip install 'portraitist[{part.extra}]'"
    if part.file is None or (folder / part.file).is_file():
        return None
    if part.hub is not None:
        if have(folder / part.name, part.hub):
            return None
        return f"with a network, portraitist check PHOTOS --faces {part.name} fetches {part.hub.megabytes} MB"
    return f"download {part.file} from {part.origin} to {folder / part.file}"


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _make(part: Part, folder: Path, threads: int, offline: bool) -> Any:
    lacks = missing(part, folder)
    if lacks is not None and (part.hub is None or not _installed("onnxruntime")):
        raise MissingModel(f"The face model {part.name} ({part.licence}) is not there.", hint=f"To use it: {lacks}")
    if part.file is None:
        return part.make(folder, offline=offline)
    path = folder / part.file
    if part.hub is not None and not path.is_file():
        path = fetch(folder / part.name, part.hub, offline=offline) / part.hub.files[0]
    if part.sha256 is not None and sha256_of(path) != part.sha256:
        raise UnfitModel(f"{path} is not the file that {part.name} is.", hint=f"Fetch it again from {part.origin}")
    return part.make(path, threads)


def known() -> Sequence[str]:
    """All names for `--faces`, the default first."""
    return (EMBEDDED, *PARTS)
