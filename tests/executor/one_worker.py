"""Started by the tests as a process of its own: a worker's browser with an open page, until it is killed."""

import os
import sys
import threading

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optexity_site.settings")
    django.setup()
    from automation import load
    from executor.browser import BrowserPool
    from executor.loop import WorkerLoop

    loop, pool = WorkerLoop(), BrowserPool()
    loop.start()
    document = {"url": "", "parameters": {"input_parameters": {}, "generated_parameters": {}}}
    loop.submit(pool.new_context(load(document))).result(60)
    sys.stdout.write(f"ready {pool.folder}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()
