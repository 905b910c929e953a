"""What a hostile child would try, each as a function; run as a program inside a sealed process.

    python -I probes.py HOUSE JOB        JOB: {"read", "write", "limits", "probes", and their facts}

Prints {"locks": ..., "outcomes": {probe: what came of it}}. A probe that is refused comes out as
the name of its error number; one that gets through as "done: ..." and what it got.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import types
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
JOB: dict[str, Any] = {}


def call(number: int, *arguments: Any) -> str:
    """A system call by its number (x86_64)."""
    ctypes.set_errno(0)
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if LIBC.syscall(ctypes.c_long(number), *given) == -1:
        raise OSError(ctypes.get_errno(), "refused")
    return "called"


# --- network ------------------------------------------------------------------------------


def inet() -> Any:
    return socket.create_connection(("127.0.0.1", JOB["port"]), 5)


def inet6() -> Any:
    return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)


def raw() -> Any:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def packet() -> Any:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


def netlink() -> Any:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


def vsock() -> Any:
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)


def unix_stream() -> Any:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.connect(JOB["unix"])


def unix_datagram_of_a_pair() -> Any:
    """Datagram sockets send to any address, connected or not."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"out", JOB["datagram"])


def io_uring() -> Any:
    return call(425, 8, ctypes.create_string_buffer(120))


# --- files --------------------------------------------------------------------------------


def read_secret() -> Any:
    return Path(JOB["secret"]).read_text()


def read_shadow() -> Any:
    return Path("/etc/shadow").read_text()


def read_home() -> Any:
    return os.listdir(JOB["home"])


def list_root() -> Any:
    return os.listdir("/")


def list_temporary() -> Any:
    return os.listdir(JOB["temporary"])


def parent_environment() -> Any:
    return Path(f"/proc/{os.getppid()}/environ").read_bytes()


def parent_maps() -> Any:
    return Path(f"/proc/{os.getppid()}/maps").read_text()


def parent_memory() -> Any:
    return Path(f"/proc/{os.getppid()}/mem").open("rb")


def read_by_own_root() -> Any:
    return Path("/proc/self/root" + JOB["secret"]).read_text()


def read_by_dots() -> Any:
    return Path(JOB["write"][0], "..", *Path(JOB["secret"]).parts[-2:]).read_text()


def link_secret_in() -> Any:
    os.link(JOB["secret"], JOB["write"][0] + "/linked")


def symlink_secret_in() -> Any:
    os.symlink(JOB["secret"], JOB["write"][0] + "/symbolic")


def write_outside() -> Any:
    Path(JOB["outside"], "new").write_text("new")


def write_into_what_is_read() -> Any:
    Path(JOB["read"][0]).write_text("changed")


def append_to_what_is_read() -> Any:
    with Path(JOB["read"][0]).open("a") as file:
        file.write("changed")


def truncate_what_is_read() -> Any:
    os.truncate(JOB["read"][0], 0)


def empty_by_opening_for_reading() -> Any:
    os.open(JOB["read"][0], os.O_RDONLY | os.O_TRUNC)


def remove_outside() -> Any:
    os.unlink(JOB["secret"])


def rename_outside() -> Any:
    os.rename(JOB["secret"], JOB["write"][0] + "/taken")


def make_folder_outside() -> Any:
    os.mkdir(JOB["outside"] + "/folder")


def attribute_outside() -> Any:
    os.setxattr(JOB["secret"], "user.mine", b"1")


def make_fifo() -> Any:
    os.mkfifo(JOB["write"][0] + "/fifo")


def make_device() -> Any:
    os.mknod(JOB["write"][0] + "/zero", 0o600 | 0o020000, os.makedev(1, 5))


def open_terminal() -> Any:
    return os.open("/dev/tty", os.O_RDWR)


def shared_memory() -> Any:
    return call(29, 0, 4096, 0o1600)


def message_queue() -> Any:
    return call(240, b"mine", os.O_CREAT | os.O_RDWR, 0o600, None)


def change_mode() -> Any:
    """Answers as done; the test looks at the file afterwards."""
    os.chmod(JOB["secret"], 0o777)
    os.chown(JOB["secret"], os.getuid(), os.getgid())
    os.utime(JOB["secret"], (1, 1))
    handle = os.open(JOB["read"][0], os.O_RDONLY)
    os.fchmod(handle, 0o777)


# --- processes ----------------------------------------------------------------------------


def fork() -> Any:
    if os.fork() == 0:
        os._exit(0)


def spawn() -> Any:
    return os.posix_spawn("/bin/true", ["true"], {})


