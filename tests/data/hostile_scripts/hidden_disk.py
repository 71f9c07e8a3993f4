async def code_fn(axtree, browser, ctx):
    """Files that are deleted while they are mapped: they take space that no folder shows."""
    import mmap
    kept, written = [], 0
    try:
        for number in range(64):
            with open(f"file{number}", "w+b") as file:
                for _ in range(16):
                    written += file.write(bytes(2**20))
                file.flush()
                kept.append(mmap.mmap(file.fileno(), 4096))
            os.unlink(f"file{number}")
    except OSError:
        pass
    if written > 300 * 2**20:
        REACHED.append(["hidden files", written])
    attempt("without a name", lambda: os.open(".", os.O_RDWR | os.O_TMPFILE))
    attempt("in memory", lambda: os.memfd_create("x"))
    return {"reached": REACHED}
