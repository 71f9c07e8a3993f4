"""What surrounds every page: navigation, consent overlay, the rule that nothing comes from elsewhere."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from demo.portal.practice import PRACTICE_DAY
from demo.portal.switches import switches

NAVIGATION = (
    ("/schedule", "Schedule", "calendar"),
    ("/patients", "Patients", "people"),
    ("/intake/new", "New intake", "clipboard"),
    ("/eligibility", "Eligibility", "shield"),
    ("/claims", "Claims", "receipt"),
    ("/triage", "Triage", "pulse"),
    ("/notes", "Pinboard", "pin"),
    ("/preferences", "Preferences", "sliders"),
)

# Styles may stand in the page, since tools that outline an element add some.
CONTENT_SECURITY_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"

Page = Callable[..., HttpResponse]


def signed_in(page: Page) -> Page:
    """Send visitors without a session to the sign-in form, and back here afterwards."""

    @wraps(page)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if "user" not in request.session:
            return redirect(f"/login?{urlencode({'next': request.get_full_path()})}")
        return page(request, *args, **kwargs)

    return guarded


def page_frame(request: HttpRequest) -> dict[str, object]:
    """Template context of every page."""
    return {
        "user": request.session.get("user"),
        "today": PRACTICE_DAY,
        "navigation": [
            {"url": url, "title": title, "icon": icon, "is_current": _section(url) == _section(request.path)}
            for url, title, icon in NAVIGATION
        ],
        "needs_consent": _needs_consent(request),
    }


def _section(path: str) -> str:
    return path.split("/")[1]


def _needs_consent(request: HttpRequest) -> bool:
    if request.GET.get("consent") == "1":
        return True
    return switches.consent == "first-visit" and "northwind_consent" not in request.COOKIES


def same_origin_only(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: HTML pages may load from the portal itself, and be framed by it, and nothing else."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        return response

    return middleware
