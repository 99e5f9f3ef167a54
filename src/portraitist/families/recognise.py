"""What a base is: a file by the names and shapes in its header, a folder by its configurations; never by its name.

The names are facts of the formats: CompVis' latent-diffusion, Stability's generative-models, OpenCLIP, diffusers,
kohya-ss/sd-scripts, and what the other architectures' publishers call their layers. Knows no network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from safetensors import SafetensorError, safe_open

from portraitist.errors import MissingModel, UnfitModel
from portraitist.families.folder import PICKLES, read_config

Shapes = Mapping[str, tuple[int, ...]]

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "unet": "U-Net",
        "vae": "VAE (autoencoder)",
        "text_encoder": "text encoder",
        "text_encoder_2": "second text encoder",
    }
)


@dataclass(frozen=True)
class Layout:
    """A family's single file: its `title` for people, and how the names of each part's tensors begin."""

    family: str
    title: str
    stems: Mapping[str, str]


_UNET, _VAE = "model.diffusion_model.", "first_stage_model."

LAYOUTS = (
    Layout("sd15", "SD 1.5", {"unet": _UNET, "vae": _VAE, "text_encoder": "cond_stage_model.transformer."}),
    Layout(
        "sdxl",
        "SDXL",
        {
            "unet": _UNET,
            "vae": _VAE,
            "text_encoder": "conditioner.embedders.0.transformer.",
            "text_encoder_2": "conditioner.embedders.1.model.",
        },
    ),
)

_LORA = (
    ".lora_down.weight", ".lora_A.weight", ".lora.down.weight", ".lora_linear_layer.down.weight", ".hada_w1_a",
    ".lokr_w1", ".lokr_w1_a", ".dora_scale", ".oft_blocks",
)  # fmt: skip

# What only one kind of file has, as a part of a tensor's name; the first that fits names it.
_FOREIGN = (
    ("controlnet_cond_embedding.", "a ControlNet"),
    ("control_model.", "a ControlNet"),
    ("input_hint_block.", "a ControlNet"),
    ("ip_adapter.", "an IP-Adapter"),
    ("distilled_guidance_layer.", "a Chroma checkpoint"),
    ("double_stream_modulation_img.", "a FLUX.2 checkpoint"),
    ("double_blocks.0.img_attn.", "a FLUX.1 checkpoint"),
    ("single_transformer_blocks.0.", "a FLUX checkpoint"),
    ("joint_blocks.0.context_block.", "a Stable Diffusion 3 checkpoint"),
    ("double_layers.0.attn.w1q", "an AuraFlow checkpoint"),
    ("cap_embedder.", "a Lumina or Z-Image checkpoint"),
    ("transformer_blocks.0.img_mod.", "a Qwen-Image checkpoint"),
    ("adaln_single.", "a PixArt or Sana checkpoint"),
    ("clip_txt_mapper.", "a Stable Cascade checkpoint"),
    ("time_stack.", "a Stable Video Diffusion checkpoint"),
    ("motion_modules.", "an AnimateDiff motion module"),
    ("string_to_param.", "a textual inversion"),
    ("emb_params", "a textual inversion"),
    ("edm_mean", "a Playground v2.5 checkpoint"),
)

# Files that are one part of a base, by a name that they begin with.
_ALONE = (
    ("down_blocks.0.resnets.", "a U-Net alone, in diffusers' layout"),
    ("encoder.conv_in.", "a VAE alone"),
    ("first_stage_model.", "a VAE alone"),
    ("text_model.encoder.", "a text encoder alone"),
    ("cond_stage_model.", "a text encoder alone"),
    ("clip_l", "a textual inversion"),
)

CHANNELS = {9: "inpainting", 8: "picture-editing (InstructPix2Pix)", 7: "upscaling", 5: "depth"}


def read_shapes(path: Path) -> Shapes:
    """The shape of every tensor by name. Raises MissingModel, or UnfitModel for a pickle or a damaged file."""
    if path.suffix.lower() in PICKLES:
        raise UnfitModel(
            f"{path.name} is a pickle, which can run code when it is opened.",
            hint=f"Make a safetensors file of it: portraitist convert {path}",
        )
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise MissingModel(f"The file {path} is missing.") from error
    except (OSError, SafetensorError) as error:
        raise UnfitModel(
            f"{path.name} is no safetensors file that can be read: {str(error).strip().rstrip('.')}.",
            hint="It may have been cut off on its way here: fetch it again.",
        ) from error


def recognise(shapes: Shapes, name: str) -> Layout:
    """The layout of a checkpoint that a family knows and that is whole. Raises UnfitModel that says what it is."""
    found = describe(shapes)
    if found not in {layout.title for layout in LAYOUTS}:
        raise unknown(f"{name} is {found}" if found else f"{name} holds no model that is known")
    layout = next(layout for layout in LAYOUTS if layout.title == found)
    lacking = [part for part, stem in layout.stems.items() if not any(key.startswith(stem) for key in shapes)]
    if lacking:
        listed = " and no ".join(PARTS[part] for part in lacking)
        raise UnfitModel(
            f"{name} is an {found} checkpoint with no {listed} in it.",
            hint="Take the whole checkpoint: publishers often offer one with and one without these parts.",
        )
    return layout


def recognise_folder(folder: Path) -> str:
    """The family of a base in diffusers' layout. Raises MissingModel, or UnfitModel that says what it is."""
    index = folder / "model_index.json"
    kind = read_config(index).get("_class_name", "") if index.is_file() else ""
    if kind and not (folder / "unet").is_dir():
        raise unknown(f"{folder.name} holds a {kind}")
    unet = read_config(folder / "unet" / "config.json")
    told, channels = unet.get("cross_attention_dim"), unet.get("in_channels", 4)
    if unet.get("_class_name") not in (None, "UNet2DConditionModel"):
        raise unknown(f"{folder.name} has a {unet['_class_name']}")
    family = "sdxl" if unet.get("addition_embed_type") == "text_time" else "sd15"
    if family == "sdxl" and (told == 1280 or not (folder / "text_encoder").is_dir()):
        raise unknown(f"{folder.name} is an SDXL refiner")
    if family == "sd15" and told == 1024 and unet.get("use_linear_projection"):
        raise unknown(f"{folder.name} is a Stable Diffusion 2 base")
    if unet.get("time_cond_proj_dim"):
        raise unknown(f"{folder.name} is a latent consistency model")
    if channels != 4:
        raise unknown(f"{folder.name} is a base for {CHANNELS.get(channels, f'{channels} channels')}")
    return family


