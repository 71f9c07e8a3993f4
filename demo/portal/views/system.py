"""Pages that misbehave on purpose, and the addresses with which a test sets the portal up."""

import time
from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST
from django.views.static import serve

from demo.portal.effects import ledger
from demo.portal.switches import CONSENT_MODES, switches
from demo.portal.views.access import sign_in

STATIC_FOLDER = Path(__file__).parent.parent / "static"
LONGEST_MS = 120_000


@require_GET
def system(request: HttpRequest) -> HttpResponse:
    return render(request, "system.html")


@require_GET
def slow(request: HttpRequest) -> HttpResponse:
    """Answer after `?ms=` milliseconds (default 2000, at most two minutes)."""
    text = request.GET.get("ms", "2000")
    if not text.isdecimal():
        return HttpResponse("ms must be a whole number", status=400, content_type="text/plain")
    waited_ms = min(int(text), LONGEST_MS)
    time.sleep(waited_ms / 1000)
    return render(request, "slow.html", {"waited_ms": waited_ms})


@require_GET
def flaky(request: HttpRequest) -> HttpResponse:
    """HTTP 500 on the first visit with a `?key=`, fine on all others with that key."""
    key = request.GET.get("key", "default")
    if switches.is_first_time(key):
        return render(request, "unavailable.html", {"key": key}, status=500)
    return render(request, "flaky.html", {"key": key})


@require_GET
def state(request: HttpRequest) -> HttpResponse:
    content = {"effects": ledger.total(), **switches.as_dict()}
    return JsonResponse(content, headers={"Cache-Control": "no-store"})


@csrf_exempt
@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    """Back to how the portal started: no effects, no failed keys, the consent mode of the command line."""
    ledger.reset()
    switches.reset()
    return state_after_change()


@csrf_exempt
@require_POST
def set_consent(request: HttpRequest, mode: str) -> HttpResponse:
    known_mode = next((known for known in CONSENT_MODES if known == mode), None)
    if known_mode is None:
        return JsonResponse({"error": f"mode is one of {', '.join(CONSENT_MODES)}"}, status=404)
    switches.consent = known_mode
    return state_after_change()


@require_GET
def sign_in_at_once(request: HttpRequest) -> HttpResponse:
    """Begin a session without the form, and go to `?next=`."""
    return sign_in(request, request.GET.get("next", ""))


def state_after_change() -> JsonResponse:
    return JsonResponse({"effects": ledger.total(), **switches.as_dict()})


@require_GET
def static_file(request: HttpRequest, path: str) -> HttpResponseBase:
    response = serve(request, path, document_root=str(STATIC_FOLDER))
    response.headers["Cache-Control"] = "max-age=300"
    return response


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "not_found.html", status=404)
