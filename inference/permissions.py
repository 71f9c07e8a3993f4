"""What a caller may do: the scopes of its key."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from inference.errors import ForbiddenError, UnauthorizedError
from inference.models import ApiKey

if TYPE_CHECKING:  # that module imports this one, through the settings
    from rest_framework.views import APIView


class HasScope(BasePermission):
    """The key has the scope that `view.scopes` names for the method; without a key, `view.is_open_to` decides."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """True, or an InferenceError that says what is missing."""
        key = request.auth
        if not isinstance(key, ApiKey):
            if view.is_open_to(request):  # type: ignore[attr-defined]  # every view here is an ApiView
                return True
            raise UnauthorizedError
        # HEAD is answered by the method for GET.
        method = "GET" if request.method == "HEAD" else request.method
        scope = view.scopes.get(method)  # type: ignore[attr-defined]
        # A method without a scope is one that the view does not have: 405 follows.
        if scope is not None and scope not in key.scopes:
            raise ForbiddenError(f"API key lacks the '{scope}' scope: use another key, or ask for one that has it.")
        return True
