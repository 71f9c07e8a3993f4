"""Which automations, and so which tasks, a key may use and see."""

from django.db.models import Exists, Q

from inference.models import ApiKey

# The same as `may_use` for a hand-written statement that has the automation as `a` and the parameter `key`.
MAY_USE_SQL = """(
    %(key)s::bigint IS NULL
    OR NOT EXISTS (SELECT FROM inference_apikey_automations WHERE apikey_id = %(key)s)
    OR EXISTS (SELECT FROM inference_apikey_automations WHERE apikey_id = %(key)s AND automation_id = a.id)
)"""


def may_use(api_key: ApiKey | None, automation: str = "") -> Q:
    """The condition that `api_key` may use the automation that the lookup `automation` leads to.

    `automation` is empty for rows of Automation itself. A key without a list may use all, as may an anonymous
    caller (None), who is on this machine.
    """
    if api_key is None:
        return Q()
    chosen = ApiKey.automations.through.objects.filter(apikey_id=api_key.pk)
    lookup = f"{automation}_id__in" if automation else "id__in"
    # The first half depends on the key alone: PostgreSQL answers it once per statement.
    return Q(~Exists(chosen)) | Q(**{lookup: chosen.values("automation_id")})


def has_list(api_key: ApiKey | None) -> bool:
    """Whether `api_key` may use certain automations only."""
    return api_key is not None and api_key.automations.exists()
