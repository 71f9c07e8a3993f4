async def code_fn(axtree, browser, ctx):
    sockets = 0
    for descriptor in range(4096):
        try:
            kind = os.fstat(descriptor).st_mode
        except OSError:
            continue
        if stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISBLK(kind):
            REACHED.append(["file", descriptor])
        if stat.S_ISCHR(kind):
            attempt(f"device {descriptor}", lambda: os.read(descriptor, 100) or None)
        sockets += stat.S_ISSOCK(kind)
    # The event loop's own pair, and what the commands come through.
    if sockets > 3:
        REACHED.append(["sockets", sockets])
    return {"reached": REACHED}
