"""`python -m executor.find_browser`: print the path of the browser that would be used; exit 3 when there is none.

For the set-up scripts, so it works before there is a database or a data folder.
"""

import sys

from executor.browser import find_browser
from executor.errors import BrowserNotFoundError

# Not 1: that is how Python ends on an error, which the scripts must not take for "there is none".
NO_BROWSER = 3


def main() -> int:
    try:
        sys.stdout.write(f"{find_browser()}\n")
    except BrowserNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return NO_BROWSER
    return 0


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
    sys.exit(main())
