"""One life of a training that is going to be killed: photos in, 400 steps of a tiny network, the likeness out.

The order is that of the command `train`: the photos are imported into the sitter's folder, the networks loaded, the
training resumed where the last life stopped, the likeness and its sidecar written, the training's folder removed.
`python benchmarks/kill_child.py JSON` is a life in a process of its own; `live` one in a process that was forked.
"""

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

STAGES = ("start", "photos", "load", "encode", "train", "checkpoint", "final")
STEPS = 400
SAVE_STEPS = 50
SIZE = 64
CHECKPOINTS = 4


@dataclass(frozen=True)
class Life:
    """`home` is where the sitter lives, `base` the tiny base, `photos` the folder to import; `where` is a file that
    tells the stage. Death comes at the `disk_call`-th change on the disk within `stage`, or `steps` steps after this
    life's first, each time `delay` seconds later; or from outside; or not at all."""

    home: str
    base: str
    photos: str
    where: str
    stage: str = ""
    disk_call: int = 0
    steps: int = 0
    delay: float = 0.0

    def argument(self) -> str:
        return json.dumps(asdict(self))


def live(life: Life) -> None:
    """Run one life to its end, or to its death."""
    teller = _Teller(life)
    sys.addaudithook(teller.hear)
    from portraitist import families
    from portraitist.devices import choose_device
    from portraitist.files import remove_folder, replacing, sweep
    from portraitist.images import read_picture
    from portraitist.lora.metadata import write_sidecar
    from portraitist.recipes import Base, Recipe
    from portraitist.store.sitters import SitterRecord, SitterStore
    from portraitist.training.job import TrainingJob, TrainingPicture
    from portraitist.training.train import train

    teller.enter("photos")
    store = SitterStore(Path(life.home))
    folder = store.folder("anna")
    sweep(folder.root)
    store.keep_photos(folder, sorted(Path(life.photos).iterdir()))
    store.create(SitterRecord(name="anna", trigger="ohwx", class_word="woman", created="2020-01-01"))
    shots = tuple(
        TrainingPicture(path.name, read_picture(path), f"ohwx woman, photo {i}")
        for i, path in enumerate(sorted(folder.photos.iterdir()))
    )
    teller.enter("load")
    base = Base("tiny", "sd15", f"file:{life.base}", "tiny", (SIZE, SIZE), "kill")
    model = families.load(Path(life.base), base, choose_device("cpu"))
    recipe = Recipe(
        name="kill", rank=4, alpha=4.0, learning_rate=1e-3, batch=1, visits_per_photo=STEPS, max_visits=STEPS,
        crops_per_photo=2, caption_dropout=0.1, tag_dropout=0.2, ema=0.9, prior_every=10, checkpoints=CHECKPOINTS,
        background_weight=1.0, framing="close",
    )  # fmt: skip
    job = TrainingJob("anna", shots, recipe, "ohwx", "woman", folder.training, 7, resume=True, save_steps=SAVE_STEPS)
    result = train(job, model, teller.step)
    teller.enter("final")
    with replacing(folder.likeness) as part:
        shutil.copyfile(result.likeness, part)
    write_sidecar(folder.likeness, title="Likeness of anna", phrase="ohwx woman", strength=1.0)
    remove_folder(folder.training)
    teller.enter("done")


class _Teller:
    """Writes the stage to a file, and kills its own process when the life says so."""

    def __init__(self, life: Life) -> None:
        self._life, self._calls, self._first = life, 0, -1
        self._file = os.open(life.where, os.O_WRONLY | os.O_CREAT)
        self._now = ""
        self.enter("start")

    def enter(self, stage: str) -> None:
        if stage != self._now:
            self._now = stage
            os.pwrite(self._file, stage.ljust(12).encode(), 0)

    def step(self, told: object) -> None:
        stage, done = getattr(told, "stage", ""), int(getattr(told, "done", 0))
        self.enter(stage)
        if stage == "train":
            self._first = done if self._first < 0 else self._first
            if self._life.steps and done - self._first + 1 >= self._life.steps:
                self._die()

    def hear(self, event: str, values: tuple[object, ...]) -> None:
        """An audit hook: every opened, renamed and removed file comes by."""
        if event not in ("open", "os.rename", "os.remove", "os.chmod", "os.rmdir", "tempfile.mkstemp"):
            return
        path = str(values[0])
        if self._life.home not in path:
            return
        if self._now == "train" and ("state-" in path or "step-" in path):
            self.enter("checkpoint")
        if self._life.disk_call and self._now == self._life.stage:
            self._calls += 1
            if self._calls == self._life.disk_call:
                self._die()

    def _die(self) -> None:
        """At once, or, so that writes are cut in two, a moment later in another thread."""
        if self._life.delay <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=self._die_later, daemon=True).start()

    def _die_later(self) -> None:
        time.sleep(self._life.delay)
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    live(Life(**json.loads(sys.argv[1])))


def moment(chance: random.Random) -> float:
    """A delay before death: none for a third of the lives, else up to 4 ms."""
    return 0.0 if chance.random() < 1 / 3 else chance.uniform(0.0, 0.004)


if __name__ == "__main__":
    main()
