"""Reading the programs' logs, each line with its program's name before it."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def last_lines(paths: Sequence[Path], count: int) -> Iterator[str]:
    width = max((len(path.stem) for path in paths), default=0)
    for path in paths:
        for line in path.read_text(errors="replace").splitlines()[-count:]:
            yield f"{path.stem:<{width}} | {line}"


def follow_logs(paths: Sequence[Path], say: Callable[[str], None]) -> None:
    """Go on until interrupted; a log that was emptied or begun anew is read from its start."""
    width = max((len(path.stem) for path in paths), default=0)
    places = {path: path.stat().st_size for path in paths}
    try:
        while True:
            for path in paths:
                for line in _new_lines(path, places):
                    say(f"{path.stem:<{width}} | {line}")
            time.sleep(0.2)
    except KeyboardInterrupt:
        return


def _new_lines(path: Path, places: dict[Path, int]) -> list[str]:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return []
    if size < places[path]:
        places[path] = 0
    with path.open("rb") as file:
        file.seek(places[path])
        text = file.read()
    whole = text[: text.rfind(b"\n") + 1]
    places[path] += len(whole)
    return whole.decode(errors="replace").splitlines()
