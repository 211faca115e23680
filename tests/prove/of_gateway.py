"""Guards of the one door from outside."""

from __future__ import annotations

from tests.prove.breaks import Break

TEMPLATE = "gateway/template.py"
GATEWAY = "tests/stack/test_gateway.py::"

BREAKS = [
    Break(
        "gateway: a tunnel is waited for",
        "gateway/template.py",
        "routes = [_tunnel_route(), _landing_route(gateway)]",
        "routes = [_tunnel_route(), _landing_route(gateway)][1:]",
        GATEWAY + "test_what_is_no_http_is_told_so_and_reaches_nobody",
    ),
    Break(
        "gateway: tokens are not asked for",
        TEMPLATE,
        '{"match": {"prefix": f"/{service}/v1/"}, "requires": {"provider_name": "token"}}',
        '{"match": {"prefix": f"/{service}/v1/"}}',
        GATEWAY + "test_any_other_token_is_refused",
    ),
    Break(
        "gateway: a token for another system opens ours",
        TEMPLATE,
        '        "audiences": [gateway.audience],\n',
        "",
        GATEWAY + "test_any_other_token_is_refused",
    ),
    Break(
        "gateway: identity headers written with underscores pass",
        TEMPLATE,
        '"headers_with_underscores_action": "DROP_HEADER",',
        '"headers_with_underscores_action": "ALLOW",',
        GATEWAY + "test_public_routes_need_no_token_and_carry_no_identity",
    ),
    Break(
        "gateway: dots in a path lead past the token",
        TEMPLATE,
        '"normalize_path": True,',
        '"normalize_path": False,',
        GATEWAY + "test_no_way_of_writing_a_path_slips_past_the_token",
    ),
    Break(
        "gateway: any body may be large",
        TEMPLATE,
        '{"max_request_bytes": SMALL_BODY}',
        '{"max_request_bytes": LARGE_BODY}',
        GATEWAY + "test_bodies_are_limited_by_route",
    ),
    Break(
        "gateway: a caller is not limited",
        TEMPLATE,
        '        _limit_filter("limit_per_caller", caller, "sub", gateway.per_caller),\n',
        "",
        GATEWAY + "test_a_caller_is_limited_whichever_address_he_uses_and_others_are_not",
    ),
]
