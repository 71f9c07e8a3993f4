async def code_fn(axtree, browser, ctx):
    own = {"HOME", "TMPDIR", "LC_CTYPE"}
    attempt("environment", lambda: {k: v for k, v in os.environ.items() if k not in own} or None)
    attempt("arguments", lambda: [each for each in sys.argv[1:] if "MARKER" in each] or None)
    for pid in ("self", "1", str(os.getppid()), str(ctx.input_parameters["pid"]), str(os.getpid())):
        for name in ("environ", "cmdline", "maps", "mem", "status", "cwd/manage.py", "root/etc/passwd"):
            attempt(f"/proc/{pid}/{name}", lambda path=f"/proc/{pid}/{name}": open(path, "rb").read(200))
        attempt(f"/proc/{pid}/fd", lambda path=f"/proc/{pid}/fd": os.listdir(path))
        attempt(f"/proc/{pid}/exe", lambda path=f"/proc/{pid}/exe": os.readlink(path) if pid not in ("self", str(os.getpid())) else None)
    attempt("/proc", lambda: os.listdir("/proc"))
    import gc
    attempt("memory", lambda: [each for each in gc.get_objects() if isinstance(each, (str, bytes)) and "MARKER" in str(each)] or None)
    return {"reached": REACHED}
