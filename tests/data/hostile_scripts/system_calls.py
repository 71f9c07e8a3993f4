async def code_fn(axtree, browser, ctx):
    """Every system call that was not meant to exist, whatever it is."""
    allowed = set(ctx.input_parameters["allowed"])
    if IS_X86:
        # The kernel's own, between a probe and its return; anybody else who calls them is ended, filter or not.
        allowed |= {335, 336}
    for number in [*range(600), 1000, 0x3FFFFFFF]:
        if number not in allowed:
            attempt(f"call {number}", lambda: refused(number, 0, 0, 0, 0, 0, 0))
    attempt("root", lambda: os.setuid(0) or 1)
    attempt("root group", lambda: os.setgid(0) or 1)
    attempt("chroot", lambda: os.chroot(".") or 1)
    attempt("limit raised", lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_AS, (-1, -1)) or 1)
    attempt("process limit raised", lambda: __import__("resource").setrlimit(__import__("resource").RLIMIT_FSIZE, (2**40, 2**40)) or 1)
    return {"reached": REACHED}