def run_program() -> Any:
    return subprocess.run(["/bin/true"], check=False).returncode


def replace_itself() -> Any:
    os.execv("/bin/echo", ["echo", json.dumps({"outcomes": {}})])


def run_own_file() -> Any:
    path = Path(JOB["write"][0], "own")
    path.write_text("#!/bin/sh\n")
    os.execv(path, ["own"])


def trace() -> Any:
    return call(101, 16, JOB["victim"], 0, 0)


def read_memory_of_another() -> Any:
    return call(310, JOB["victim"], None, 0, None, 0, 0)


def signal_parent() -> Any:
    os.kill(os.getppid(), 0)


def kill_another() -> Any:
    os.kill(JOB["victim"], 9)


def kill_by_descriptor() -> Any:
    return os.pidfd_open(JOB["victim"])


def kill_by_queue() -> Any:
    info = (ctypes.c_int * 32)(9, 0, -1)
    return call(129, JOB["victim"], 9, info)


def kill_by_thread() -> Any:
    return call(234, JOB["victim"], JOB["victim"], 9)


def kill_by_pipe() -> Any:
    """A descriptor may signal its owner, and owners may be set."""
    import fcntl

    reading, _ = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, JOB["victim"])


def limit_another() -> Any:
    resource.prlimit(JOB["victim"], resource.RLIMIT_CPU, (0, 0))


def bind_another_to_a_core() -> Any:
    os.sched_setaffinity(JOB["victim"], {0})


# --- the kernel ---------------------------------------------------------------------------


CALLS: dict[str, Any] = {
    "mount": lambda: call(165, b"none", JOB["write"][0].encode(), b"tmpfs", 0, None),
    "open_file_system": lambda: call(430, b"tmpfs", 0),
    "new_namespace": lambda: call(272, 0x10000000),
    "bpf": lambda: call(321, 0, None, 0),
    "perf": lambda: call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "userfault": lambda: call(323, 0),
    "keyring": lambda: call(250, 0, -3, 1),
    "set_clock": lambda: call(227, 0, (ctypes.c_long * 2)(1, 0)),
    "ports": lambda: call(172, 3),
}


def compatible_call() -> Any:
    """getpid by `int 0x80`, which numbers calls as 32-bit programs do."""
    return machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")


def x32_call() -> Any:
    return call(0x40000000 + 39)


def machine_code(code: bytes) -> Any:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    answer = ctypes.CFUNCTYPE(ctypes.c_long)(address)()
    low = ctypes.c_int(answer).value
    if low < 0:
        raise OSError(-low, "refused")
    return low


# --- what must still work -----------------------------------------------------------------


def works_threads() -> Any:
    found: list[int] = []
    threads = [threading.Thread(target=found.append, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


def works_numpy() -> Any:
    import numpy as np

    return float((np.ones((300, 300)) @ np.ones((300, 300))).sum())


def works_sklearn() -> Any:
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    x = np.arange(40.0).reshape(20, 2)
    model = RandomForestClassifier(4, n_jobs=2, random_state=0).fit(x, np.arange(20) % 2)
    return len(model.predict(x))


def works_temporary_files() -> Any:
    import shutil

    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write("own")
    copy = shutil.copy2(file.name, file.name + ".copy")
    os.rename(copy, file.name + ".moved")
    text = Path(file.name + ".moved").read_text()
    os.unlink(file.name)
    return text


def works_coroutines() -> Any:
    async def soon() -> str:
        await asyncio.sleep(0)
        return "soon"

    return asyncio.run(soon())


def works_own_signal() -> Any:
    os.kill(os.getpid(), 0)
    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def environment() -> Any:
    return dict(os.environ)


def memory() -> Any:
    held = bytearray(JOB["limits"]["memory"] * 2)
    return len(held)


def largest_file() -> Any:
    with Path(JOB["write"][0], "large").open("wb") as file:
        for _ in range(64):
            file.write(bytes(JOB["limits"]["file_bytes"] // 8))


def outcome_of(name: str) -> str:
    try:
        return f"done: {(CALLS.get(name) or globals()[name])()!r:.300}"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except MemoryError:
        return "MemoryError"


def main(house: str, job: str) -> None:
    package = types.ModuleType("fairlead")
    package.__path__ = [house]
    sys.modules["fairlead"] = package
    from fairlead.runtimes.runner import sandbox

    JOB.update(json.loads(job))
    sys.stdout.flush()
    locks = sandbox.seal(JOB["read"], JOB["write"], **JOB["limits"]) if JOB["seal"] else None
    print(json.dumps({"locks": locks, "outcomes": {n: outcome_of(n) for n in JOB["probes"]}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
