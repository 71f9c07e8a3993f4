async def code_fn(axtree, browser, ctx):
    """The gate of 32-bit programs: `mov eax, 20; int 0x80; ret`."""
    if not IS_X86:
        os._exit(0)
    import mmap
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    attempt("int 0x80", lambda: ctypes.CFUNCTYPE(ctypes.c_int)(address)())
    return {"reached": REACHED}
