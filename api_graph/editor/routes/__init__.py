"""What the frontend asks for, by subject (spec 5.1). Every route also answers below `/api`."""

from __future__ import annotations

from aiohttp import web

from api_graph.editor.routes import extensions, files, info, jobs, prompt, settings, templates, uploads, userdata


def add_routes(app: web.Application) -> None:
    """All routes but those of the page itself."""
    for module in (info, prompt, jobs, files, uploads, userdata, settings, templates, extensions):
        for route in module.routes:
            assert isinstance(route, web.RouteDef)
            for path in (route.path, f"/api{route.path}"):
                app.router.add_route(route.method, path, route.handler)
