"""Face models by name: what they find, whose they are, what is said when they are not there; spaces are never mixed.

The models of the tests are small ONNX files made here, with outputs of the real ones' shapes.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from portraitist import measure
from portraitist.errors import FetchFailed, MissingModel, UnfitModel, UnknownName
from portraitist.faces import Circle, Faces, calibrate, distance, distances, grow, mean, parts
from portraitist.faces.detectors import OnnxDetector, RetinaFace, Scrfd, YuNet
from portraitist.faces.packages import InsightFace, UnifaceDetector, UnifaceRecogniser
from portraitist.faces.parsing import BiSeNetMasker
from portraitist.faces.recognisers import ArcFaceRecogniser, similarity
from portraitist.faces.spaces import named, same_shot, space_of
from portraitist.settings import load_settings
from tests.people import person

SIDE = 64
STRIDES = (8, 16, 32)
CELLS = {stride: (SIDE // stride) ** 2 for stride in STRIDES}


def model(path: Path, outputs: dict[str, np.ndarray], side: int = SIDE) -> Path:
    """A network that gives these outputs whatever it sees."""
    nodes, made = [], []
    for name, value in outputs.items():
        nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value.astype(np.float32))))
        made.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    seen = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])
    return saved(path, helper.make_graph(nodes, "constant", [seen], made))


def saved(path: Path, graph: Any) -> Path:
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(built.SerializeToString())
    return path


def convolution(path: Path, channels: int, side: int, *, flat: bool) -> Path:
    """A tiny random network: one convolution, and its mean over the picture if `flat`."""
    weights = np.random.default_rng(0).normal(size=(channels, 3, 3, 3)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["input", "w"], ["seen" if flat else "out"], pads=[1, 1, 1, 1])]
    shape: list[int] = [1, channels, side, side]
    if flat:
        nodes.append(helper.make_node("MaxPool", ["seen"], ["pooled"], kernel_shape=[side, side]))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["out"]))
        shape = [1, channels]
    seen = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, side, side])
    made = helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)
    return saved(path, helper.make_graph(nodes, "tiny", [seen], [made], [numpy_helper.from_array(weights, "w")]))


def yunet(path: Path) -> Path:
    """A face of 32 x 48 pixels around (24, 40), told at stride 16 by the cell in column 1, row 2."""
    outputs = {}
    for stride, count in CELLS.items():
        outputs |= {f"cls_{stride}": np.zeros((1, count, 1)), f"obj_{stride}": np.zeros((1, count, 1))}
        outputs |= {f"bbox_{stride}": np.zeros((1, count, 4)), f"kps_{stride}": np.zeros((1, count, 10))}
    cell = 2 * (SIDE // 16) + 1
    outputs["cls_16"][0, cell] = outputs["obj_16"][0, cell] = 0.9
    outputs["bbox_16"][0, cell] = (0.5, 0.5, np.log(2), np.log(3))
    outputs["kps_16"][0, cell] = (0.2, 0.1, 0.8, 0.1, 0.5, 0.5, 0.3, 0.9, 0.7, 0.9)
    order = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
    return model(path, {name: outputs[name] for name in order})


def scrfd(path: Path) -> Path:
    """The same face, told by the distances of its sides."""
    kinds, boxes, points = ([np.zeros((2 * CELLS[s], n)) for s in STRIDES] for n in (1, 4, 10))
    cell = 2 * (2 * (SIDE // 16) + 1)
    kinds[1][cell] = 0.9
    boxes[1][cell] = np.array([8, 16, 24, 32]) / 16  # from (16, 32) to the left, top, right and bottom
    points[1][cell] = (0.2, 0.1, 0.8, 0.1, 0.5, 0.5, 0.3, 0.9, 0.7, 0.9)
    return model(path, {str(i): value for i, value in enumerate([*kinds, *boxes, *points])})


def retinaface(path: Path) -> Path:
    """The same face against a prior box of 64 pixels at the middle of that cell."""
    count = sum(2 * cells for cells in CELLS.values())
    boxes, kinds, points = np.zeros((1, count, 4)), np.zeros((1, count, 2)), np.zeros((1, count, 10))
    at = 2 * CELLS[8] + 2 * (2 * (SIDE // 16) + 1)
    kinds[0, at, 1] = 0.9
    boxes[0, at] = (0, 0, np.log(32 / 64) / 0.2, np.log(48 / 64) / 0.2)
    points[0, at] = ((np.array([0.2, 0.1, 0.8, 0.1, 0.5, 0.5, 0.3, 0.9, 0.7, 0.9]) - 0.5) * 16) / (0.1 * 64)
    return model(path, {"loc": boxes, "conf": kinds, "landms": points})


@pytest.mark.parametrize(("kind", "make"), [(YuNet, yunet), (Scrfd, scrfd), (RetinaFace, retinaface)])
def test_detectors_read_their_outputs(tmp_path: Path, kind: type[OnnxDetector], make: Any) -> None:
    detector = kind(make(tmp_path / "model.onnx"))
    (find,) = detector.find(np.zeros((2 * SIDE, SIDE, 3), np.uint8))  # shown at half its size
    corners = np.array([find.box.x, find.box.y, find.box.x + find.box.width, find.box.y + find.box.height])
    np.testing.assert_allclose(corners, 2 * np.array([8, 16, 40, 64]), atol=0.01)
    assert find.score == pytest.approx(0.9, abs=1e-4)
    np.testing.assert_allclose(find.points[:2], 2 * np.array([[19.2, 33.6], [28.8, 33.6]]), atol=0.01)
    assert detector.find(np.zeros((SIDE, SIDE, 3), np.uint8))[0].box.width == pytest.approx(32, abs=0.01)


def test_a_recogniser_embeds_the_aligned_face(faces: Faces, tmp_path: Path) -> None:
    path = convolution(tmp_path / "auraface.onnx", 512, 112, flat=True)
    recogniser = ArcFaceRecogniser(path, "auraface-v1")
    picture = person("a-1")
    face = faces.detect(picture)[0]
    point = recogniser.embed(picture, face)
    assert point.shape == (512,) and np.linalg.norm(point) == pytest.approx(1.0)
    assert np.array_equal(point, recogniser.embed(picture, face))
    steady = recogniser.steady(picture, face)
    assert np.linalg.norm(steady) == pytest.approx(1.0) and 0 < np.linalg.norm(point - steady) < 1
    other = person("b-1")
    assert np.linalg.norm(point - recogniser.embed(other, faces.detect(other)[0])) > 0.01


def test_alignment_turns_scales_and_shifts() -> None:
    places = np.array([[0.0, 0.0], [10.0, 0.0], [5.0, 8.0]])
    turn = 3.0 * np.array([[0.8, -0.6], [0.6, 0.8]])
    np.testing.assert_allclose(similarity(places, places @ turn.T + [7.0, -2.0]), np.c_[turn, [7.0, -2.0]], atol=1e-9)


def test_masks_cover_the_photo(faces: Faces, tmp_path: Path) -> None:
    kinds = np.zeros((1, 19, 512, 512))
    kinds[:, 1, 100:300, 150:350] = kinds[:, 16, 300:] = 1.0  # a head, and clothes below it
    picture = person("a-1")
    face = faces.detect(picture)[0]
    masks = BiSeNetMasker(model(tmp_path / "bisenet.onnx", {"out": kinds}, 512)).masks(picture, face)
    assert masks.head.shape == masks.person.shape == picture.shape[:2]
    assert 0.02 < (masks.head > 127).mean() < (masks.person > 127).mean() < 0.9
    assert masks.head[round(face.box.centre[1]), round(face.box.centre[0])] == 255


def test_a_stack_by_names_is_used(faces: Faces, tmp_path: Path) -> None:
    for file in (load_settings().models_folder / "faces").glob("*.*"):
        (tmp_path / file.name).symlink_to(file)
    yunet(tmp_path / "yunet.onnx")
    convolution(tmp_path / "glintr100.onnx", 512, 112, flat=True)
    stack = Faces.load(tmp_path, names="yunet+auraface")
    assert stack.detector.name == "yunet" and stack.recogniser.name == "auraface-v1"
    picture = person("a-1")
    (face,) = stack.detect(picture)
    assert face.mesh.shape == (468, 3)
    own, dlibs = stack.embed(picture, face), faces.embed(picture, faces.detect(picture)[0])
    assert space_of(own) == "auraface-v1" and space_of(dlibs) == "dlib-resnet-v1"
    with pytest.raises(UnfitModel, match=r"auraface-v1 and by dlib-resnet-v1 cannot be compared"):
        distance(own, dlibs)


def test_two_spaces_are_never_mixed() -> None:
    random = np.random.default_rng(0)
    ours = [named(random.normal(0, 0.02, 128), "dlib-resnet-v1") for _ in range(3)]
    theirs = [named(random.normal(0, 0.02, 128), "sface-2021dec") for _ in range(3)]
    for compare in (distances, mean, grow, calibrate):
        with pytest.raises(UnfitModel, match="cannot be compared"):
            compare([*ours, theirs[0]])  # type: ignore[operator]
    circle = calibrate(ours)
    assert circle.recogniser == space_of(mean(ours)) == "dlib-resnet-v1" and circle.holds(ours[0])
    for known in (circle, Circle(np.zeros(128), 1.0, "dlib-resnet-v1")):
        with pytest.raises(UnfitModel):
            known.distance(theirs[0])
    assert calibrate(theirs).radius >= 1.0 > circle.radius
    assert same_shot(ours[0], 0.2) == 0.2 < same_shot(theirs[0], 0.2)
    with pytest.raises(UnfitModel, match="no limits for the recogniser 'other'"):
        calibrate([named(point, "other") for point in ours])


def test_a_sitters_record_names_its_recogniser() -> None:
    photos = [named(np.full(4, value), "dlib-resnet-v1") for value in (0.0, 0.1)]
    record = measure.make_record("dlib-resnet-v1", photos, [])
    measure.check_recogniser(record, "dlib-resnet-v1")
    with pytest.raises(UnfitModel, match="were measured by dlib-resnet-v1; here is sface-2021dec") as caught:
        measure.check_recogniser(record, "sface-2021dec")
    assert "--faces" in str(caught.value.hint)
    with pytest.raises(UnfitModel):
        record.distance(named(np.zeros(4), "sface-2021dec"))


def test_names_and_terms() -> None:
    assert parts.chosen("embedded") == () == parts.chosen("")
    assert [part.name for part in parts.chosen("yunet + sface")] == ["yunet", "sface"]
    with pytest.raises(UnknownName, match="yolo"):
        parts.chosen("yolo")
    with pytest.raises(UnfitModel, match="both a detector"):
        parts.chosen("insightface+yunet")
    free, bound = parts.terms("auraface")[0], parts.terms("insightface")[0]
    assert "Apache-2.0" in free and "Not for" not in free
    assert "non-commercial" in bound and "Not for commercial use" in bound


def test_what_is_missing_is_named_with_the_command(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = load_settings().models_folder / "faces"
    with pytest.raises(MissingModel, match="retinaface") as caught:
        Faces.load(folder, names="retinaface")
    assert "retinaface_mv2.onnx" in str(caught.value.hint) and "uniface" in str(caught.value.hint)
    (tmp_path / "yunet.onnx").write_bytes(b"not a network")
    with pytest.raises(UnfitModel, match="damaged"):
        YuNet(tmp_path / "yunet.onnx")
    with pytest.raises(UnfitModel, match="not those of scrfd"):
        Scrfd(yunet(tmp_path / "wrong.onnx")).find(np.zeros((SIDE, SIDE, 3), np.uint8))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingModel) as caught:
        YuNet(yunet(tmp_path / "good.onnx"))
    assert "pip install 'portraitist[onnx]'" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["yunet", "auraface", "sface"])
def test_what_a_hub_has_is_not_fetched_offline(faces: Faces, name: str) -> None:
    folder, part = load_settings().models_folder / "faces", parts.PARTS[name]
    assert part.hub is not None
    with pytest.raises(FetchFailed, match=part.hub.repository) as caught:
        Faces.load(folder, names=name, offline=True)
    assert f"{part.hub.megabytes} MB" in str(caught.value.hint)
    assert f"--faces {name}" in str(parts.missing(part, folder))


def test_what_came_from_a_hub_is_used(faces: Faces, tmp_path: Path) -> None:
    for file in (load_settings().models_folder / "faces").iterdir():
        (tmp_path / file.name).symlink_to(file)
    hub = parts.PARTS["yunet"].hub
    assert hub is not None
    (tmp_path / "yunet").mkdir()
    made = yunet(tmp_path / "yunet" / hub.files[0])
    record = {"repository": hub.repository, "revision": "a" * 40, "licence": "MIT", "sha256": {made.name: "b" * 64}}
    (tmp_path / "yunet" / "source.json").write_text(json.dumps(record))
    assert parts.missing(parts.PARTS["yunet"], tmp_path) is None
    assert Faces.load(tmp_path, names="yunet", offline=True).detector.name == "yunet"


class _Retina:
    def detect(self, image: np.ndarray) -> list[Any]:
        red = image[..., 2] > 200  # of BGR
        y, x = (float(values.mean()) for values in np.nonzero(red))
        box = np.array([x - 5, y - 6, x + 5, y + 6])
        return [SimpleNamespace(bbox=box, confidence=np.float32(0.8), landmarks=np.tile([x, y], (5, 1)))]


def test_packages_get_bgr_and_our_folder(faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uniface, seen = ModuleType("uniface"), {}
    uniface.RetinaFace = _Retina  # type: ignore[attr-defined]

    def ada() -> Any:
        import os

        seen["folder"] = os.environ["UNIFACE_CACHE_DIR"]
        return SimpleNamespace(get_normalized_embedding=lambda image, points: np.r_[points.ravel(), image[0, 0]])

    uniface.AdaFace = ada  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uniface", uniface)
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[20:31, 40:51] = (255, 0, 0)
    (find,) = UnifaceDetector(tmp_path, offline=False).find(picture)
    assert find.box.centre == (45.0, 25.0) and find.score == pytest.approx(0.8)
    portrait = person("a-1")
    face = faces.detect(portrait)[0]
    point = UnifaceRecogniser(tmp_path, offline=False).embed(portrait, face)
    assert point.shape == (13,) and list(point[-3:]) == list(portrait[0, 0, ::-1])
    assert seen["folder"] == str(tmp_path / "uniface")
    with pytest.raises(FetchFailed, match="OFFLINE forbids"):
        UnifaceDetector(tmp_path, offline=True)


def test_insightface_serves_as_detector_and_recogniser(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Analysis:
        def __init__(self, name: str, **options: Any) -> None:
            self.name, self.root = name, options["root"]
            boxes = np.array([[10, 20, 40, 60, 0.7]])
            self.det_model = SimpleNamespace(detect=lambda image, max_num: (boxes, np.zeros((1, 5, 2))))
            self.models = {"recognition": SimpleNamespace(get_feat=lambda image: image[:2, :2].reshape(1, -1))}

        def prepare(self, ctx_id: int, det_size: tuple[int, int]) -> None:
            assert ctx_id == -1

    app = ModuleType("insightface.app")
    app.FaceAnalysis = Analysis  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "insightface", ModuleType("insightface"))
    monkeypatch.setitem(sys.modules, "insightface.app", app)
    model_ = InsightFace(tmp_path, offline=False)
    assert model_.find(np.zeros((80, 80, 3), np.uint8))[0].box.height == 40
    portrait = person("a-1")
    point = model_.embed(portrait, faces.detect(portrait)[0])
    assert np.linalg.norm(point) == pytest.approx(1.0)
    with pytest.raises(FetchFailed):
        InsightFace(tmp_path, offline=True)
