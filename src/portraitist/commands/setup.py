"""`portraitist setup`: fetch the embedded face models."""

import typer

from portraitist.commands import common


def register(app: typer.Typer) -> None:
    app.command("setup")(setup)


def setup(context: typer.Context, as_json: common.Json = False) -> None:
    """Fetch the embedded face models (about 136 MB to load, 34 MB to keep). The second run finds them there."""
    from portraitist import weights

    settings = common.settings_of(context)
    folder = common.face_models(settings)
    with common.progress() as on_step:
        fetched = weights.fetch(folder, offline=settings.offline, on_step=on_step)
    words = f"Fetched {', '.join(fetched)}." if fetched else "Everything is there."
    common.answer({"folder": str(folder), "fetched": list(fetched)}, f"{words}\nFace models: {folder}", as_json)
