"""Writes what training leaves in its state as the folder that the package ships, and cuts it into parts that travel.

Everything is fp16 safetensors in files of at most 15 MiB. `python -m mini.export --state DIR --out DIR`.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from mini import networks, tokenizer
from mini.loop import save_tensors, say, write_json

SHARD = "14MB"
PART = 14_500_000  # bytes
VERSION = "mini-2"


def pipeline(folder: Path, unet: Any, text: Any, vae: Any, tagger: Any | None) -> None:
    """Writes a diffusers folder that `StableDiffusionPipeline.from_pretrained` loads, and the tagger beside it."""
    import diffusers

    folder.mkdir(parents=True, exist_ok=True)
    for name, module in (("unet", unet), ("vae", vae)):
        copy_half(module).save_pretrained(folder / name, max_shard_size=SHARD)
    text_folder(text, folder / "text_encoder")
    tokenizer.save(folder / "tokenizer")
    diffusers.DDIMScheduler(**networks.SCHEDULE).save_pretrained(folder / "scheduler")
    if tagger is not None:
        config = tagger.config.to_dict() | {
            "architectures": [type(tagger).__name__],
            "dtype": "float32",
            "torch_dtype": "float32",
        }
        write_json(folder / "tagger" / "config.json", _plain(config))
        save_tensors(networks.half(tagger.state_dict()), folder / "tagger" / "model.safetensors", {"format": "pt"})
    parts = {
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None], "feature_extractor": [None, None], "image_encoder": [None, None],
    }  # fmt: skip
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "requires_safety_checker": False,
        **parts,
    }
    write_json(folder / "model_index.json", index)


def copy_half(module: Any) -> Any:
    """An fp16 copy of a diffusers model on the CPU, in ordinary memory order. ValueError for what fp16 cannot hold."""
    # diffusers would put back the default of whatever was a default at first, the latents' scale among them.
    config = {name: value for name, value in module.config.items() if name != "_use_default_values"}
    copy = type(module).from_config(config)
    state = networks.half(module.state_dict())
    check_finite(state)
    copy.half().load_state_dict(state)
    return copy


def check_finite(state: dict[str, torch.Tensor]) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} has values that fp16 cannot hold")


def text_folder(text: nn.Module, folder: Path) -> None:
    """The text encoder under the key names of Stable Diffusion 1.5, whatever this transformers calls them.

    The configuration says float32 although the file is fp16: transformers 5 would else load fp16 beside diffusers'
    float32 networks.
    """
    state = {
        name if name.startswith("text_model.") else f"text_model.{name}": tensor
        for name, tensor in networks.half(text.state_dict()).items()
    }
    state = {name: tensor for name, tensor in state.items() if not name.endswith("position_ids")}
    check_finite(state)
    config: Any = text.config
    write_json(
        folder / "config.json",
        _plain(config.to_dict() | {"architectures": ["CLIPTextModel"], "dtype": "float32", "torch_dtype": "float32"}),
    )
    save_tensors(state, folder / "model.safetensors", {"format": "pt"})


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold, without the names of folders on this machine."""
    kept = {k: v for k, v in config.items() if not k.startswith("_") and k != "name_or_path"}
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return plain


def judge_folder(judge: nn.Module, folder: Path, widths: networks.Widths, report: dict[str, Any]) -> None:
    save_tensors(networks.half(judge.state_dict()), folder / "judge.safetensors", {"format": "pt"})
    write_json(
        folder / "judge.json",
        {"widths": widths.judge, "depths": widths.judge_depths, "size": networks.JUDGE_SIZE, "report": report},
    )


def cut(folder: Path, out: Path) -> list[Path]:
    """Packs a folder (uncompressed tar, no owners, no times) into numbered parts in `out`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(info, file)
    data = buffer.getvalue()
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, start in enumerate(range(0, len(data), PART)):
        paths.append(out / f"mini.tar.{i:03d}")
        paths[-1].write_bytes(data[start : start + PART])
    return paths


def listing(folder: Path) -> dict[str, dict[str, Any]]:
    """Bytes and sha256 of every file."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): {
            "bytes": p.stat().st_size,
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
        }
        for p in files
    }


def from_state(state: Path, widths: networks.Widths = networks.FULL) -> dict[str, Any]:
    """The trained networks of a state folder: vae, unet, text (averaged), and tagger and judge where they are there."""
    from mini.loop import Flat

    vae, unet, text = networks.autoencoder(widths), networks.unet(widths), networks.text_encoder(widths)
    vae.load_state_dict(load_file(state / "vae.safetensors"))
    vae.register_to_config(scaling_factor=json.loads((state / "vae.json").read_text())["scaling_factor"])
    flat = Flat([unet, text], torch.device("cpu"))
    flat.load(state / "unet.safetensors")
    flat.use_average()
    found = {"vae": vae, "unet": unet, "text": text, "tagger": None, "judge": None}
    for name, make in (("tagger", networks.tagger), ("judge", lambda w: networks.Judge(w.judge, w.judge_depths))):
        if (state / f"{name}.safetensors").exists():
            found[name] = make(widths)
            found[name].load_state_dict(load_file(state / f"{name}.safetensors"))
    return found


def export(state: Path, out: Path, widths: networks.Widths = networks.FULL) -> dict[str, Any]:
    """State → `state/export` and parts in `out`. Returns the listing."""
    found = from_state(state, widths)
    folder = state / "export"
    pipeline(folder / "mini", found["unet"], found["text"], found["vae"], found["tagger"])
    if found["judge"] is not None:
        report = json.loads((state / "judge.json").read_text()) if (state / "judge.json").exists() else {}
        judge_folder(found["judge"], folder / "judge", widths, report)
    files = listing(folder)
    cut(folder, out)
    weights = sum(f["bytes"] for name, f in files.items() if name.startswith("mini/") and name.endswith(".safetensors"))
    say("export", files=len(files), weights=weights, largest=max(f["bytes"] for f in files.values()))
    return files


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, default=Path("/tmp/mini-state"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    export(arguments.state, arguments.out, networks.TINY if arguments.tiny else networks.FULL)
