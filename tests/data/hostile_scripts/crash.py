async def code_fn(axtree, browser, ctx):
    ctypes.string_at(0)
