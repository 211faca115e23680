"""Settings: read once, checked whole, a wrong one named."""

from __future__ import annotations

import pytest

from shared.settings import Settings, SettingsWrong

GOOD = {
    "TUOPIN_SERVICE": "registry",
    "TUOPIN_HOME": "/var/lib/tuopin",
    "TUOPIN_DATABASE_URL": "postgresql://registry_api@127.0.0.1/registry",
    "TUOPIN_KEY_RING_FILE": "/var/lib/tuopin/keys.json",
    "TUOPIN_JWKS": "/var/lib/tuopin/jwks.json",
}


def test_they_are_read_from_the_environment() -> None:
    settings = Settings.read({**GOOD, "TUOPIN_PORT": "8101", "TUOPIN_PRACTICE": "true", "PORT": "1"})
    assert (settings.service, settings.port, settings.practice) == ("registry", 8101, True)


@pytest.mark.parametrize(
    ("change", "named"), [({"TUOPIN_PORT": "many"}, "TUOPIN_PORT"), ({"TUOPIN_JWKS": None}, "TUOPIN_JWKS")]
)
def test_a_wrong_or_missing_one_is_named(change: dict[str, str | None], named: str) -> None:
    given = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(SettingsWrong) as wrong:
        Settings.read(given)
    assert named in str(wrong.value)
