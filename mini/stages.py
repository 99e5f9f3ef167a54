"""The stages of mini's training on one rank, in order. Each looks first whether its result is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from mini import export, latents, networks, sheets, train_judge, train_tagger, train_unet, train_vae
from mini.loop import save_tensors, say, write_json
from mini.networks import BUCKETS
from mini.pool import FIELDS, JUDGED, Painter, Pool, fill, joined, to_bytes
from mini.restore import begin

if TYPE_CHECKING:
    from pathlib import Path

    from mini.train import Plan

HELD_OUT = 60_000  # first identity of those that only measure trainings; see pool.py for the ranges


def run(rank: int, plan: Plan, device: torch.device) -> None:
    """Everything that is missing, then the U-Net for the time that is left, then the parts."""
    stage = Stage(rank, plan, device)
    stores = stage.stores()
    stage.unet(stores)


def meet(plan: Plan) -> None:
    """Waits for the other ranks."""
    if plan.world > 1:
        dist.all_reduce(torch.zeros(1))


class Stage:
    """One rank's way through the stages. `last` is the rank that trains the judge."""

    def __init__(self, rank: int, plan: Plan, device: torch.device) -> None:
        self.rank, self.plan, self.device = rank, plan, device
        self.last = rank == plan.world - 1
        self.log = plan.state / "log"
        self.painter: Painter | None = None

    # Data

    def stores(self) -> list[latents.Store]:
        """Latents and captions of this rank; made if any rank's are missing."""
        paths = [
            self.plan.state / f"latents-{rank}-of-{self.plan.world}.safetensors" for rank in range(self.plan.world)
        ]
        there = all(path.exists() for path in paths)
        meet(self.plan)
        if there:
            say("latents", read=paths[self.rank].name)
            return latents.load(paths[self.rank], self.device)
        warming = self._start_warming()
        self.painter = Painter(
            self.plan.renderer, self.device, rank=self.rank, world=self.plan.world, chunk=12 if self.plan.tiny else 192
        )
        newcomers, judged = self._render()
        self._networks(newcomers, judged, warming)
        vae = self._load_vae()
        starts = tuple(len(pool) for pool in newcomers) if newcomers else (0, 0, 0)
        self._report_vae(vae)
        fresh: list[Pool] = []
        stores = latents.collect(
            vae, [*newcomers,
            *([judged] if judged else [])], self.painter, self.plan.count // self.plan.world, self.plan.latents,
            seed=self.rank + 1, starts=starts, workers=max(1, (os.cpu_count() or 2) // (2 * self.plan.world)),
            kept=fresh if self.rank == 0 else None,
        )  # fmt: skip
        # Kept first: a run that is cut in the second visit of tagger and judge goes on with the U-Net.
        latents.save(stores, paths[self.rank])
        write_json(
            self.log / f"data-{self.rank}.json",
            {"pictures": {f"{w}x{h}": len(store) for (w, h), store in zip(BUCKETS, stores, strict=True)}},
        )
        self._refine(vae, [newcomers[0], joined(fresh)] if fresh else newcomers[:1], judged)
        return stores

    def _render(self) -> tuple[list[Pool], Pool | None]:
        """(one pool for each bucket, or none; the judge's pool, or none)."""
        assert self.painter is not None
        count, seconds = self.plan.pool, self.plan.render
        both = self.plan.world == 1
        few = max(2, count // 64)
        newcomers, judged = [], None
        if self.rank == 0:
            sizes = zip(
                BUCKETS,
                (count, few, few),
                (seconds * (0.4 if both else 0.8), seconds * 0.1, seconds * 0.1),
                strict=True,
            )
            newcomers = [fill(self.painter, size, n, limit, judged=False) for size, n, limit in sizes]
        if self.last:
            alone = Painter(self.plan.renderer, self.device, chunk=self.painter.chunk)
            judged = fill(alone, BUCKETS[0], count, seconds * (0.4 if both else 1.0), judged=True)
        return newcomers, judged

    def _held_out(self, people: int) -> Pool:
        """Five pictures each of people that no training meets."""
        assert self.painter is not None
        people, each = (4, 2) if self.plan.tiny else (people, 5)
        number = np.arange(people * each)
        chunks = [
            self.painter.paint(HELD_OUT + part % people, part // people, BUCKETS[0])
            for part in np.array_split(number, max(1, len(number) // 200))
        ]
        return joined(chunks)

    # Networks

    def _networks(self, newcomers: list[Pool], judged: Pool | None, warming: subprocess.Popen[bytes] | None) -> None:
        """The autoencoder on all ranks together, then the tagger on rank 0 beside the judge on the last rank."""
        state, plan = self.plan.state, self.plan
        if self.rank == 0 and warming is not None:
            # The compiler's work is worth waiting for, within reason: every rank finds it in the cache.
            _wait(warming, plan.begun + plan.render + 60 - time.time())
        there = (state / "vae.safetensors").exists()
        meet(plan)
        if not there:
            self._autoencoder([*newcomers, *([judged] if judged else [])])
        meet(plan)
        if self.rank == 0 and not (state / "tagger.safetensors").exists():
            self._tagger([newcomers[0]], plan.tagger, train_tagger.RATE)
        if self.last and judged is not None and not (state / "judge.safetensors").exists():
            self._train_judge([judged], plan.judge, first=True)
        meet(plan)

    def _autoencoder(self, pools: list[Pool]) -> None:
        plan = self.plan
        torch.manual_seed(2)  # every rank begins with the same weights
        vae: Any = networks.autoencoder(plan.widths)
        begin(vae, plan.state, "vae")
        vae.to(self.device)
        if plan.vae > 0:
            setup = train_vae.Setup(
                plan.vae, batch=plan.vae_batch, compiled=plan.compiled, world=plan.world, rank=self.rank
            )
            train_vae.train(vae, pools, setup, self.device, self.log)
        if self.rank == 0:
            save_tensors(vae.state_dict(), plan.state / "vae.safetensors")

    def _tagger(self, pools: list[Pool], seconds: float, rate: float) -> Any:
        """The tagger after `seconds` more of training."""
        path = self.plan.state / "tagger.safetensors"
        tagger: Any = networks.tagger(self.plan.widths)
        if path.exists():
            tagger.load_state_dict(load_file(path))
        else:
            begin(tagger, self.plan.state, "tagger")
        tagger.to(self.device)
        if seconds > 0:
            setup = train_tagger.Setup(seconds, batch=self.plan.tagger_batch, rate=rate)
            train_tagger.train(tagger, pools, setup, self.device, self.log)
        save_tensors(tagger.state_dict(), path)
        return tagger

    def _train_judge(self, pools: list[Pool], seconds: float, *, first: bool) -> networks.Judge:
        """The judge after `seconds` more of training."""
        state, widths = self.plan.state, self.plan.widths
        judge, heads = networks.Judge(widths.judge, widths.judge_depths), train_judge.Heads()
        if (state / "judge.safetensors").exists():
            judge.load_state_dict(load_file(state / "judge.safetensors"))
            heads.load_state_dict(load_file(state / "heads.safetensors"))
        else:
            begin(judge, state, "judge")
        judge.to(self.device)
        heads.to(self.device)
        if seconds > 0:
            rate = train_judge.RATE if first else train_judge.RATE / 2
            setup = train_judge.Setup(seconds, batch=self.plan.judge_batch, rate=rate, first=first)
            train_judge.train(judge, heads, pools, setup, self.device, self.log)
        save_tensors(judge.state_dict(), state / "judge.safetensors")
        save_tensors(heads.state_dict(), state / "heads.safetensors")
        return judge

    def _load_vae(self) -> Any:
        vae = networks.autoencoder(self.plan.widths).to(self.device)
        vae.load_state_dict(load_file(self.plan.state / "vae.safetensors"))
        return vae.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def _report_vae(self, vae: Any) -> None:
        if self.rank == 0:
            held = self._held_out(40)
            report = train_vae.measure(vae, held[:200])
            say("vae", **report)
            report["scaling_factor"] = round(1.0 / report["latent_std"], 5)
            if not (self.plan.state / "vae.json").exists():
                write_json(self.plan.state / "vae.json", report)
            sheets.grid(
                sheets.round_trip(vae, held.rgb[: 8 if self.plan.tiny else 32]), 8, self.plan.out / "round-trip.png"
            )
        meet(self.plan)

    def _refine(self, vae: Any, pools: list[Pool], judged: Pool | None) -> None:
        """A second visit of tagger (rank 0) and judge (last rank) with pictures that went through the autoencoder."""
        count = 16 if self.plan.tiny else 24_000
        state, again = self.plan.state, self.plan.refine > 0
        # Many, because thresholds are set by them: a rare word is in one picture of fifty.
        held = self._held_out(1600) if self.rank == 0 or self.last else None
        trip = through(vae, held) if held is not None else None
        if self.rank == 0 and again and held is not None and trip is not None and not (state / "tagger.json").exists():
            tagger = self._tagger(
                [*pools, *(through(vae, pool[:count]) for pool in pools)], self.plan.refine, train_tagger.RATE / 2
            )
            half = len(held) // 2
            train_tagger.calibrate(tagger, [held[:half], trip[:half]])
            save_tensors(tagger.state_dict(), state / "tagger.safetensors")
            report = {
                "renders": train_tagger.measure(tagger, held[half:]),
                "autoencoded": train_tagger.measure(tagger, trip[half:]),
            }
            write_json(state / "tagger.json", report)
            say(
                "tagger",
                **{f"{where}_{name}": report[where][name] for where in report for name in ("macro_f1", "worst")},
            )
        if (
            self.last
            and again
            and judged is not None
            and held is not None
            and trip is not None
            and not (state / "judge.json").exists()
        ):
            judge = self._train_judge([judged, through(vae, judged[:count])], self.plan.refine, first=False)
            report = {
                "renders": train_judge.measure(judge, held),
                "autoencoded": train_judge.measure(judge, trip),
                "identities": JUDGED,
            }
            write_json(state / "judge.json", report)
            say("judge", **report)

    # The base

    def unet(self, stores: list[latents.Store]) -> None:
        """Trains for the rest of the run, then draws samples and exports on rank 0."""
        plan = self.plan
        scaling = json.loads((plan.state / "vae.json").read_text())["scaling_factor"]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        torch.manual_seed(1)
        unet, text = networks.unet(plan.widths).to(self.device), networks.text_encoder(plan.widths).to(self.device)
        meet(plan)
        seconds = max(1.0, plan.left() - plan.reserve)
        if plan.tiny:
            seconds = min(seconds, plan.whole)
        setup = train_unet.Setup(
            seconds,
            plan.whole,
            batch=max(1, plan.batch // plan.world),
            compiled=plan.compiled,
            world=plan.world,
            rank=self.rank,
        )
        train_unet.train(unet, text, stores, setup, self.device, scaling, plan.state / "unet.safetensors", self.log)
        if self.rank == 0:
            self._finish(unet, text, scaling)
        meet(plan)

    def _finish(self, unet: Any, text: Any, scaling: float) -> None:
        plan = self.plan
        files = export.export(plan.state, plan.out, plan.widths)
        gather_logs(plan.state, plan.out, files)
        vae = self._load_vae()
        vae.register_to_config(scaling_factor=scaling)
        prompts = sheets.PROMPTS[: 2 if plan.tiny else None]
        pictures = sheets.sample(unet, text, vae, prompts, 2 if plan.tiny else 8, steps=2 if plan.tiny else 25)
        sheets.grid(pictures, 2 if plan.tiny else 8, plan.out / "samples.jpg")
        say("done", left=round(plan.left(), 1))

    # The compiler's cache

    def _start_warming(self) -> subprocess.Popen[bytes] | None:
        """Compiles in another process while this one renders. Rank 0: the autoencoder; the last rank: the U-Net."""
        if not self.plan.compiled:
            return None
        started = None
        for command, wanted in (("warm-unet", self.last), ("warm-vae", self.rank == 0)):
            if wanted:
                line = [
                    sys.executable,
                    "-m",
                    "mini.train",
                    command,
                    "--state",
                    str(self.plan.state),
                    "--batch",
                    str(self.plan.batch // self.plan.world),
                ]
                variables = {**os.environ, "RANK": f"{self.rank} warm"}
                started = subprocess.Popen(line, env=variables)
        return started


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(max(0.1, seconds))
    except subprocess.TimeoutExpired:
        say("warm", message="still compiling; going on without")


def through(vae: Any, pool: Pool, batch: int = 64) -> Pool:
    """The pool after a trip through the autoencoder."""
    if next(vae.parameters()).device.type == "cpu":
        batch = 8
    found = []
    with torch.no_grad():
        for start in range(0, len(pool), batch):
            x = pool.pictures(slice(start, start + batch))
            with torch.autocast(x.device.type, torch.bfloat16, enabled=x.device.type == "cuda"):
                found.append(to_bytes(vae.decode(vae.encode(x).latent_dist.mode()).sample))
    return Pool(torch.cat(found), *(getattr(pool, name) for name in FIELDS[1:]))


def warm(command: str, plan: Plan, device: torch.device) -> None:
    """Fills the compiler's cache for one network; `plan.batch` is one rank's."""
    start = time.time()
    if command == "warm-unet":
        setup = train_unet.Setup(1.0, 1.0, batch=plan.batch, compiled=True)
        torch.manual_seed(1)
        train_unet.warm(
            networks.unet(plan.widths).to(device),
            networks.text_encoder(plan.widths).to(device),
            setup,
            device,
            (BUCKETS[0][1] // 8, BUCKETS[0][0] // 8),
        )
    else:
        train_vae.warm(
            networks.autoencoder(plan.widths).to(device),
            train_vae.Setup(1.0, batch=plan.vae_batch, compiled=True),
            device,
            networks.NATIVE,
        )
    say(command, seconds=round(time.time() - start, 1))


def gather_logs(state: Path, out: Path, files: dict[str, Any]) -> None:
    """One JSON with every curve, every measurement and the listing of files."""
    logs = {path.stem: json.loads(path.read_text()) for path in sorted((state / "log").glob("*.json"))}
    reports = {
        name: json.loads((state / f"{name}.json").read_text())
        for name in ("plan", "vae", "tagger", "judge")
        if (state / f"{name}.json").exists()
    }
    write_json(out / "log.json", {"version": export.VERSION, "reports": reports, "files": files, "curves": logs})
