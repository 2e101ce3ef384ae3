"""Five commands as a terminal of 80 columns shows them, in docs/terminal.md.

``python .ci/shots.py`` says whether the page shows what the commands print today (status 1 if not),
``--write`` writes it. The same commands give the same bytes: shipped rows, one time for all, and
nothing that depends on extras.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "terminal.md"
WIDTH = 80
#: What is typed; files that a command reads were written by one before it, or are `FILES`.
COMMANDS = (
    "macwright formats e4m3fn int4 mxfp4",
    "macwright generate int_mac --weight int4 --technology xc7 -o out/w4a8",
    "macwright simulate out/w4a8",
    "macwright characterize dot4_e4m3fn_e4m3fn_fp32 --technology nangate45",
    "macwright solve options.csv --budget 'luts<=450'",
)
FILES = {
    "options.csv": "layer,option,loss,luts\n"
    "first,int8,0.1,240\nfirst,int4,0.9,120\nfirst,int2,3.5,70\n"
    "last,int8,0.2,310\nlast,int4,0.4,160\nlast,int2,2.0,90\n",
}
_SHOTS = re.compile(r"(?<=<!-- shots: begin -->\n).*?(?=<!-- shots: end -->)", re.DOTALL)


def shot(command: str, folder: Path) -> str:
    """A prompt with the command, and what it prints in a folder, broken as the terminal does."""
    words = [sys.executable, "-m", *re.findall(r"'[^']*'|\S+", command)]
    words = [word.strip("'") for word in words]
    env = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "dumb"}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True)
    text = done.stdout.replace(str(folder.resolve()), "~")
    text = re.sub(r"\d+\.\d+ s\)", "0.02 s)", text)  # how long the solver took
    lines = [f"$ {command}", *text.rstrip("\n").split("\n")]
    parts = [line[i : i + WIDTH] for line in lines for i in range(0, max(len(line), 1), WIDTH)]
    return "\n".join(part.rstrip() for part in parts)


def shots() -> str:
    """All of them, as a page has them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in FILES.items():
            (folder / file).write_text(text)
        return "\n".join(f"```text\n{shot(command, folder)}\n```\n" for command in COMMANDS)


def main() -> int:
    """Compare the page, or write it."""
    text = PAGE.read_text()
    want = _SHOTS.sub(lambda _: shots(), text)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(want)
    elif want != text:
        print(f"{PAGE}: shots are of other commands; python .ci/shots.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
