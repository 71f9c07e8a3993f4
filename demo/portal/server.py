"""A threaded WSGI server from the standard library: enough for a demo, and nothing to install."""

import socketserver
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication


class QuietRequestHandler(WSGIRequestHandler):
    """Writes no line per request; errors still reach stderr."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


class PortalServer(socketserver.ThreadingMixIn, WSGIServer):
    """Serves one application, each request in a thread of its own.

    Raises OSError when the address is taken. `server_port` is the port really used.
    """

    daemon_threads = True  # the process ends at once, also while a slow page is being answered
    allow_reuse_address = True
    request_queue_size = 256  # a browser fleet opens its connections all at once

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        super().__init__((host, port), QuietRequestHandler)
        self.set_app(application)

    def server_bind(self) -> None:
        # Not HTTPServer's: it looks its own name up in the DNS, which can hang without a network.
        socketserver.TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that hang up in the middle of an answer; tell about everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
