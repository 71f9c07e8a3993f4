"""What the embedded database answers when it cannot do its work."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Generator
from contextlib import contextmanager

# Another way out that every message may name: a server of one's own needs none of this.
OR_OWN_SERVER = "or set DATABASE_URL to a PostgreSQL server of your own"


class EmbeddedDatabaseError(Exception):
    """The embedded database cannot be used; the message is one sentence that says what to do."""


def user_name(uid: int) -> str:
    """The account's name, or `uid 1234` when the system knows none (common in containers)."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@contextmanager
def system_errors(doing: str) -> Generator[None]:
    """Turn the operating system's refusals into `EmbeddedDatabaseError`.

    `doing` finishes the sentence "cannot ...", for instance "write the password file".
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full: free at least 200 MB and start again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = f"user {user_name(os.geteuid())} may not: let that user do it, {OR_OWN_SERVER}"
        else:
            advice = f"{error.strerror or error}: mend that and start again, {OR_OWN_SERVER}"
        raise EmbeddedDatabaseError(f"The embedded database cannot {doing}{where}; {advice}.") from error
