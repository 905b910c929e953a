"""A sealed process: what a hostile child tries is refused, what a model needs works."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fairlead
from fairlead.runtimes.runner import sandbox, seccomp

HOUSE = Path(fairlead.__file__).parent
PROBES = Path(__file__).with_name("probes.py")
LINUX = sys.platform.startswith("linux") and platform.machine() == "x86_64"
needs_linux = pytest.mark.skipif(not LINUX, reason="the probes know x86_64 Linux")
NOBODY = 65534

NETWORK = [
    "inet", "inet6", "raw", "packet", "netlink", "vsock", "unix_stream",
    "unix_datagram_of_a_pair", "io_uring",
]  # fmt: skip
READING = [
    "read_secret", "read_shadow", "read_home", "list_root", "list_temporary",
    "parent_environment", "parent_maps", "parent_memory", "read_by_own_root", "read_by_dots",
    "link_secret_in", "symlink_secret_in", "shared_memory", "message_queue", "open_terminal",
]  # fmt: skip
WRITING = [
    "write_outside", "write_into_what_is_read", "append_to_what_is_read",
    "truncate_what_is_read", "empty_by_opening_for_reading", "remove_outside", "rename_outside",
    "make_folder_outside", "attribute_outside", "make_fifo", "make_device",
]  # fmt: skip
PROCESSES = [
    "fork", "spawn", "run_program", "replace_itself", "run_own_file", "trace",
    "read_memory_of_another", "signal_parent", "kill_another", "kill_by_descriptor",
    "kill_by_queue", "kill_by_thread", "kill_by_pipe", "limit_another", "bind_another_to_a_core",
]  # fmt: skip
KERNEL = [
    "mount", "open_file_system", "new_namespace", "bpf", "perf", "userfault", "keyring",
    "set_clock", "ports", "compatible_call", "x32_call",
]  # fmt: skip
REFUSALS = ("EPERM", "EACCES", "EXDEV", "ENOSYS")


class Case:
    """A folder to be locked into, one outside, and a process to be attacked."""

    python = sys.executable

    def __init__(self, base: Path, victim: int, port: int) -> None:
        self.base, self.victim = base, victim
        for name in ("out", "state", "home"):
            (base / name).mkdir()
        for path, text in ((self.trained, "trained"), (self.secret, "key")):
            path.write_text(text)
        self.job: dict[str, Any] = {
            "seal": True,
            "read": [str(self.trained)],
            "write": [str(base / "out")],
            "limits": {},
            "secret": str(self.secret),
            "home": str(base / "home"),
            "outside": str(base / "state"),
            "temporary": str(base.parent),
            "unix": str(base / "unix"),
            "datagram": str(base / "datagram"),
            "victim": victim,
            "port": port,
        }

    @property
    def trained(self) -> Path:
        return self.base / "trained.joblib"

    @property
    def secret(self) -> Path:
        return self.base / "state" / "key"

    def run(self, probes: list[str], *, user: int | None = None, **more: Any) -> dict[str, Any]:
        """Locks and outcomes of the probes, in a fresh process."""
        job = json.dumps(self.job | {"probes": probes} | more)
        done = subprocess.run(
            [self.python, "-I", "-B", str(PROBES), str(HOUSE), job],
            capture_output=True,
            timeout=100,
            env={"TMPDIR": self.job["write"][0], "HOME": self.job["write"][0]},
            cwd=self.job["write"][0],
            user=user,
        )
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return json.loads(done.stdout)


@pytest.fixture
def case() -> Iterator[Case]:
    base = Path(tempfile.mkdtemp(prefix="fairlead-sandbox-"))
    os.chmod(base, 0o755)
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made = Case(base, victim.pid, server.getsockname()[1])
            stream.bind(made.job["unix"])
            stream.listen()
            datagram.bind(made.job["datagram"])
            yield made
        finally:
            stream.close()
            datagram.close()
            victim.kill()
            victim.communicate()
            shutil.rmtree(base)


@pytest.fixture(params=["own", "nobody"])
def user(request, case) -> int | None:
    """The tests' own user, which may be root; and one without any right, where that can be."""
    if request.param == "own":
        return None
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    reachable = [p for p in (sys.executable, "/usr/bin/python3") if _reached_by_nobody(p)]
    if not reachable:
        pytest.skip("no interpreter that everybody may start")
    case.python = reachable[0]
    for path in (case.base, *case.base.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return NOBODY


def _reached_by_nobody(python: str) -> bool:
    try:
        subprocess.run([python, "-I", "-c", ""], user=NOBODY, check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@needs_linux
@pytest.mark.parametrize("group", [NETWORK, READING, WRITING, PROCESSES, KERNEL])
def test_what_reaches_beyond_the_process_is_refused(case, user, group):
    outcomes = case.run(group, user=user)["outcomes"]
    assert {n: o for n, o in outcomes.items() if o not in REFUSALS} == {}
    assert list(outcomes) == group


@needs_linux
def test_the_same_attempts_succeed_without_the_locks(case):
    harmless = [
        "inet", "inet6", "unix_stream", "unix_datagram_of_a_pair", "read_secret", "read_home",
        "list_root", "parent_environment", "parent_maps", "read_by_own_root", "link_secret_in",
        "symlink_secret_in", "write_outside", "append_to_what_is_read", "truncate_what_is_read",
        "make_folder_outside", "make_fifo", "fork", "spawn", "run_program", "signal_parent",
        "kill_by_pipe", "bind_another_to_a_core", "change_mode",
    ]  # fmt: skip
    outcomes = case.run(harmless, seal=False)["outcomes"]
    assert {n: o for n, o in outcomes.items() if not o.startswith("done")} == {}
    assert case.secret.stat().st_mode & 0o777 == 0o777


@needs_linux
def test_the_files_and_the_other_process_are_as_they_were(case):
    before = case.secret.stat(), case.trained.stat()
    case.run([*WRITING, *PROCESSES, "change_mode"])
    after = case.secret.stat(), case.trained.stat()
    for was, now in zip(before, after, strict=True):
        assert (was.st_mode, was.st_mtime_ns, was.st_size) == (
            now.st_mode,
            now.st_mtime_ns,
            now.st_size,
        )
    assert (case.secret.read_text(), case.trained.read_text()) == ("key", "trained")
    os.kill(case.victim, 0)
    assert resource.prlimit(case.victim, resource.RLIMIT_CPU)[0] == resource.RLIM_INFINITY


@needs_linux
def test_modes_owners_and_times_are_answered_as_done(case):
    """Libraries set them after every copy; an error would end the copy."""
    assert case.run(["change_mode"])["outcomes"]["change_mode"].startswith("done")


@needs_linux
def test_threads_numpy_scikit_learn_and_own_files_still_work(case, user):
    works = {
        "works_threads": "done: [0, 1, 2, 3]",
        "works_temporary_files": "done: 'own'",
        "works_coroutines": "done: 'soon'",
        "works_own_signal": "done: 0",
    }
    if case.python == sys.executable:
        works |= {"works_numpy": "done: 27000000.0", "works_sklearn": "done: 20"}
    assert case.run(list(works), user=user)["outcomes"] == works


@needs_linux
def test_it_says_that_every_lock_holds(case, user):
    assert case.run([], user=user)["locks"] == {"files": True, "network": True, "processes": True}


@needs_linux
def test_memory_and_files_are_bounded(case):
    limits = {"memory": 256 << 20, "file_bytes": 1 << 20, "cpu_s": 60}
    outcomes = case.run(["memory", "largest_file"], limits=limits)["outcomes"]
    assert outcomes == {"memory": "MemoryError", "largest_file": "EFBIG"}
    assert (case.base / "out" / "large").stat().st_size <= 1 << 20


@needs_linux
def test_processor_time_is_bounded(case):
    job = json.dumps(case.job | {"probes": [], "limits": {"cpu_s": 1}})
    spin = f"import runpy,sys; sys.argv[1:]=[{str(HOUSE)!r},{job!r}]; "
    spin += f"runpy.run_path({str(PROBES)!r}, run_name='__main__')\nwhile True: pass"
    done = subprocess.run(
        [sys.executable, "-I", "-c", spin], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGXCPU


@needs_linux
def test_a_process_with_threads_is_told_that_nothing_holds(case):
    code = (
        "import sys,threading,types; p=types.ModuleType('fairlead'); p.__path__=[sys.argv[1]]\n"
        "sys.modules['fairlead']=p\n"
        "from fairlead.runtimes.runner import sandbox\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "print(sandbox.seal([],[]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(HOUSE)], capture_output=True, timeout=60
    )
    assert b"'network': False" in done.stdout


@pytest.fixture
def harmless(monkeypatch) -> dict[int, tuple[int, int]]:
    """seal() of this very process, without its lasting limits."""
    asked: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(sandbox.resource, "setrlimit", asked.__setitem__)
    return asked


def test_elsewhere_only_the_limits_hold_and_it_says_so(harmless, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    locks = sandbox.seal([], [], memory=1 << 30, cpu_s=5)
    assert locks == {"files": False, "network": False, "processes": False}
    assert harmless[resource.RLIMIT_CPU] == (5, 7)
    assert harmless[resource.RLIMIT_CORE] == (0, 0)


def test_a_limit_that_the_system_refuses_does_not_stop_the_others(monkeypatch):
    asked: list[int] = []

    def refuse(kind: int, bound: tuple[int, int]) -> None:
        asked.append(kind)
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(sandbox.resource, "setrlimit", refuse)
    monkeypatch.setattr(sys, "platform", "darwin")
    sandbox.seal([], [], memory=1 << 30, cpu_s=5, file_bytes=1)
    assert {resource.RLIMIT_CPU, resource.RLIMIT_FSIZE} <= set(asked)


def test_a_machine_whose_calls_are_not_known_has_no_filter(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.close_calls(sandbox.ctypes.CDLL(None)) is False


def test_folders_that_hold_peoples_files_are_never_read_whole(monkeypatch):
    monkeypatch.setattr(sys, "path", ["/", "/home", "/root", "/tmp", "/opt/libraries", ""])
    needed = sandbox._needed()
    assert "/opt/libraries" in needed
    assert {"/", "/home", "/root", "/tmp", "", sandbox._home()} & set(needed) == set()


# --- the filter, judged by a machine of our own -------------------------------------------

PID = 4711
PERMITTED, REFUSED, ABSENT, IDLE = "permitted", "EPERM", "ENOSYS", "idle"
ANSWERS = {0x7FFF0000: PERMITTED, 0x00050001: REFUSED, 0x00050026: ABSENT, 0x00050000: IDLE}


def judge(machine: str, number: int, arguments: tuple[int, ...] = (), arch: int = 0) -> str:
    """What the filter of a machine answers to a system call."""
    lines = seccomp.program(
        seccomp._NUMBERS[machine], seccomp._ARCHITECTURES[machine], PID
    )  # fmt: skip
    given = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, arch or seccomp._ARCHITECTURES[machine], 0, *given)
    held, at = 0, 0
    while True:
        code, yes, no, value = lines[at]
        at += 1
        if code == 0x06:
            return ANSWERS[value]
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:
            held &= value
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
            at += yes if true else no


MACHINES = list(seccomp._NUMBERS)
THREAD = 0x003D0F00  # the flags of pthread_create
JUDGED = [
    ("clone", (THREAD,), PERMITTED),
    ("clone", (17,), REFUSED),
    ("clone", (0x10000000 | 17,), REFUSED),
    ("socketpair", (1, 1), PERMITTED),
    ("socketpair", (1, 1 | 0o2000000), PERMITTED),
    ("socketpair", (1, 2), REFUSED),
    ("socketpair", (2, 1), REFUSED),
    ("kill", (PID, 9), PERMITTED),
    ("kill", (PID + 1, 9), REFUSED),
    ("kill", (2**32 - 1, 9), REFUSED),
    ("tgkill", (PID, PID, 6), PERMITTED),
    ("tgkill", (1, 1, 6), REFUSED),
    ("prlimit64", (0, 7), PERMITTED),
    ("prlimit64", (PID, 7), PERMITTED),
    ("prlimit64", (1, 7), REFUSED),
    ("sched_setaffinity", (0,), PERMITTED),
    ("sched_setaffinity", (1,), REFUSED),
    ("fcntl", (5, 2), PERMITTED),
    ("fcntl", (5, 8), REFUSED),
    ("fcntl", (5, 10), REFUSED),
    ("fcntl", (5, 15), REFUSED),
    ("ioctl", (5, 0x5401), PERMITTED),
    ("ioctl", (0, 0x5412), REFUSED),
    ("openat", (5, 0, os.O_RDONLY), PERMITTED),
    ("openat", (5, 0, os.O_WRONLY | os.O_TRUNC | os.O_CREAT), PERMITTED),
    ("openat", (5, 0, os.O_RDONLY | os.O_TRUNC), REFUSED),
    ("clone3", (), ABSENT),
    ("openat2", (), ABSENT),
    ("fchmodat", (), IDLE),
    ("utimensat", (), IDLE),
]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "answer"), JUDGED)
def test_the_filter_judges_by_the_arguments(machine, name, arguments, answer):
    assert judge(machine, seccomp._NUMBERS[machine][name], arguments) == answer


@pytest.mark.parametrize("machine", MACHINES)
def test_every_other_named_call_is_refused_and_the_rest_is_permitted(machine):
    numbers = seccomp._NUMBERS[machine]
    judged = set(seccomp._judged(PID)) | set(seccomp._ABSENT) | set(seccomp._IDLE)
    answers = {n: judge(machine, number) for n, number in numbers.items() if n not in judged}
    assert set(answers.values()) == {REFUSED}
    others = [n for n in range(480) if n not in numbers.values()]
    assert {judge(machine, n) for n in others} == {PERMITTED}


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_are_refused_whatever_their_number(machine):
    assert {judge(machine, n, arch=0x40000003) for n in range(0, 480, 7)} == {REFUSED}


def test_calls_by_x32_numbers_are_refused():
    assert {judge("x86_64", 0x40000000 + n) for n in range(0, 480, 7)} == {REFUSED}


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_is_named_twice(machine):
    numbers = list(seccomp._NUMBERS[machine].values())
    assert len(numbers) == len(set(numbers))
