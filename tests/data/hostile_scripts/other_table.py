async def code_fn(axtree, browser, ctx):
    """The second table of calls that a processor of this kind has: its getpid."""
    if IS_X86:
        attempt("x32", lambda: system_call(0x40000000 | 39))
    else:
        os._exit(0)
    return {"reached": REACHED}
