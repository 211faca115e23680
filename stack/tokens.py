"""The embedded stack's own tokens: an ES256 key pair made once, its public half for the gateway and the services.

A production gateway points at an OIDC provider instead; the claims are the same.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from shared.values import DivisionCode, ValueWrong
from stack.home import Home, kept_secret, write_whole
from stack.problems import StackProblem

ISSUER = AUDIENCE = "tuopin"
ALGORITHM = "ES256"


def signing_key(home: Home) -> ECKey:
    """The private key, made once, readable by its owner alone."""
    return ECKey.import_key(kept_secret(home.secrets / "signing_key.json", _new_key))


def _new_key() -> dict[str, Any]:
    key = ECKey.generate_key("P-256", parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return dict(key.as_dict(private=True))


def public_keys(home: Home) -> dict[str, Any]:
    return {"keys": [signing_key(home).as_dict(private=False)]}


def write_public_keys(home: Home) -> Path:
    """The JWKS file that gateway and services read."""
    path = home.config / "jwks.json"
    write_whole(path, public_keys(home))
    return path


def check_claims(roles: Sequence[str], divisions: Sequence[str]) -> None:
    """A slip in a role would give no right, one in a division no rows: better said now than by every answer."""
    from shared.auth import Role  # imported here: it brings SQLAlchemy along, and the watcher needs no more than keys

    known = [role.value for role in Role]
    for role in roles:
        if role not in known:
            raise StackProblem(f"there is no role {role!r}", f"name one of {', '.join(known)}")
    for division in divisions:
        try:
            DivisionCode.parse(division)
        except ValueWrong as wrong:
            raise StackProblem(str(wrong), "give 2, 4, 6, 9 or 12 digits: 623023 is a whole county") from None


def make_token(
    home: Home, *, sub: str, name: str, roles: Sequence[str], divisions: Sequence[str], minutes: int = 60
) -> str:
    """A signed token. Its times are the machine's: tokens are plumbing, not domain time."""
    now = datetime.now(UTC)
    key = signing_key(home)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": sub,
        "name": name,
        "roles": list(roles),
        "divisions": list(divisions),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(minutes=minutes)).timestamp()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}, claims, key, algorithms=[ALGORITHM])
