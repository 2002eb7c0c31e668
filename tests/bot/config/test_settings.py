"""config.toml: defaults, words for every mistake, and an example that cannot lag behind."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from bot.config.messages import render_example
from bot.config.settings import Config, load_config
from bot.errors import ConfigError
from bot.models.job import Priority
from bot.policy.limits import standing_of
from engine.weights.store.custom_models import check_custom_models, find_custom_models

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"


@pytest.fixture
def written(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as wrong:
        load_config(path, {})
    return [line.replace(str(path), "FILE") for line in str(wrong.value).splitlines()]


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[queue]\r\nper_user = 7\r\n")

    assert 7 == load_config(path, {}).queue.per_user


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_file_of_another_encoding_is_read_by_bot_and_engine(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(EXAMPLE.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))

    assert load_config(path, {}) == Config()
    assert find_custom_models({"DREAMBOT_CONFIG": str(path)}) == {}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("[log]\nlevel = “info”\n".encode(), "line 2.*straight"),
        (b'[data]\nfolder = "C:\\Users\\x"\n', "line 2.*single quotes"),
        ("[models]\n# Ölbilder\n".encode("latin-1"), "line 2 is not UTF-8"),
    ],
)
def test_what_editors_do_to_a_file_is_recognised(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(data)

    assert re.search(said, mistakes(path)[0])


@pytest.mark.parametrize(
    "written", ['"abc.d-e_f"', "'abc.d-e_f'", "“abc.d-e_f”", "Bot abc.d-e_f", " abc.d-e_f\r\n", "\u200babc.d-e_f"]
)
def test_a_token_is_found_in_what_surrounds_it(written: str) -> None:
    assert load_config(None, {"DISCORD_TOKEN": written}).discord.token.get_secret_value() == "abc.d-e_f"


@pytest.mark.parametrize("written", ["abc\ndef", "abc def", "äbc", "abc\x00"])
def test_what_no_header_can_hold_is_no_token(written: str) -> None:
    with pytest.raises(ConfigError, match="DISCORD_TOKEN does not hold a token") as caught:
        load_config(None, {"DISCORD_TOKEN": written})

    assert written not in str(caught.value)


@pytest.mark.parametrize("folder", ["$HOME/dreams", "${HOME}/dreams", "%APPDATA%/dreams"])
def test_a_variable_in_the_data_folder_is_said(written, folder: str) -> None:  # type: ignore[no-untyped-def]
    """A folder of that name would be made beside the one that was meant."""
    for path, environ in ((written(f'[data]\nfolder = "{folder}"'), {}), (None, {"DREAMBOT_DATA": folder})):
        with pytest.raises(ConfigError, match="holds a variable"):
            load_config(path, environ)


def test_a_home_folder_that_does_not_exist_is_said() -> None:
    with pytest.raises(ConfigError, match="no such home folder"):
        load_config(None, {"DREAMBOT_DATA": "~nobody-of-this-name/x"})


def test_the_example_is_the_model() -> None:
    assert render_example(Config) == EXAMPLE.read_text(encoding="utf-8")


def test_the_example_holds_every_key_and_every_default() -> None:
    defaults = Config().model_dump(mode="json", exclude={"roles", "servers", "models"})

    assert defaults == tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    assert Config() == load_config(EXAMPLE, {})


def test_the_role_of_the_example_works_when_it_is_no_comment() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    first, after = lines.index("# [roles.123456789012345678]"), lines.index("# [models.my-paintings]")
    role = [line.removeprefix("# ") for line in lines[first:after]]
    config = Config.model_validate(tomllib.loads("\n".join(line for line in role if re.match(r"\[|\w+ = ", line))))

    standing = standing_of(config, 1, [123456789012345678])
    assert (1000.0, 10, 2, 1.0, Priority.ROLE) == (
        standing.units, standing.waiting, standing.running, standing.cooldown, standing.priority
    )  # fmt: skip


def test_the_model_of_the_example_works_when_it_is_no_comment() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    model = [line.removeprefix("# ") for line in lines[lines.index("# [models.my-paintings]") :]]
    tables = tomllib.loads("\n".join(line for line in model if re.match(r"\[|\w+ = ", line)))

    config = Config.model_validate_json(json.dumps(tables))
    check_custom_models(config.models)
    assert (256, 256) == config.models["my-paintings"].size


def test_every_key_is_described() -> None:
    undescribed = [
        f"{section}.{key}"
        for section, table in Config.model_fields.items()
        if isinstance(table.annotation, type)
        for key, field in table.annotation.model_fields.items()  # type: ignore[attr-defined]
        if not field.description and not field.exclude
    ]

    assert [] == undescribed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queue]\nperuser = 3", "FILE, [queue] peruser: there is no such key; did you mean “per_user”?"),
        ("[que]\nper_user = 3", "FILE, [que]: there is no such section; did you mean “queue”?"),
        (
            "[limits]\nzzz = 3",
            "FILE, [limits] zzz: there is no such key; "
            "available: max_batch, max_compare, max_count, max_film, max_size, max_steps, max_upscaled.",
        ),
        (
            '[queue]\nper_user = "three"',
            'FILE, [queue] per_user: "three" is not valid; it must be a whole number, without quotes.',
        ),
        ("[queue]\nper_user = 2.5", "FILE, [queue] per_user: 2.5 is not valid; it must be a whole number."),
        ("[queue]\nper_user = 0", "FILE, [queue] per_user: 0 is not valid; it must be at least 1."),
        ("[playground]\nport = 70000", "FILE, [playground] port: 70000 is not valid; it must be at most 65535."),
        (
            '[quota]\nunits = "many"',
            'FILE, [quota] units: "many" is not valid; it must be a number, without quotes.',
        ),
        ("[quota]\nunits = nan", "FILE, [quota] units: NaN is not valid; it must be a finite number."),
        (
            '[quota]\nwindow = "week"',
            "FILE, [quota] window: \"week\" is not valid; it must be one of 'day' or 'rolling'.",
        ),
        ("[data]\nfolder = 3", "FILE, [data] folder: 3 is not valid; it must be text in quotes."),
        ("[discord]\nowner_ids = 3", "FILE, [discord] owner_ids: 3 is not valid; it must be a list, as in [1, 2]."),
        (
            '[discord]\nowner_ids = [1, "x"]',
            'FILE, [discord] owner_ids, entry 2: "x" is not valid; it must be a whole number, without quotes.',
        ),
        ("discord = 3", "FILE, [discord]: 3 is not valid; it must be a table, as in [section]."),
        ("queue = 3", "FILE, [queue]: 3 is not valid; it must be a table, as in [section]."),
        (
            "[roles.12]\nunitz = 1",
            "FILE, [roles.12] unitz: there is no such key; did you mean “units”?",
        ),
        ("[roles.staff]", "FILE, [roles.staff]: this is not valid; it must be an id (digits only)."),
        (
            '[models.Mine]\nfile = "a.pt"\nflags = {}',
            "FILE, [models.Mine]: a model's name has up to 40 of a–z, 0–9, dots and hyphens.",
        ),
        (
            '[models.mine]\nfile = "a.pt"\nflags = { num_chanels = 128 }',
            "FILE, [models.mine] flags: Unknown model flag “num_chanels”; did you mean “num_channels”?",
        ),
        (
            "[quota]\nunits = 1979-05-27",
            'FILE, [quota] units: "1979-05-27" is not valid; it must be a number, without quotes.',
        ),
    ],
)
def test_every_mistake_has_words(written, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    assert [said] == mistakes(written(text))


def test_all_mistakes_are_told_at_once(written) -> None:  # type: ignore[no-untyped-def]
    assert 3 == len(mistakes(written("[queue]\nper_user = 0\ntotal = 0\n[nowhere]\n")))


def test_what_is_no_toml_names_the_line(written) -> None:  # type: ignore[no-untyped-def]
    assert ["FILE is not valid TOML: Expected '=' after a key in a key/value pair (at line 2, column 5)."] == mistakes(
        written("[queue]\nper user = 3")
    )


def test_a_file_that_is_not_there_is_an_error_when_it_was_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(None, {"DREAMBOT_CONFIG": str(tmp_path / "absent.toml")})


def test_without_any_file_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    assert Config() == load_config(None, {})


def test_a_token_in_the_file_is_refused_without_showing_it(written) -> None:  # type: ignore[no-untyped-def]
    said = mistakes(written('[discord]\ntoken = "abc.def"'))

    assert ["FILE, [discord] token: a token is a secret; put it into the environment as DISCORD_TOKEN."] == said


def test_the_token_comes_from_the_environment_and_is_never_printed() -> None:
    config = load_config(EXAMPLE, {"DISCORD_TOKEN": " abc.def "})

    assert "abc.def" == config.discord.token.get_secret_value()
    assert "abc.def" not in repr(config) + str(config.model_dump())


def test_the_data_folder_can_be_named_in_the_environment(written, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = written('[data]\nfolder = "~/dreams"')

    assert Path.home() / "dreams" == load_config(path, {}).folder
    assert tmp_path == load_config(path, {"DREAMBOT_DATA": str(tmp_path)}).folder
    assert "dreambot" == Config().folder.name


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().queue.per_user = 4  # type: ignore[misc]


def test_the_best_of_all_roles_counts() -> None:
    config = Config.model_validate(
        {
            "queue": {"cooldown_seconds": 5.0},
            "roles": {"1": {"units": 300.0, "cooldown_seconds": 1.0}, "2": {"units": 0.0, "priority": "batch"}},
        }
    )

    assert (200.0, 5.0, Priority.NORMAL) == _units_cooldown_priority(config, [])
    assert (300.0, 1.0, Priority.ROLE) == _units_cooldown_priority(config, [1])
    assert (0.0, 5.0, Priority.BATCH) == _units_cooldown_priority(config, [2])
    assert (0.0, 1.0, Priority.ROLE) == _units_cooldown_priority(config, [1, 2, 3])


def _units_cooldown_priority(config: Config, roles: list[int]) -> tuple[float, float, Priority]:
    standing = standing_of(config, 1, roles)
    return standing.units, standing.cooldown, standing.priority
