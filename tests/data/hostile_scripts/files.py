async def code_fn(axtree, browser, ctx):
    import shutil
    targets = ctx.input_parameters["files"]
    home = os.getcwd()
    public = ["/etc/passwd", "/etc/shadow", "/etc/hostname", "/root/.bashrc", "/var/log", "/tmp", "/dev/null", "/dev/mem",
              "/sys/kernel", "/usr/bin/env", "/bin/sh", "/run", "/home", "/dev/shm"]

    def names(place):
        # Where the root is the script's own, what is above its folder is nothing of the server's.
        found = os.listdir(place)
        return found if not path.startswith("..") or "MARKER" in str(found) else None

    for path in [*targets, *public, "..", "../..", os.path.dirname(targets[0])]:
        attempt(f"read {path}", lambda: open(path, "rb").read(500))
        attempt(f"list {path}", lambda: names(path))
        attempt(f"write {path}", lambda: open(path, "ab").write(b"x"))
        attempt(f"write below {path}", lambda: open(path + "/made-by-a-script", "wb").write(b"x"))
        attempt(f"make {path}", lambda: os.mkdir(path + "/made-by-a-script") or 1)
        attempt(f"enter {path}", lambda: (os.chdir(path), open("manage.py").read(100))[1])
        os.chdir(home)
        attempt(f"fd {path}", lambda: names(os.open(".", os.O_RDONLY, dir_fd=os.open(path, os.O_PATH))))
        attempt(f"openat {path}", lambda: names(os.open(path, os.O_RDONLY | os.O_DIRECTORY)))
    for number, path in enumerate(targets):
        # By a link of its own, by a name of its own, by a copy.
        attempt(f"link to {path}", lambda: (os.symlink(path, f"link{number}"), open(f"link{number}", "rb").read(500))[1])
        attempt(f"hard link to {path}", lambda: (os.link(path, f"hard{number}"), open(f"hard{number}", "rb").read(500))[1])
        attempt(f"move {path}", lambda: (os.rename(path, f"moved{number}"), open(f"moved{number}", "rb").read(500))[1])
        attempt(f"copy {path}", lambda: open(shutil.copyfile(path, f"copy{number}"), "rb").read(500))
        attempt(f"mmap {path}", lambda: __import__("mmap").mmap(os.open(path, os.O_RDONLY), 0)[:100])
        attempt(f"emptied {path}", lambda: os.close(os.open(path, os.O_RDONLY | os.O_TRUNC)) or 1)
        attempt(f"truncated {path}", lambda: os.truncate(path, 0) or 1)
        attempt(f"opened with no access {path}", lambda: os.open(path, 3 | os.O_TRUNC))
        # These may seem to work; the test looks at the file.
        attempt(f"removed {path}", lambda: os.unlink(path))
        attempt(f"opened to all {path}", lambda: os.chmod(path, 0o777))
        attempt(f"touched {path}", lambda: os.utime(path, (0, 0)))
        attempt(f"owned {path}", lambda: os.chown(path, 0, 0) or 1)
        attempt(f"attribute {path}", lambda: os.setxattr(path, "user.x", b"x") or 1)
    library = os.__file__
    attempt("library written", lambda: open(library, "ab").write(b"#"))
    attempt("library emptied", lambda: os.close(os.open(library, os.O_RDONLY | os.O_TRUNC)) or 1)
    attempt("library extended", lambda: open(os.path.join(os.path.dirname(library), "made_by_a_script.py"), "w").write("x"))
    attempt("packages imported", lambda: (sys.path.append(os.path.join(os.path.dirname(library), "site-packages")), __import__("pip"))[1])
    attempt("the server's modules", lambda: __import__("django"))
    attempt("the server's settings", lambda: (sys.path.insert(0, os.path.dirname(targets[0])), __import__("optexity_site.settings"))[1])
    return {"reached": REACHED}
