"""The command line: light, one line per error, and quiet when its reader leaves."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from importlib import import_module

import pytest

from fairlead.cli import main as cli
from fairlead.core.version import __version__


def fairlead(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fairlead", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], [], ["nonsense"]])
def test_the_top_of_the_command_imports_no_library(arguments):
    """A count of modules, not a timing, keeps `fairlead --help` light."""
    program = (
        "import sys\n"
        "from fairlead.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'onnxruntime', 'orjson', 'uvloop', 'sklearn', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "print(sum(m.startswith('fairlead') for m in sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    heavy, ours = done.stderr.splitlines()[-2:]
    assert heavy == "[]"
    assert int(ours) <= 12


def test_help_lists_every_command_with_its_summary():
    done = fairlead("--help")
    assert done.returncode == 0
    for name, summary in cli.COMMANDS.items():
        assert f"{name} " in done.stdout
        assert summary in done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_table_of_commands_says_what_each_module_says(name):
    assert cli.COMMANDS[name] == import_module(f"fairlead.cli.{name}").SUMMARY


def test_every_command_module_is_in_the_table():
    folder = os.path.dirname(cli.__file__)
    modules = {f.removesuffix(".py") for f in os.listdir(folder) if f.endswith(".py")}
    assert modules - {"__init__", "main"} == set(cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert cli.COMMANDS[name].split(":")[0].split(",")[0] in capsys.readouterr().out


def test_version_is_one_line():
    done = fairlead("--version")
    assert (done.returncode, done.stdout) == (0, f"fairlead {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "id", "says"),
    [
        (["srve"], "FRL-2004", "Did you mean `fairlead serve`?"),
        (["zzzzz"], "FRL-2004", "Known: inspect, pack"),
        (["--nonsense"], "FRL-2004", "See `fairlead --help`"),
        (["serve"], "FRL-2004", "See `fairlead serve --help`"),
        (["serve", "x", "--nonsense"], "FRL-2004", "See `fairlead serve --help`"),
        (["serve", "no/such/file"], "FRL-2001", "no/such/file"),
        (["serve", "x", "--port", "many"], "FRL-2005", "flag --port"),
        (["config", "show", "--config", "absent.toml"], "FRL-2001", "absent.toml"),
    ],
)
def test_an_error_is_one_line_with_id_and_fix_and_status_2(arguments, id, says):
    done = fairlead(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"fairlead: {id} ")
    assert says in done.stderr


def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path):
    """The command is stopped while it waits for a bookkeeper that does not answer."""
    (tmp_path / "guards.sqlite").touch(mode=0o600)
    with closing(socket.socket(socket.AF_UNIX)) as bookkeeper:
        bookkeeper.bind(str(tmp_path / "bookkeeper.sock"))
        bookkeeper.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "fairlead", "misuse", "list", "--state", str(tmp_path)],
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job ignores interrupts, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        line, _ = bookkeeper.accept()
        assert line.recv(1)  # its question has come, so it waits for the answer
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        line.close()
    assert (process.returncode, said) == (130, "")


def test_a_reader_that_leaves_is_no_error():
    """The pipe is closed before the command writes its first byte."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "fairlead", "--help"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (141, "")


def test_windows_is_told_in_one_line_to_use_wsl(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "win32")
    assert cli.main(["--help"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "WSL" in captured.err
