"""Trains mini from nothing to its parts, in stages that fit a given number of seconds and go on from local state.

`python -m mini.train all --seconds 570 --whole 900 --state DIR --out DIR`   on all GPUs: whatever is missing, then the
U-Net
`python -m mini.train restore FOLDER --state DIR`                            state from a shipped folder: `all` goes on
`python -m mini.train render`                                                builds the kernel and times it
One process a GPU. All train the autoencoder, then rank 0 the tagger while the last rank trains the judge, then all the
U-Net; with one GPU they follow each other.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.multiprocessing

from mini import networks
from mini.loop import say, write_json


@dataclass(frozen=True)
class Plan:
    """One run. Seconds are its own, but `whole` is the U-Net's training over all runs. Counts are of all ranks."""

    state: Path
    out: Path
    device: str = "cuda"
    world: int = 1
    seconds: float = 570.0
    render: float = 50.0
    vae: float = 190.0
    tagger: float = 95.0
    judge: float = 95.0
    latents: float = 75.0
    refine: float = 32.0
    whole: float = 760.0
    reserve: float = 25.0
    count: int = 400_000
    pool: int = 100_000
    batch: int = 512
    vae_batch: int = 32
    judge_batch: int = 384
    tagger_batch: int = 192
    compiled: bool = True
    renderer: str = "mini.renderer:Renderer"
    tiny: bool = False
    begun: float = 0.0  # time.time() at the start of the run

    @property
    def widths(self) -> networks.Widths:
        return networks.TINY if self.tiny else networks.FULL

    def left(self) -> float:
        """Seconds until the run has to end."""
        return self.begun + self.seconds - time.time()


TINY = {
    "seconds": 60.0, "render": 2.0, "vae": 2.0, "tagger": 1.0, "judge": 1.0, "latents": 2.0, "refine": 1.0,
    "whole": 4.0, "reserve": 6.0, "count": 48,
    "pool": 24, "batch": 4, "vae_batch": 2, "judge_batch": 4, "tagger_batch": 4, "compiled": False, "tiny": True,
}  # fmt: skip


def device_of(plan: Plan) -> torch.device:
    """Every rank sees one GPU, its own: all are called cuda:0, and share what the compiler has made for that name."""
    return torch.device("cuda:0") if plan.device == "cuda" else torch.device("cpu")


def prepare(rank: int, plan: Plan) -> torch.device:
    """Seeds and settings of one rank's process, and its place among the others."""
    import diffusers
    import torch.distributed as dist
    import transformers

    os.environ["RANK"] = str(rank)
    diffusers.utils.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    device = device_of(plan)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    # What cannot be compiled runs as it is: slower, but it runs.
    torch._dynamo.config.suppress_errors = True
    torch.manual_seed(0)
    if plan.world > 1:
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        meeting = plan.state / f"meeting-{int(plan.begun * 1000)}"
        dist.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=plan.world)
    return device


def work(rank: int, plan: Plan) -> None:
    """All stages of one rank."""
    from mini import stages

    device = prepare(rank, plan)
    stages.run(rank, plan, device)
    if plan.world > 1:
        torch.distributed.destroy_process_group()


def launch(plan: Plan) -> None:
    plan.state.mkdir(parents=True, exist_ok=True)
    plan.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(plan.state / "compiled"))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if plan.world == 1:
        work(0, plan)
    else:
        _launch_ranks(plan)


def _launch_ranks(plan: Plan) -> None:
    """A process a rank; each is told its GPU before it starts, because imports already look for one."""
    context, ranks = torch.multiprocessing.get_context("spawn"), []
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    for rank in range(plan.world):
        os.environ["CUDA_VISIBLE_DEVICES"] = seen.split(",")[rank] if seen else str(rank)
        ranks.append(context.Process(target=work, args=(rank, plan)))
        ranks[-1].start()
    while any(process.is_alive() for process in ranks):
        time.sleep(0.5)
        if any(process.exitcode for process in ranks):
            for process in ranks:
                process.terminate()
    if any(process.exitcode for process in ranks):
        raise SystemExit("a rank failed; its own words are above")


def check_renderer(plan: Plan) -> None:
    """Builds the kernel once, before several processes want it, and says how fast it is."""
    from mini.pool import Painter, fill

    device = device_of(plan)
    start = time.time()
    painter = Painter(plan.renderer, device, chunk=8 if plan.tiny else 192)
    fill(painter, networks.BUCKETS[0], 8, 60, judged=False)
    say("render", first=round(time.time() - start, 1))
    if device.type == "cuda" or plan.tiny:
        fill(painter, networks.BUCKETS[0], 16 if plan.tiny else 2000, 5, judged=True)


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("all", "render", "restore", "warm-vae", "warm-unet"))
    parser.add_argument("folder", nargs="?", type=Path, help="a shipped base, for restore")
    parser.add_argument("--judge-folder", dest="judge", type=Path, help="folder of the judge, for restore")
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "mini-state")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "out/mini")))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cuda", "cpu"))
    parser.add_argument("--world", type=int, default=0, help="processes; 0 = one for each GPU")
    parser.add_argument("--tiny", action="store_true", help="small networks and counts: a rehearsal")
    parser.add_argument("--fresh", action="store_true", help="forget the state first")
    parser.add_argument("--no-compile", dest="compiled", action="store_false", default=None)
    parser.add_argument("--renderer", default="mini.renderer:Renderer", help="module:name")
    for name in ("seconds", "render", "vae", "tagger", "judge", "latents", "refine", "whole", "reserve"):
        stage = "the run" if name == "seconds" else "all trainings of the U-Net" if name == "whole" else name
        parser.add_argument(f"--{name}", type=float, dest=f"plan_{name}", help=f"seconds of {stage}")
    for name in ("count", "pool", "batch"):
        parser.add_argument(f"--{name}", type=int, dest=f"plan_{name}")
    return parser


def plan_of(given: argparse.Namespace) -> Plan:
    world = given.world or (torch.cuda.device_count() if given.device == "cuda" else 1)
    plan = Plan(given.state, given.out, given.device, world, renderer=given.renderer, begun=time.time())
    values = dict(TINY) if given.tiny else {}
    values |= {k.removeprefix("plan_"): v for k, v in vars(given).items() if k.startswith("plan_") and v is not None}
    if given.compiled is False or given.device == "cpu":
        values["compiled"] = False
    return replace(plan, **values)


def main() -> None:
    given = options().parse_args()
    plan = plan_of(given)
    if given.fresh:
        shutil.rmtree(plan.state, ignore_errors=True)
    if given.command == "restore":
        from mini.restore import restore

        restore(given.folder, given.judge, plan.state, plan.widths)
    elif given.command == "render":
        check_renderer(plan)
    elif given.command.startswith("warm-"):
        from mini import stages

        stages.warm(given.command, plan, prepare(0, replace(plan, world=1)))
    else:
        # Folders and the time of day say nothing about the weights.
        told = {k: v for k, v in vars(plan).items() if k not in ("state", "out", "begun")}
        write_json(plan.state / "plan.json", {k: str(v) for k, v in told.items()})
        launch(plan)


if __name__ == "__main__":
    main()
