"""`make lock`: resolve every dependency anew. Exact pins with hashes; no address of any index is written."""

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from stack import jars
from stack.home import PROJECT

COMPILE = (
    sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url",
    "--no-header", "--no-annotate", "--upgrade", "-p", "3.11",
)  # fmt: skip


def compile_lock(source: Path | str, output: str, *more: str) -> None:
    subprocess.run([*COMPILE, str(source), "-o", output, *more], cwd=PROJECT, check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        installer = Path(folder) / "installer.in"
        installer.write_text(f"uv=={version('uv')}\n")
        compile_lock(installer, "requirements-bootstrap.lock")
    compile_lock("pyproject.toml", "requirements.lock")
    compile_lock("pyproject.toml", "requirements-dev.lock", "--all-extras", "-c", "requirements.lock")
    jars.write_lock()


if __name__ == "__main__":
    main()
