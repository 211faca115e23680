"""The application in a process of its own, to be killed in the middle of an upload.

Run as `python -m tests.registry.api_process SETTINGS_FILE PORT`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.registry import app as registry_app
from services.registry.app import AppSettings
from shared.web import serve

if __name__ == "__main__":
    file, port = sys.argv[1:]
    settings = AppSettings.model_validate_json(Path(file).read_text(encoding="utf-8"))
    serve(registry_app.api(settings), "127.0.0.1", int(port))
