"""Sections of RESULTS.md, each between markers of its own."""

from pathlib import Path

__all__ = ["write_section"]


def write_section(name: str, title: str, command: str, body: str) -> None:
    """Put a section into RESULTS.md, in the place of the one of the same name.

    Parameters
    ----------
    name : str
        Of the markers.
    title : str
        Heading.
    command : str
        That made it.
    body : str
        Markdown.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    path = Path(__file__).with_name("RESULTS.md")
    before, _, rest = (path.read_text() if path.exists() else "").partition(begin)
    after = rest.partition(end)[2]
    text = f"## {title}\n\n`{command}`\n\n{body.strip()}"
    path.write_text(f"{before.rstrip()}\n\n{begin}\n{text}\n{end}\n{after.lstrip()}".lstrip())
