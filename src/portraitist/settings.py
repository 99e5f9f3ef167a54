"""Settings: defaults < `portraitist.toml` in the home folder < environment (`PORTRAITIST_…`). Reads no other file."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from portraitist.errors import BadRequest, key_fault

_ENVIRONMENT = "PORTRAITIST_"


class ChoosingSettings(BaseModel):
    """What portraits are kept by; the table `[choosing]` of portraitist.toml. It changes which are kept, no pixels.

    Weights are relative to each other. A weight of `variety` is what a portrait loses that is the same as a kept one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    likeness: float = Field(default=1.0, ge=0, le=10, description="weight of the distance to the training photos")
    quality: float = Field(default=0.25, ge=0, le=10, description="weight of sharpness, noise, light and framing")
    variety: float = Field(default=0.02, ge=0, le=10, description="weight of differing from those already kept")
    scorers: dict[str, float] = Field(default_factory=dict, description="weights of learned scorers by name")
    budget: int = Field(default=3, ge=1, le=100, description="at most so many candidates for each portrait")
    alike: float = Field(default=8.0, ge=0, description="grey levels below which two are the same picture")

    def weight_of(self, scorer: str) -> float:
        """The weight of a learned scorer; that of quality for one without its own."""
        return self.scorers.get(scorer, self.quality)


class Settings(BaseModel):
    """What a run may use. Nothing here changes a picture; what does is in the request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(description="folder of sitters, portraits and models")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps")
    offline: bool = Field(False, description="never fetch anything")
    max_photo_bytes: int = Field(64 * 2**20, gt=0, description="a larger file is rejected unread")
    max_photo_pixels: int = Field(80_000_000, gt=0, description="a larger picture is rejected undecoded")
    faces: str = Field("embedded", description="face models by name, such as yunet+auraface")
    deny_list: bool = Field(True, description="refuse prompts for nudity; what speaks of minors is refused always")
    choosing: ChoosingSettings = Field(ChoosingSettings(), description="what portraits are kept by")
    models: Path | None = Field(None, description="folder of fetched models; default: models in the home folder")

    c2pa_certificate: Path | None = Field(None, description="PEM chain for --sign")
    c2pa_key: Path | None = Field(None, description="its private key, PEM")
    c2pa_algorithm: str = Field("es256", description="of the key: es256, es384, ps256, ed25519, …")

    @property
    def models_folder(self) -> Path:
        """`models` if set; else that of the home; else, while the home has none, that of the default home."""
        if self.models is not None:
            return self.models
        own, shared = self.home / "models", default_home() / "models"
        return shared if shared.is_dir() and not own.is_dir() else own


def default_home() -> Path:
    """The platform's data folder for us."""
    return Path(platformdirs.user_data_dir("portraitist", appauthor=False))


def load_settings(home: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Gather the settings. `home` (the option `--home`) beats PORTRAITIST_HOME. Raises BadRequest naming the key."""
    environment = os.environ if environment is None else environment
    chosen = home or Path(environment.get(_ENVIRONMENT + "HOME") or default_home())
    if chosen.is_file():
        raise BadRequest(f"The home folder {chosen} is a file.", hint="Name a folder with --home or PORTRAITIST_HOME.")
    values = _from_toml(chosen / "portraitist.toml") | _from_environment(environment) | {"home": chosen.expanduser()}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadRequest(
            f"Setting {key_fault(first['loc'], first['type'], first['msg'])}.",
            hint=f"See {chosen / 'portraitist.toml'}{_variable(key)}.",
        ) from error


def _variable(key: str) -> str:
    """The variable of a setting, if it has one."""
    plain = key in Settings.model_fields and key != "choosing"
    return f" and the variable {_ENVIRONMENT}{key.upper()}" if plain else ""


def _from_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        told = (error.strerror or "unknown").lower() if isinstance(error, OSError) else error
        raise BadRequest(f"{path} cannot be read: {told}.", hint="Mend the file or move it away.") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {
        name: environment.get(_ENVIRONMENT + name.upper(), "") for name in Settings.model_fields if name != "choosing"
    }
    return {name: value for name, value in found.items() if value != ""}
