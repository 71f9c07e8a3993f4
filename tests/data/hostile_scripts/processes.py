async def code_fn(axtree, browser, ctx):
    import _thread, fcntl, multiprocessing, resource, signal, subprocess, threading
    worker = ctx.input_parameters["pid"]
    others = [worker, os.getppid()]
    attempt("fork", lambda: os._exit(0) if os.fork() == 0 else 1)
    attempt("forkpty", lambda: os._exit(0) if os.forkpty()[0] == 0 else 1)
    attempt("spawn", lambda: os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}))
    attempt("subprocess", lambda: subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout)
    attempt("shell", lambda: os.popen("id").read())
    attempt("exec", lambda: os.execv(sys.executable, [sys.executable, "-c", "print(1)"]))
    attempt("thread", lambda: _thread.start_new_thread(print, ()))
    attempt("thread object", lambda: threading.Thread(target=print).start() or 1)
    attempt("multiprocessing", lambda: multiprocessing.Process(target=print).start() or 1)
    for pid in others:
        for number in (0, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            attempt(f"kill {number}", lambda: os.kill(pid, number) or 1)
            attempt(f"group {number}", lambda: os.killpg(os.getpgid(pid), number) or 1)
        attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19) or 1)
        attempt("affinity", lambda: os.sched_setaffinity(pid, [0]) or 1)
        attempt("scheduler", lambda: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)) or 1)
        attempt("limit", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)) or 1)
        attempt("limit read", lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE))
        attempt("pidfd", lambda: os.pidfd_open(pid))
        reader, writer = os.pipe()
        for command, value in ((8, pid), (8, -pid), (10, 9), (15, 0)):
            # F_SETOWN, F_SETSIG, F_SETOWN_EX: a signal of choice to a process of choice.
            attempt(f"owner {command}", lambda: fcntl.fcntl(reader, command, value) or 1)
        attempt("async", lambda: fcntl.ioctl(reader, 0x8901, pid.to_bytes(4, "little")) or 1)
        if IS_X86:
            memory = ctypes.create_string_buffer(64)
            vector = ctypes.create_string_buffer(ctypes.addressof(memory).to_bytes(8, "little") + (64).to_bytes(8, "little"))
            attempt("ptrace", lambda: refused(101, 16, pid, 0, 0))
            attempt("ptrace seize", lambda: refused(101, 0x4206, pid, 0, 0))
            attempt("read memory", lambda: refused(310, pid, vector, 1, vector, 1, 0))
            attempt("write memory", lambda: refused(311, pid, vector, 1, vector, 1, 0))
            attempt("compare", lambda: refused(312, pid, os.getpid(), 0, 0, 0))
            attempt("queue", lambda: refused(129, pid, 9, memory))
            attempt("thread signal", lambda: refused(234, pid, pid, 9))
            attempt("pidfd_getfd", lambda: refused(438, 3, 0, 0))
            attempt("migrate", lambda: refused(256, pid, 1, memory, memory))
    attempt("session", lambda: os.setsid())
    attempt("own group", lambda: os.setpgid(0, 0) or 1)
    attempt("kill all", lambda: os.kill(-1, 0) or 1)
    return {"reached": REACHED}
