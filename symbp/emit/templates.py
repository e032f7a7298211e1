"""The templates: where they are, and Jinja2 with the settings that all of them have."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from symbp.errors import SymbpError


def templates(html: bool) -> Environment:
    """The templates, of pages or of Python: only pages escape what is put in."""
    return Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not html,
        autoescape=html,
    )


def templates_folder() -> Path:
    """Where the templates are: inside the installed package, or at the root of the source tree.

    Raises SymbpError if they are in neither place.
    """
    installed = resources.files("symbp").joinpath("_templates")
    source = Path(__file__).resolve().parents[2] / "templates"
    for folder in (Path(str(installed)), source):
        if (folder / "module.py.j2").is_file():
            return folder
    raise SymbpError(
        f"no templates in {installed} or {source}: symbp is installed incompletely, install it again"
    )
