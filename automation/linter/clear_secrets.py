"""Rules about secrets: written in the document, declared as plain parameters, or stored by an extraction.

No message repeats a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from automation.actions.assertion import NetworkCallAssertion
from automation.actions.extraction import APICallExtraction, StateExtraction
from automation.actions.form import DynamicFormMappingAction
from automation.actions.targeted import TargetedAction
from automation.actions.text import InputTextAction
from automation.element import Element
from automation.linter import catalog
from automation.linter.catalog import Finding
from automation.linter.survey import Survey, Text, Visit
from automation.placeholders import has_placeholder
from automation.problems import shortened

# Words for a field into which people type a secret.
_SECRET_FIELD = re.compile(
    r"passwor[dt]|passcode|passphrase|kennwort|contraseña|mot de passe|\bpin\b|\bcvv\b|\bcvc\b|secret|api[ _-]?key"
    r"|access[ _-]?(?:key|token)|security (?:code|answer)|one[ -]time|\botp\b|\btotp\b|verification code",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passcode|passphrase|secret|token|api_?key|access_?key|private_?key|otp|totp|credentials?)"
    r"(?:$|_(?:value|text|[0-9]+)$)",
    re.IGNORECASE,
)
_SECRET_KEY = re.compile(
    r"^(?:proxy-)?authorization$|^cookie$|^(?:x[-_])?(?:api|auth|access)[-_]?(?:key|token)$|^x-auth$|^(?:client[-_]?)?secret$"
    r"|^passw(?:or)?d$|^pwd$|^(?:access|refresh|bearer|id|session)[-_]?token$|^token$|^sig(?:nature)?$",
    re.IGNORECASE,
)
# The shapes of keys and tokens that well-known services hand out.
_TOKEN = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_][A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."
    r"|\bAIza[0-9A-Za-z_-]{35}|\bglpat-[A-Za-z0-9_-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_IN_SCRIPT = re.compile(
    r"\b(?:password|passwd|pwd|secret|token|api_?key)\b[\"']?\s*[:=]\s*[\"'][^\"'{}\s]{4,}[\"']", re.IGNORECASE
)
_FIX = "Declare it as a secure parameter, and write {name[0]} here."


def check(survey: Survey) -> Iterator[Finding]:
    """The secrets that stand in a document, or that its runs would store."""
    for name in survey.inputs:
        if _SECRET_NAME.search(name[:100]):
            message = f"“{shortened(name, 40)}” sounds like a secret; input values are stored and shown with each task"
            path = f"parameters.input_parameters.{name}"
            yield catalog.SECRET_INPUT.at(path, message, "Declare it under secure_parameters.")
    for name, sources in survey.secure.items():
        for position, source in enumerate(sources):
            if source.totp is not None:
                message = "everyone who can read the document can make these codes"
                path = f"parameters.secure_parameters.{name}[{position}].totp"
                fix = "Move the seed to a vault, and refer to it with type totp_secret."
                yield catalog.SEED.at(path, message, fix)
    if has_credentials(survey.automation.url):
        yield _in_clear("url", "holds a user and a password, or a token")
    for visit in survey.visits:
        yield from _of_node(visit)


def _of_node(visit: Visit) -> Iterator[Finding]:
    action, path = visit.action, visit.action_path
    match action:
        case InputTextAction(input_text=str(typed)) if typed and not has_placeholder(typed) and is_secret_field(action):
            yield _in_clear(f"{path}.input_text", "types a fixed text into a field for a secret")
        case StateExtraction():
            message = (
                "puts the cookies and storage of the session into the output, where anyone who reads it can use them"
            )
            fix = "Read what is needed with extraction.locator, and close the session in the end."
            yield catalog.STATE.at(path, message, fix)
        case APICallExtraction():
            yield from _literal_members(action.headers, f"{path}.headers")
            yield from _literal_members(action.query_params, f"{path}.query_params")
            if isinstance(action.body, dict):
                yield from _literal_members(action.body, f"{path}.body")
        case NetworkCallAssertion():
            yield from _literal_members(action.header_filter or {}, f"{path}.header_filter")
        case DynamicFormMappingAction():
            for field in ("api_key", "password"):
                value = getattr(action.callback_url, field)
                if value and not has_placeholder(value):
                    yield _in_clear(f"{path}.callback_url.{field}", "is a fixed text")
        case _:
            pass
    for text in visit.texts:
        yield from _of_text(text)


def _of_text(text: Text) -> Iterator[Finding]:
    if _TOKEN.search(text.text):
        yield _in_clear(text.path, "holds what looks like a key or token")
    elif text.is_script and _IN_SCRIPT.search(text.text):
        yield _in_clear(text.path, "assigns a fixed text to a name for a secret")
    elif text.field in ("url", "file_url") and has_credentials(text.text):
        yield _in_clear(text.path, "holds a user and a password, or a token")


def _in_clear(path: str, message: str) -> Finding:
    return catalog.IN_CLEAR.at(path, message, _FIX)


def _literal_members(members: Mapping[str, Any], path: str) -> Iterator[Finding]:
    for key, value in members.items():
        if isinstance(value, str) and value and is_secret_key(key) and not has_placeholder(value):
            where = f"{path}.{key}" if key.isidentifier() else f'{path}["{shortened(key, 40)}"]'
            yield _in_clear(where, "is a fixed text under a name for secrets")


def has_credentials(url: str) -> bool:
    """Whether an address holds a password, or a query parameter that is called like a secret."""
    try:
        parts = urlsplit(url)
        has_password = bool(parts.password) and not has_placeholder(parts.password or "")
        pairs = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return False
    return has_password or any(is_secret_key(key) and not has_placeholder(value) for key, value in pairs)


def is_secret_key(key: str) -> bool:
    """Whether a header, query parameter or member is called like a secret."""
    return _SECRET_KEY.search(key[:100]) is not None


def is_secret_field(action: Element) -> bool:
    """Whether an action works on a field that is called like a secret, as its command and prompt tell."""
    if not isinstance(action, TargetedAction):
        return False
    described = (action.command, action.xpath, action.prompt_instructions, action.keyword)
    return any(_SECRET_FIELD.search(text[:2_000]) for text in described if text)
