"""API pages that work without internet: Swagger UI from an installed package, no script from elsewhere, none inline."""

from __future__ import annotations

import html
import importlib.util
import json
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route as PlainRoute

from shared.errors import Problem
from shared.web.openapi import describe
from shared.web.passing import passing_of
from shared.web.problems import RouteMissing

PACKAGE = "mkdocs_swagger_ui_tag"
ASSETS = {
    "swagger-ui.css": ("stylesheets", "text/css"),
    "swagger-ui-bundle.js": ("javascripts", "text/javascript"),
    "swagger-ui-standalone-preset.js": ("javascripts", "text/javascript"),
}
POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="{base}/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="{base}/docs/swagger-ui-bundle.js"></script>
<script src="{base}/docs/start.js"></script></body></html>
"""
START = """window.ui = SwaggerUIBundle({{url: {url}, dom_id: "#swagger-ui", deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout", validatorUrl: null}});
"""


class AssetsMissing(Problem):
    """页面资源缺失: the package with the page's scripts is not installed."""

    code = "pages.assets_missing"
    zh = "接口页面所需的资源未安装"
    en = "The assets of the API pages are not installed"
    hint_zh = "请按锁定文件重新安装依赖"
    hint_en = "Install the locked dependencies again"


@cache
def _folder() -> Path:
    """Found, not imported: the package is a plugin of another program, we want its files alone."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise AssetsMissing
    return Path(found.submodule_search_locations[0]) / "swagger-ui"


def add_pages(app: FastAPI, base: str) -> None:
    """`/<service>/docs` and `/<service>/openapi.json`, both without a token."""

    async def page(request: Request) -> Response:
        passing_of(request).route = "docs"
        text = PAGE.format(title=html.escape(app.title), base=base)
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})

    async def asset(request: Request) -> Response:
        passing_of(request).route = "docs"
        name = request.path_params["name"]
        if name == "start.js":
            return Response(START.format(url=json.dumps(f"{base}/openapi.json")), media_type="text/javascript")
        if name not in ASSETS:
            raise RouteMissing
        folder, media_type = ASSETS[name]
        return FileResponse(
            _folder() / folder / name, media_type=media_type, headers={"Cache-Control": "max-age=86400"}
        )

    async def document(request: Request) -> Response:
        passing_of(request).route = "openapi"
        return JSONResponse(describe(app))

    for path, answer in (("/docs", page), ("/docs/{name}", asset), ("/openapi.json", document)):
        app.router.routes.append(PlainRoute(base + path, answer, methods=["GET"]))
