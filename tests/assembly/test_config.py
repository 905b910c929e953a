"""Settings: flag > environment > file > default, every mistake refused, every origin known."""

import json
import re
import tomllib
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.assembly import config
from fairlead.assembly.settings import KNOWN, SECTIONS
from fairlead.cli.config import as_json, as_toml
from fairlead.core.errors import BadSetting, FileUnreadable


@pytest.fixture
def file(tmp_path):
    """Writes a settings file and gives its path."""

    def write(text: str, mode: int = 0o644):
        path = tmp_path / "fairlead.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_without_anything_every_value_is_its_default():
    settings = config.load({}, {}, None)
    assert settings.server.port == 8080
    assert settings.server.host == "127.0.0.1"
    assert settings.limits.body_mib == 64
    assert set(settings.origins.values()) == {"default"}
    assert set(settings.origins) == set(KNOWN)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(file):
    path = file("[server]\nport = 1\nhost = 'a'\nworkers = 1\n[limits]\nheaders = 7\n")
    environ = {"FAIRLEAD_SERVER__PORT": "2", "FAIRLEAD_SERVER__HOST": "b"}
    settings = config.load({"server.port": "3", "server.host": None}, environ, path)
    assert settings.server.port == 3
    assert settings.server.host == "b"
    assert settings.server.workers == 1
    assert settings.limits.headers == 7
    assert settings.origins["server.port"] == "flag --port"
    assert settings.origins["server.host"] == "environment FAIRLEAD_SERVER__HOST"
    assert settings.origins["server.workers"] == f"file {path}"
    assert settings.origins["server.state"] == "default"


def test_settings_cannot_be_changed_once_read():
    settings = config.load({}, {}, None)
    with pytest.raises(FrozenInstanceError):
        settings.server.port = 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1", "Did you mean server.port?"),
        ("[servr]\nport = 1", "Did you mean server?"),
        ("[server]\nbody_mib = 1", "Did you mean limits.body_mib?"),
        ("port = 1", "Did you mean server.port?"),
        ("[server]\nport = '1'", "It must be a whole number from 0 to 65535"),
        ("[server]\nport = true", "It must be a whole number"),
        ("[server]\nport = 65536", "It must be a whole number"),
        ("[server]\nport = 1.0", "It must be a whole number"),
        ("[server]\nworkers = 0", 'It must be "auto" or a whole number'),
        ("[server]\nauth = 'none'", 'It must be "keys" or "platform"'),
        ("[server]\nadmin = 'here'", "HOST:PORT"),
        ("[server]\nhost = ''", "It must be a host name"),
        ("[limits]\nidle_timeout_s = nan", "It must be a number of seconds"),
        ("[limits]\nidle_timeout_s = inf", "It must be a number of seconds"),
        ("[limits]\nrequest_timeout_s = 301", "Lower the first or raise the second"),
        ("[models]\nisolate = 'm'", "It must be a list of model names"),
        ("[models]\nisolate = [1]", "It must be a list of model names"),
        ("[airlock]\nallow = ['sklearn.*']", "It must be a list of exact names"),
        ("format = 2\n[server]\nport = 1", "are of format 2, this release knows 1"),
        ("format = true", "are of format True"),
        ("format = '1'", "are of format '1'"),
        ("[format]\nport = 1", "are of format {"),
        ("[server\n", "not valid TOML"),
        ("[server]\nport = 1\nport = 2", "not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_fix(file, text, says):
    path = file(text)
    with pytest.raises(BadSetting) as caught:
        config.load({}, {}, path)
    assert says in caught.value.line()
    assert "fairlead.toml" in caught.value.line()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("FAIRLEAD_SERVER__PROT", "1", "Did you mean server.port?"),
        ("FAIRLEAD_NOTHING__AT_ALL", "1", "there is no setting nothing.at_all"),
        ("FAIRLEAD_SERVER__PORT", "eighty", "It must be a whole number"),
        ("FAIRLEAD_SERVER__PORT", "", "It must be a whole number"),
        ("FAIRLEAD_SERVER_PORT", "80", "Did you mean FAIRLEAD_SERVER__PORT?"),
    ],
)
def test_a_mistake_in_the_environment_is_named_with_its_fix(variable, value, says):
    with pytest.raises(BadSetting) as caught:
        config.load({}, {variable: value}, None)
    assert says in caught.value.line()
    assert variable in caught.value.line()


