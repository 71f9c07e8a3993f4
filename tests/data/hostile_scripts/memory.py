async def code_fn(axtree, browser, ctx):
    kept = []
    attempt("at once", lambda: len(bytearray(2 * 10**9)))
    attempt("mapped", lambda: len(__import__("mmap").mmap(-1, 2 * 10**9)))
    try:
        while len(kept) < 2000:
            kept.append(bytearray(2**20))
        REACHED.append(["in pieces", len(kept)])
    except MemoryError:
        kept.clear()
    return {"reached": REACHED}
