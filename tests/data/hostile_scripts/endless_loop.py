async def code_fn(axtree, browser, ctx):
    import signal
    for number in range(1, 65):
        attempt("", lambda: signal.signal(number, signal.SIG_IGN) and None)
    while True:
        pass