def test_what_kubernetes_sets_for_a_service_called_fairlead_is_no_setting():
    environ = {
        "FAIRLEAD_SERVICE_HOST": "10.0.0.1",
        "FAIRLEAD_PORT": "tcp://10.0.0.1:8080",
        "FAIRLEAD_SERVER_PORT": "tcp://10.0.0.1:8080",
    }
    assert config.load({}, environ, None) == config.load({}, {}, None)


def test_a_file_may_say_which_format_it_has(file):
    for head in ("", "format = 1\n"):
        settings = config.load({}, {}, file(f"{head}[server]\nport = 7\n"))
        assert settings.server.port == 7
        assert "format" not in settings.origins


def test_a_mistake_is_refused_even_where_something_stronger_overrides_it(file):
    with pytest.raises(BadSetting):
        config.load({"server.port": "80"}, {"FAIRLEAD_SERVER__PORT": "x"}, None)
    with pytest.raises(BadSetting):
        config.load({"server.port": "80"}, {}, file("[server]\nport = 'x'"))


def test_a_list_in_the_environment_is_written_with_commas():
    environ = {"FAIRLEAD_MODELS__ISOLATE": "one, two", "FAIRLEAD_AIRLOCK__ALLOW": ""}
    settings = config.load({}, environ, None)
    assert settings.models.isolate == ("one", "two")
    assert settings.airlock.allow == ()


def test_a_file_that_everyone_may_write_is_refused(file):
    path = file("[server]\nport = 1\n", mode=0o666)
    with pytest.raises(BadSetting) as caught:
        config.load({}, {}, path)
    assert f"chmod o-w {path}" in caught.value.line()


def test_a_named_file_that_is_absent_or_a_folder_is_refused(tmp_path):
    with pytest.raises(FileUnreadable):
        config.read({}, str(tmp_path / "absent.toml"))
    with pytest.raises(FileUnreadable):
        config.read({}, str(tmp_path))


def test_a_file_in_the_working_directory_is_read_without_being_named(file, monkeypatch, tmp_path):
    file("[server]\nname = 'near'\n")
    monkeypatch.chdir(tmp_path)
    settings = config.read({})
    assert settings.server.name == "near"
    assert settings.origins["server.name"] == "file fairlead.toml"


def test_what_config_show_prints_means_the_same_when_read_again(file):
    flags = {"server.port": "1", "models.isolate": "a,b", "server.name": 'a "quoted" né 😀'}
    settings = config.load(flags, {}, None)
    for origin in (True, False):
        again = config.load({}, {}, file(as_toml(settings, origin=origin)))
        for section in SECTIONS:
            assert getattr(again, section) == getattr(settings, section)
    assert re.search(r"^port = 1 +# flag --port$", as_toml(settings, origin=True), re.M)


def test_config_show_as_json_holds_every_value_and_origin():
    settings = config.load({"server.port": "1"}, {}, None)
    shown = json.loads(as_json(settings))
    assert list(shown) == list(KNOWN)
    assert shown["server.port"] == {"value": 1, "origin": "flag --port"}


@given(st.text(max_size=40))
def test_any_text_in_the_environment_is_a_value_or_one_clear_error(text):
    """Whatever the text: the setting keeps its type, or BadSetting names it."""
    for name, known in KNOWN.items():
        try:
            settings = config.load({}, {known.variable: text}, None)
        except BadSetting as error:
            said = error.line()
        else:
            said = name
            value = asdict(getattr(settings, known.section))[known.key]
            assert known.kind.accepts(value)
        assert name in said


def test_every_default_is_a_value_that_its_setting_takes():
    for known in KNOWN.values():
        assert known.kind.accepts(known.default), known.name


def test_the_shown_defaults_are_valid_toml():
    assert tomllib.loads(as_toml(config.load({}, {}, None), origin=True))["server"]["port"] == 8080
