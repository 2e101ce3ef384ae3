"""How pages look: colours, style sheets, templates, and what stands above their bodies."""

import re
from collections.abc import Mapping
from html import escape
from importlib import resources
from string import Template

__all__ = ["COLOURS", "asset", "page"]

#: Colours in light and in dark surroundings.
COLOURS = {
    "page": ("#f4f5f7", "#0d1117"),
    "card": ("#ffffff", "#161b22"),
    "ink": ("#171c24", "#e6eaf0"),
    "muted": ("#596373", "#9ba6b4"),
    "rule": ("#e3e6eb", "#2b323c"),
    "line": ("#b9c0ca", "#465060"),
    "front": ("#0a62c2", "#5ba8ff"),
    "uniform": ("#ad5700", "#eda04d"),
    "knee": ("#bf1a5e", "#ff7aab"),
    "good": ("#17724a", "#4fc68e"),
    "warn": ("#8f5f00", "#e2b33f"),
    "float": ("#7637d6", "#b795f5"),
    "low": ("#0b766c", "#3fc6b6"),
    "other": ("#7c6212", "#d7b74c"),
    "strip": ("#cfdcee", "#2d4663"),
    "strip2": ("#e1e9f4", "#223549"),
    "selected": ("#eaf2fc", "#1b2a3d"),
}


def page(template: str, title: str, parts: Mapping[str, str], *, scripts: bool) -> str:
    """A page of a template, light or dark as its reader likes.

    Parameters
    ----------
    template : str
        File of the templates; ``{{name}}`` stands for a part, ``{{head}}`` for all above the body.
    title : str
        Text.
    parts : mapping
        HTML by name.
    scripts : bool
        Whether scripts of the page may run. Nothing else is ever asked for.
    """
    script = "script-src 'unsafe-inline'; " if scripts else ""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'unsafe-inline'; {script}img-src data:\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)} · macwright</title>\n"
        f'<link rel="icon" href="data:,">\n<style>\n{_style()}\n</style>\n</head>'
    )
    known = {**parts, "title": escape(title), "head": head}
    # One pass: text of a run that looks like a placeholder stays text.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: known[match[1]], asset(template))


def _style() -> str:
    colours = "".join(
        f"--{name}: light-dark({light}, {dark}); " for name, (light, dark) in COLOURS.items()
    )
    chart = Template(asset("chart.css")).substitute({name: f"var(--{name})" for name in COLOURS})
    return f":root {{ color-scheme: light dark; {colours}}}\n{chart}{asset('report.css')}"


def asset(name: str) -> str:
    """Text of a file of the templates."""
    return resources.files("macwright.dse.report").joinpath("template", name).read_text("utf-8")
