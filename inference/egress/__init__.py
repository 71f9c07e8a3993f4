"""What this server may connect to: one policy for its own fetches and for the pages that its browser opens.

`policy` judges names and addresses, `hosts` reads them as a browser would, `resolving` turns a name into the
addresses that may be connected to, and `fetching` is a session of `requests` that connects to nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.egress.fetching import (
        EgressRefusedError,
        FetchedFile,
        FetchTooLargeError,
        fetch_to_file,
        guarded_session,
        read_body,
        time_limit,
    )

__all__ = [
    "EgressRefusedError",
    "FetchTooLargeError",
    "FetchedFile",
    "fetch_to_file",
    "guarded_session",
    "read_body",
    "time_limit",
]


def __getattr__(name: str) -> Any:
    """settings.py reads the policy's settings with this package; the tenth of a second that `requests` takes to
    import is paid by those who fetch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from inference.egress import fetching

    return getattr(fetching, name)
