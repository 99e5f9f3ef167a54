"""The options of `portraitist portrait`. What is not given stays None: the request file, the style or the base say."""

from pathlib import Path
from typing import Annotated

import typer

Sitter = Annotated[str | None, typer.Option("--sitter", help="The sitter's name.", show_default=False)]
Style = Annotated[str | None, typer.Option("--style", help="A look; see portraitist styles list.")]
Prompt = Annotated[str | None, typer.Option("--prompt", help="Your own words in place of a style.")]
Negative = Annotated[str | None, typer.Option("--negative", help="What shall not be in the picture.")]
Count = Annotated[int | None, typer.Option("-n", min=1, max=1000, help="How many (4).")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="The first picture's seed (42).")]
Size = Annotated[str | None, typer.Option("--size", metavar="WxH", help="Such as 256x384.")]
Sampler = Annotated[str | None, typer.Option("--sampler", help="By its name in the WebUI, such as DPM++ 2M Karras.")]
Steps = Annotated[int | None, typer.Option("--steps", help="Of the sampler.")]
Cfg = Annotated[float | None, typer.Option("--cfg", help="How closely the words are followed.")]
Strength = Annotated[float | None, typer.Option("--strength", help="Of the likeness; 1 is as trained.")]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", metavar="NAME[:X]", help="Another LoRA and its strength (1); more than once for several."),
]
HiresScale = Annotated[
    float | None, typer.Option("--hires-scale", help="Draw a second pass, so many times as large (1 to 4).")
]
HiresUpscaler = Annotated[
    str | None,
    typer.Option("--hires-upscaler", help="What enlarges between the passes: lanczos, latent or an upscaler by name."),
]
HiresDenoise = Annotated[
    float | None, typer.Option("--hires-denoise", help="How much the second pass may change (0 to 1).")
]
HiresSteps = Annotated[int | None, typer.Option("--hires-steps", help="Of the second pass (as many as of the first).")]
RequestFile = Annotated[
    Path | None, typer.Option("--request", metavar="FILE", help="A request as TOML or JSON; options come before it.")
]
Again = Annotated[Path | None, typer.Option("--again", metavar="FILE.png", help="Make this portrait again.")]
Grid = Annotated[
    str | None,
    typer.Option("--grid", metavar="A=…;B=…", help='One picture for each pair of values: "cfg=4,7,10;steps=10,20".'),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be drawn, and draw nothing.")]
Batch = Annotated[
    str | None,
    typer.Option("--batch", metavar="N|auto", help="So many at a time (1); auto: as many as the GPU's memory holds."),
]
Budget = Annotated[
    int | None, typer.Option("--budget", min=1, help="Make at most so many until -n are good (3 x n; for one: 1).")
]
Candidates = Annotated[
    int | None, typer.Option("--candidates", min=1, help="Make exactly so many and keep the best -n.")
]
KeepRejected = Annotated[
    bool, typer.Option("--keep-rejected", help="Write what was not kept into the folder rejected.")
]
Scorers = Annotated[
    list[str] | None, typer.Option("--scorer", metavar="NAME", help="A learned scorer that helps to choose.")
]
Finish = Annotated[
    str | None, typer.Option("--finish", metavar="STEPS", help="Such as retouch:0.5,upscale; see finish --help.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the portraits.")]
