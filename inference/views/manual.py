"""The descriptions of this server that it serves itself: OpenAPI and its page, the manual, llms.txt."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from rest_framework.request import Request

from inference.errors import NotFoundError
from inference.openapi.schema import schema_page
from inference.services.manual import Page, llms_txt, pages
from inference.views.base import OpenView

# Long enough to spare a reader of many pages the same answers, short enough to forget what an upgrade changed.
CACHE_CONTROL = "public, max-age=300"
# Everything is this server's own. Pictures are in the page's style sheet, too, as data.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class SchemaView(OpenView):
    """GET /api/schema: the API in OpenAPI 3.1."""

    def get(self, request: Request) -> HttpResponse:
        return _answer(request, schema_page(), "application/json")


class DocsPageView(OpenView):
    """GET /api/docs: the same as a page, from which requests can be tried."""

    def get(self, request: Request) -> HttpResponse:
        response = render(request, "inference/api/docs.html", {"name": settings.SITE_NAME})
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        response.headers["Cache-Control"] = CACHE_CONTROL
        return response


class ManualView(OpenView):
    """GET /docs/{page}.md: a page of the manual."""

    def get(self, request: Request, name: str) -> HttpResponse:
        page = pages().get(name)
        if page is None:
            raise NotFoundError("There is no such page: see /llms.txt for those there are.")
        return _answer(request, page, "text/markdown; charset=utf-8")


class LlmsTxtView(OpenView):
    """GET /llms.txt: what the server is, and where its pages are."""

    def get(self, request: Request) -> HttpResponse:
        return _answer(request, llms_txt(), "text/plain; charset=utf-8")


def _answer(request: Request, page: Page, content_type: str) -> HttpResponse:
    """The text, or 304 for a client that has it."""
    headers = {"ETag": page.etag, "Cache-Control": CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}
    response = HttpResponse(page.body, content_type=content_type, headers=headers)
    conditional = get_conditional_response(request, etag=page.etag, response=response)
    return response if conditional is None else conditional