def unknown(what: str) -> UnfitModel:
    """The error that says what was found where a base was looked for."""
    titles = ", ".join(layout.title for layout in LAYOUTS)
    return UnfitModel(f"{what}; families known: {titles}.", hint="A base is a whole checkpoint of one of these.")


def describe(shapes: Shapes) -> str:
    """What the tensors are, for people: a layout's title, `a LoRA`, `a FLUX.1 checkpoint` …; empty if it is unknown."""
    if any(key.endswith(_LORA) for key in shapes):
        return "a LoRA, which is put on top of a base"
    for mark, what in _FOREIGN:
        if any(mark in key for key in shapes):
            return what
    stem = next((stem for stem in (_UNET, "") if f"{stem}input_blocks.0.0.weight" in shapes), None)
    if stem is not None:
        return _describe_unet(shapes, stem)
    return next((what for mark, what in _ALONE if any(key.startswith(mark) for key in shapes)), "")


def _describe_unet(shapes: Shapes, stem: str) -> str:
    told = next((shape[1] for key, shape in shapes.items() if key.endswith("blocks.0.attn2.to_k.weight")), 0)
    if f"{stem}label_emb.weight" in shapes:
        return "a Stable Diffusion upscaler"
    if f"{stem}label_emb.0.0.weight" in shapes:
        refines = told == 1280 or any(key.startswith("conditioner.embedders.0.model.") for key in shapes)
        title = "an SDXL refiner" if refines else "SDXL"
    else:
        second = told == 1024 or any(key.startswith("cond_stage_model.model.") for key in shapes)
        title = "a Stable Diffusion 2 checkpoint" if second else "SD 1.5"
    if title.startswith("a"):
        return title
    if not stem:
        return f"an {title} U-Net alone"
    if "v_pred" in shapes or "ztsnr" in shapes:
        return f"an {title} checkpoint that predicts velocity (v-prediction)"
    channels = shapes[f"{stem}input_blocks.0.0.weight"][1]
    if channels != 4:
        return f"an {title} checkpoint for {CHANNELS.get(channels, f'{channels} channels')}"
    return title
