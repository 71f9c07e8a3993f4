"""Sign in and out."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

USER = "demo"
PASSWORD = "northwind"


def login(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, "login.html", {"next": request.GET.get("next", "")})
    name = request.POST.get("username", "")
    if (name, request.POST.get("password", "")) != (USER, PASSWORD):
        context = {"failed": True, "username": name, "next": request.POST.get("next", "")}
        return render(request, "login.html", context, status=403)
    return sign_in(request, request.POST.get("next", ""))


def sign_in(request: HttpRequest, target: str) -> HttpResponse:
    """Begin a session and go to `target`, if that is a page of the portal; else to the schedule."""
    request.session["user"] = USER
    is_ours = target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return redirect(target if is_ours else "/schedule")


def logout(request: HttpRequest) -> HttpResponse:
    request.session.flush()
    return render(request, "logout.html")
