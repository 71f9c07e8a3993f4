"""`python -m demo.portal`: serve the portal on loopback until SIGTERM or Ctrl-C."""

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from demo.portal.switches import CONSENT_MODES, switches


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.portal", description="Serve the demo portal Northwind.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--effects-file", type=Path, help="keep the counted effects in this file, too")
    parser.add_argument(
        "--consent",
        choices=CONSENT_MODES,
        default="off",
        help="show the privacy overlay until a visitor has chosen (default: %(default)s)",
    )
    return parser.parse_args()


def stop(signum: int, frame: FrameType | None) -> None:
    """End at once: requests run in daemon threads, and nothing here needs to be finished."""
    sys.exit(0)


def main() -> None:
    arguments = parse_arguments()
    # Set, not defaulted: a shell that works on the main project has its own value there.
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.portal.settings"
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    # Imported late: these modules read the settings named above.
    from django.core.wsgi import get_wsgi_application

    from demo.portal.effects import ledger
    from demo.portal.server import PortalServer

    if arguments.effects_file is not None:
        ledger.keep_in(arguments.effects_file)
    switches.start_with(consent=arguments.consent)
    try:
        server = PortalServer(arguments.host, arguments.port, get_wsgi_application())
    except OSError as error:
        sys.exit(f"Cannot listen on {arguments.host}:{arguments.port}: {error.strerror}")
    print(f"Northwind is ready at http://{arguments.host}:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
