async def code_fn(axtree, browser, ctx):
    import asyncio, socket, urllib.request
    port = ctx.input_parameters["port"]
    for family in (1, 2, 10, 16, 17, 38, 40, 44):
        for kind in (1, 2, 3, 5):
            attempt(f"socket {family} {kind}", lambda: socket.socket(family, kind))
    attempt("pair", lambda: socket.socketpair())
    attempt("connection", lambda: socket.create_connection(("127.0.0.1", port), timeout=2))
    attempt("address", lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).read())
    attempt("abstract", lambda: socket.socket(socket.AF_UNIX).connect("\0anything") or 1)
    attempt("name", lambda: socket.gethostbyname("localhost") if os.path.exists("/etc/hosts") else None)
    attempt("server", lambda: socket.create_server(("", 0)))
    try:
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 2)
        REACHED.append(["asyncio", ""])
    except BaseException:
        pass
    if IS_X86:
        address = (2).to_bytes(2, "little") + int(port).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
        buffer = ctypes.create_string_buffer(address)
        for descriptor in range(64):
            # connect, bind, sendto with an address, sendmsg, on whatever is open.
            attempt(f"connect {descriptor}", lambda: refused(42, descriptor, buffer, 16))
            attempt(f"bind {descriptor}", lambda: refused(49, descriptor, buffer, 16))
            attempt(f"sendto {descriptor}", lambda: refused(44, descriptor, buffer, 1, 0, buffer, 16))
            attempt(f"sendmsg {descriptor}", lambda: refused(46, descriptor, buffer, 0))
            attempt(f"recvmsg {descriptor}", lambda: refused(47, descriptor, buffer, 0))
            attempt(f"accept {descriptor}", lambda: refused(43, descriptor, 0, 0))
        attempt("io_uring", lambda: refused(425, 8, buffer))
    return {"reached": REACHED}
