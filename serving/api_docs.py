"""The API's document at /openapi.json, and at /docs a page that shows it and sends requests.

The page is Swagger UI, whose files come from the package swagger_ui_bundle: it asks for nothing
outside this server. All its addresses are relative, so that it works behind a gateway's prefix.
"""

import os
from typing import List

import swagger_ui_bundle
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from serving import json_reply, openapi

# What the page asks for of the package, which has maps and variants as well. With their types,
# since what Python guesses depends on the machine.
_TYPES = {
    "favicon-32x32.png": "image/png",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Model server</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

# A validator would be asked at swagger.io, with the document's address.
_SCRIPT = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  defaultModelRendering: "example",
  displayRequestDuration: true,
});
"""

# Swagger UI sets styles in its elements, and has its icons in data URLs.
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes(model_name: str, is_deepfm: bool = True) -> List[BaseRoute]:
    """Returns the routes /openapi.json, /docs and what that page asks for.

    Args:
      model_name: The model's name in the paths of the document.
      is_deepfm: As openapi.document() takes it.
    """
    document = json_reply.encode(openapi.document(model_name, is_deepfm))

    async def openapi_json(request: Request) -> Response:
        return Response(document, media_type="application/json")

    return [
        Route("/openapi.json", openapi_json),
        Route("/docs", _page),
        Route("/docs/start.js", _script),
        Route("/docs/{name}", _file),
    ]


async def _page(request: Request) -> Response:
    headers = {"Content-Security-Policy": _POLICY}
    return Response(_PAGE, media_type="text/html", headers=headers)


async def _script(request: Request) -> Response:
    return Response(_SCRIPT, media_type="text/javascript")


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _TYPES:
        raise HTTPException(404)
    path = os.path.join(str(swagger_ui_bundle.swagger_ui_path), name)
    return FileResponse(path, media_type=_TYPES[name])
