"""Whether a script may run at all: the operator's decision first, then an administrator's about this automation."""

import uuid
from collections.abc import Sequence

from django.conf import settings

from automation import Automation as Document
from executor.database import in_database_patiently
from executor.errors import ScriptsDisabledError
from inference.models import Task
from inference.services.trust import may_run_scripts


async def refuse_unless_allowed(task_id: uuid.UUID, document: Document) -> Sequence[str]:
    """Raises ScriptsDisabledError, which says what to set; else the names of the task's unique parameters.

    Asked before each script: trust that is taken back counts at once.
    """
    if not settings.ALLOW_SCRIPTS:
        raise ScriptsDisabledError("the operator has to set ALLOW_SCRIPTS=true")
    return await in_database_patiently(_names_if_trusted, task_id, document)


def _names_if_trusted(task_id: uuid.UUID, document: Document) -> Sequence[str]:
    task = Task.objects.select_related("automation").get(id=task_id)
    if not may_run_scripts(task.automation, document):
        raise ScriptsDisabledError(
            f"an administrator has to read the scripts of {task.automation.endpoint_name} and trust it, on its page in "
            "the dashboard"
        )
    names: list[str] = task.unique_parameter_names
    return names
