async def code_fn(axtree, browser, ctx):
    os._exit(0)
