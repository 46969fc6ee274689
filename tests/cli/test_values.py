"""Where settings come from, which wins, and what is said of those that are wrong."""

from pathlib import Path

import pytest

from stompede.cli._values import fields, load_settings
from stompede.errors import ConfigurationError
from stompede.server.misfits import variable


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stompede.toml"
    path.write_text(text)
    return path


def refusal(config: Path | None = None, overrides: list[str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(config, overrides or [])
    return str(refused.value)


def test_command_line_wins_over_environment_over_file_over_default(tmp_path, monkeypatch):
    config = write(tmp_path, "max_sessions = 1\nmax_topics = 1\nmax_handlers = 1\n")
    monkeypatch.setenv("STOMPEDE_MAX_TOPICS", "2")
    monkeypatch.setenv("STOMPEDE_MAX_HANDLERS", "2")
    effective = load_settings(config, ["max_handlers=3"])
    node = effective.node
    assert (node.max_sessions, node.max_topics, node.max_handlers, node.max_subscriptions) == (1, 2, 3, 1000)
    assert effective.sources == {
        "max_sessions": str(config),
        "max_topics": "STOMPEDE_MAX_TOPICS",
        "max_handlers": "--set max_handlers",
    }


def test_the_file_may_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STOMPEDE_CONFIG", str(write(tmp_path, "port = 9000")))
    assert load_settings().listen.port == 9000


def test_a_table_of_the_file_holds_the_settings_of_a_service(tmp_path):
    effective = load_settings(write(tmp_path, "[location]\nexpire_s = 30\n"))
    assert effective.values["location.expire_s"] == 30
    assert effective.environment == {"STOMPEDE_LOCATION_EXPIRE_S": "30"}


def test_lists_are_lists_in_the_file_and_commas_elsewhere(tmp_path, monkeypatch):
    config = write(tmp_path, 'endpoints = ["/stomp", "/ws"]\nallowed_origins = []\n')
    monkeypatch.setenv("STOMPEDE_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")
    effective = load_settings(config, ["app_prefixes=/app,/rider"])
    assert effective.node.endpoints == ("/stomp", "/ws")
    assert effective.node.allowed_origins == ()
    assert effective.node.trusted_proxies == ("10.0.0.0/8", "192.0.2.1")
    assert effective.node.app_prefixes == ("/app", "/rider")


def test_what_the_application_reads_from_the_environment_is_alike(tmp_path, monkeypatch):
    config = write(tmp_path, 'endpoints = ["/a", "/b"]\nanonymous = false\njwt_leeway_s = 1.5\n')
    given = load_settings(config)
    for name, text in given.environment.items():
        monkeypatch.setenv(name, text)
    assert load_settings().values == given.values


def test_an_unknown_name_is_refused_with_the_one_that_was_meant(tmp_path, monkeypatch):
    assert (
        refusal(overrides=["max_sesions=3"]) == "--set: max_sesions is no setting; did you mean max_sessions?"
    )
    config = write(tmp_path, "max_sesions = 3")
    assert refusal(config) == f"{config}: max_sesions is no setting; did you mean max_sessions?"
    config = write(tmp_path, "[locations]\nexpire_s = 3")
    assert refusal(config) == f"{config}: [locations] is no setting; did you mean location?"
    config = write(tmp_path, "[location]\nexpires = 3")
    assert "did you mean location.expire_s?" in refusal(config)
    monkeypatch.setenv("STOMPEDE_MAX_SESIONS", "3")
    assert refusal() == (
        "the environment: STOMPEDE_MAX_SESIONS is no setting; did you mean STOMPEDE_MAX_SESSIONS?"
    )


def test_a_name_like_no_other_points_to_the_list():
    assert refusal(overrides=["qqq=1"]) == "--set: qqq is no setting; `stompede settings` lists the names"


def test_a_value_that_does_not_fit_is_told_with_where_it_was_written(tmp_path, monkeypatch):
    assert refusal(overrides=["max_sessions=many"]) == (
        "--set max_sessions=many: Input should be a valid integer, unable to parse string as an integer"
    )
    config = write(tmp_path, "max_sessions = 0")
    assert refusal(config) == f"{config}: max_sessions=0: Input should be greater than 0"
    monkeypatch.setenv("STOMPEDE_MAX_SESSIONS", "-1")
    assert refusal() == "STOMPEDE_MAX_SESSIONS=-1: Input should be greater than 0"


@pytest.mark.parametrize(
    "name", ["port", "max_sessions", "idle_timeout_s", "bus", "endpoints", "location.expire_s"]
)
def test_true_in_the_file_is_no_number_and_no_text(tmp_path, name):
    table, _, field = name.rpartition(".")
    config = write(tmp_path, f"[{table}]\n{field} = true\n" if table else f"{field} = true\n")
    assert refusal(config) == f"{config}: {name}=true: true and false are no values of this setting"


def test_endless_times_are_refused():
    assert (
        refusal(overrides=["outbound_age_s=inf"])
        == "--set outbound_age_s=inf: Input should be a finite number"
    )
    assert "finite" in refusal(overrides=["location.expire_s=inf"])


def test_all_that_is_wrong_is_told_at_once():
    told = refusal(overrides=["max_sessions=0", "log_level=loud"]).splitlines()
    assert [line.partition("=")[0] for line in told] == ["--set max_sessions", "--set log_level"]


def test_the_value_of_a_secret_is_not_told():
    assert "hunter2" not in refusal(overrides=["jwt_secret=hunter2", "jwt_secrets=hunter2"])


def test_a_key_file_without_its_certificate_is_refused():
    assert (
        refusal(overrides=["keyfile=key.pem"]) == "the private key needs its certificate: give certfile, too"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("port = ", "is not TOML"), ("[log]\nlevel = 1", "did you mean location?"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, said):
    path = tmp_path / "missing.toml" if text is None else write(tmp_path, text)
    assert said in refusal(path).replace("`stompede settings` lists the names", "did you mean location?")


def test_an_option_without_a_value_shows_how_to_write_one():
    assert refusal(overrides=["port"]) == "--set port has no value; write --set port=VALUE"


def test_hyphens_are_taken_for_underscores_on_the_command_line():
    assert load_settings(overrides=["max-sessions=7"]).node.max_sessions == 7


def test_variables_of_tests_of_kubernetes_and_of_operators_are_no_settings(monkeypatch):
    for name in (
        "STOMPEDE_TEST_DATA", "STOMPEDE_SERVICE_HOST", "STOMPEDE_PORT_8080_TCP_ADDR", "STOMPEDE_TOKEN",
    ):  # fmt: skip
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("STOMPEDE_PORT", "tcp://10.0.0.7:80")
    assert load_settings().listen.port == 8080


def test_no_two_settings_have_one_variable():
    names = [variable(name) for name in fields()]
    assert len(names) == len(set(names))


def test_every_setting_says_what_it_means():
    silent = [name for name, (model, field) in fields().items() if not model.model_fields[field].description]
    assert silent == []


def test_an_option_is_named_as_it_was_written() -> None:
    with pytest.raises(ConfigurationError, match=r"^--tcp-port=99999: ") as refused:
        load_settings(options={"tcp_port": "99999"})
    assert "--set" not in str(refused.value)
