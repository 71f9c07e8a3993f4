async def code_fn(axtree, browser, ctx):
    attempt("one file", lambda: open("one", "wb").write(bytes(100 * 2**20)))
    written = 0
    try:
        for number in range(100):
            with open(f"file{number}", "wb") as file:
                for _ in range(8):
                    written += file.write(bytes(2**20))
                    file.flush()
    except OSError:
        pass
    if written > 200 * 2**20:
        REACHED.append(["files", written])
    return {"reached": REACHED}
