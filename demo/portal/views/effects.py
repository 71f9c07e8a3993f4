"""Effects: pages that cause one with a click, and the JSON that tells how many there were."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from demo.portal.effects import ledger

LONGEST_ID = 200


@require_GET
def all_effects(request: HttpRequest) -> HttpResponse:
    by_id = ledger.by_id()
    return _fresh_json({"total": sum(by_id.values()), "by_id": by_id})


@require_GET
def one_effect(request: HttpRequest, effect_id: str) -> HttpResponse:
    return _fresh_json({"id": effect_id, "count": ledger.count(effect_id)})


@csrf_exempt
@require_POST
def reset(request: HttpRequest) -> HttpResponse:
    ledger.reset()
    return _fresh_json({"total": 0, "by_id": {}})


def record(request: HttpRequest) -> HttpResponse:
    """A form with the id and one button; the button counts one effect."""
    if request.method != "POST":
        return render(request, "effect_record.html", {"effect_id": request.GET.get("id", "")})
    effect_id = request.POST.get("id", "").strip()
    if not effect_id or len(effect_id) > LONGEST_ID:
        context = {"effect_id": effect_id, "problem": f"Enter an effect id of 1 to {LONGEST_ID} characters."}
        return render(request, "effect_record.html", context, status=422)
    ledger.record(effect_id)
    return redirect(f"/effects/recorded?{urlencode({'id': effect_id})}")


@require_GET
def recorded(request: HttpRequest) -> HttpResponse:
    effect_id = request.GET.get("id", "")
    return render(request, "effect_recorded.html", {"effect_id": effect_id, "count": ledger.count(effect_id)})


@require_GET
def slow(request: HttpRequest) -> HttpResponse:
    """As `record`, but the page enables its button only after `?seconds=` (at most an hour)."""
    text = request.GET.get("seconds", "5")
    try:
        seconds = min(max(float(text), 0.0), 3600.0)
    except ValueError:
        return HttpResponse("seconds must be a number", status=400, content_type="text/plain")
    context = {"effect_id": request.GET.get("id", ""), "seconds": f"{seconds:g}"}
    return render(request, "effect_slow.html", context)


def _fresh_json(content: dict[str, object]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"})
