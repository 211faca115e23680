"""Envoy's configuration as a Python dict, rendered to JSON (which Envoy reads): no YAML, no escaping.

One template for the embedded stack and for compose; only `Gateway`, its arguments, differ.
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.answers import landing_page, local_replies

SMALL_BODY = 64 * 1024
LARGE_BODY = 32 * 1024 * 1024
BULK_BODY = 4 * 1024 * 1024
IDENTITY_HEADERS = {
    "sub": "x-tuopin-sub",
    "name": "x-tuopin-name",
    "roles": "x-tuopin-roles",
    "divisions": "x-tuopin-divisions",
}
TYPE = "type.googleapis.com/envoy.extensions.filters"
DYNAMIC_DESCRIPTORS = 10_000  # the default of 20 hands an exhausted client a fresh bucket

# Where more than 64 kB may be sent: (path pattern, limit).
LARGE_BODIES = (
    (r"/registry/v1/intakes(/.*)?", LARGE_BODY),
    (r"/cooperative/v1/books/[^/]+/members", BULK_BODY),
)


@dataclass(frozen=True)
class Limit:
    """Requests a second in the long run, and how many at once after a rest."""

    per_second: int
    burst: int

    def bucket(self) -> dict[str, Any]:
        return {"max_tokens": self.burst, "tokens_per_fill": self.per_second, "fill_interval": "1s"}


PER_ADDRESS = Limit(1000, 2000)  # a county office may sit behind one address
PER_CALLER = Limit(400, 800)


@dataclass(frozen=True)
class Gateway:
    """All that differs between one gateway and another."""

    upstreams: Mapping[str, tuple[str, int]]
    address: str
    port: int
    admin_port: int
    jwks: str | None = None  # the keys themselves (embedded) …
    jwks_uri: str | None = None  # … or where an identity provider publishes them (production)
    issuer: str = "tuopin"
    audience: str = "tuopin"
    claims: Mapping[str, str] = field(default_factory=lambda: {claim: claim for claim in IDENTITY_HEADERS})
    practice: bool = False
    origins: Sequence[str] = ()
    per_address: Limit = PER_ADDRESS
    per_caller: Limit = PER_CALLER
    trusted_hops: int = 0
    route_seconds: float = 60
    upload_seconds: float = 120


def render(gateway: Gateway) -> str:
    return json.dumps(configuration(gateway), ensure_ascii=False, indent=1)


def configuration(gateway: Gateway) -> dict[str, Any]:
    clusters = [_cluster(service, *where) for service, where in gateway.upstreams.items()]
    if gateway.jwks_uri:
        clusters.append(_provider_cluster(gateway.jwks_uri))
    return {
        # Loopback alone: draining and stopping go through here.
        "admin": {"address": _socket("127.0.0.1", gateway.admin_port)},
        "static_resources": {"listeners": [_listener(gateway)], "clusters": clusters},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": 10000,
                    },
                }
            ]
        },
    }


def _socket(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}


def _listener(gateway: Gateway) -> dict[str, Any]:
    manager = {
        "@type": f"{TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "server_name": "tuopin",
        "use_remote_address": True,
        "xff_num_trusted_hops": gateway.trusted_hops,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "always_set_request_id_in_response": True,
        "max_request_headers_kb": 32,
        "request_headers_timeout": "10s",
        "request_timeout": f"{gateway.upload_seconds}s",
        # It cuts slow ordinary requests too: above the longest route.
        "stream_idle_timeout": f"{gateway.upload_seconds + 10}s",
        "drain_timeout": "5s",
        "common_http_protocol_options": {
            "idle_timeout": "300s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "early_header_mutation_extensions": [_forget_spoofed_identity()],
        "local_reply_config": local_replies(),
        "access_log": [_access_log()],
        "http_filters": _filters(gateway),
        "route_config": _routes(gateway),
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": "ingress",
        "address": _socket(gateway.address, gateway.port),
        "per_connection_buffer_limit_bytes": 1024 * 1024,
        "filter_chains": [chain],
    }


def _forget_spoofed_identity() -> dict[str, Any]:
    """Before any filter: without a token, or with one that lacks a claim, the client's own header must not pass."""
    return {
        "name": "forget_spoofed_identity",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3"
            ".HeaderMutation",
            "mutations": [{"remove": header} for header in IDENTITY_HEADERS.values()],
        },
    }


def _access_log() -> dict[str, Any]:
    """One JSON line a request. Paths without their query, and no header that names a person."""
    line = {
        "at": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ:ORIG_OR_PATH):512%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "milliseconds": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": "%STREAM_ID%",
        "connection": "%CONNECTION_ID%",
        "upstream": "%UPSTREAM_CLUSTER%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": line},
        },
    }


def _filters(gateway: Gateway) -> list[dict[str, Any]]:
    """Order matters: preflights need no token, the address is limited before the token is checked, the caller after."""
    metadata_key = {"key": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "sub"}]}
    caller = {"metadata": {"descriptor_key": "sub", "source": "DYNAMIC", "metadata_key": metadata_key}}
    return [
        _health_filter(),
        _filter("cors", "cors.v3.Cors", {}),
        _limit_filter("limit_per_address", {"remote_address": {}}, "remote_address", gateway.per_address, told=True),
        _filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", _token_check(gateway)),
        _limit_filter("limit_per_caller", caller, "sub", gateway.per_caller),
        _filter("buffer", "buffer.v3.Buffer", {"max_request_bytes": SMALL_BODY}),
        _filter("router", "router.v3.Router", {"suppress_envoy_headers": True}),
    ]


def _filter(name: str, kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{TYPE}.http.{kind}", **settings}}


def _health_filter() -> dict[str, Any]:
    """Answered here, so that it turns 503 while the gateway drains."""
    at = {"name": ":path", "string_match": {"exact": "/healthz"}}
    return _filter("health_check", "health_check.v3.HealthCheck", {"pass_through_mode": False, "headers": [at]})


def _limit_filter(
    name: str, action: Mapping[str, Any], key: str, limit: Limit, *, told: bool = False
) -> dict[str, Any]:
    """A bucket for each value of the key. Only one of the two limits is told in headers: two would contradict."""
    everything = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    settings = {
        "stat_prefix": name,
        "rate_limits": [{"actions": [action]}],
        "descriptors": [{"entries": [{"key": key}], "token_bucket": limit.bucket()}],
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "max_dynamic_descriptors": DYNAMIC_DESCRIPTORS,
        "always_consume_default_token_bucket": False,
        "filter_enabled": everything,
        "filter_enforced": everything,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03" if told else "OFF",
    }
    return {
        "name": name,
        "typed_config": {"@type": f"{TYPE}.http.local_ratelimit.v3.LocalRateLimit", **settings},
    }


def _token_check(gateway: Gateway) -> dict[str, Any]:
    if gateway.jwks_uri:
        http_uri = {"uri": gateway.jwks_uri, "cluster": "identity_provider", "timeout": "5s"}
        keys: dict[str, Any] = {"remote_jwks": {"http_uri": http_uri, "cache_duration": "300s", "async_fetch": {}}}
    else:
        keys = {"local_jwks": {"inline_string": gateway.jwks}}
    provider = {
        "issuer": gateway.issuer,
        "audiences": [gateway.audience],
        **keys,
        "forward": True,  # the services check it again
        "payload_in_metadata": "payload",
        "require_expiration": True,
        "clock_skew_seconds": 5,
        "jwt_cache_config": {"jwt_cache_size": 1000},
        "claim_to_headers": [
            {"header_name": IDENTITY_HEADERS[claim], "claim_name": name} for claim, name in gateway.claims.items()
        ],
    }
    public = [{"match": match} for service in gateway.upstreams for match in _public_matches(service)]
    guarded = [
        {"match": {"prefix": f"/{service}/v1/"}, "requires": {"provider_name": "token"}}
        for service in gateway.upstreams
    ]
    return {"providers": {"token": provider}, "rules": [*public, *guarded]}


def _public_matches(service: str) -> list[dict[str, str]]:
    return [
        {"prefix": f"/{service}/v1/public/"},
        {"prefix": f"/{service}/docs"},
        {"path": f"/{service}/openapi.json"},
        {"path": f"/{service}/readyz"},
    ]


def _routes(gateway: Gateway) -> dict[str, Any]:
    routes = [_tunnel_route(), _landing_route(gateway)]
    for service in gateway.upstreams:
        routes += _service_routes(service, gateway)
    everywhere = [_header("x-content-type-options", "nosniff")]
    if gateway.practice:
        everywhere.append(_header("tuopin-practice", "1"))
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": routes,
        "typed_per_filter_config": {"envoy.filters.http.cors": _cors(gateway.origins)},
    }
    return {
        "name": "routes",
        "virtual_hosts": [host],
        "response_headers_to_add": everywhere,
        "max_direct_response_body_size_bytes": 16384,
    }


def _tunnel_route() -> dict[str, Any]:
    """CONNECT asks for a tunnel, and there is none: refused at once, where the buffer would wait for an end of it."""
    unbuffered = {"@type": f"{TYPE}.http.buffer.v3.BufferPerRoute", "disabled": True}
    return {
        "match": {"connect_matcher": {}},
        "direct_response": {"status": 403},
        "typed_per_filter_config": {"envoy.filters.http.buffer": unbuffered},
    }


def _landing_route(gateway: Gateway) -> dict[str, Any]:
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return {
        "match": {"path": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": landing_page(practice=gateway.practice)}},
        "response_headers_to_add": [
            _header("content-type", "text/html; charset=utf-8"),
            _header("content-security-policy", policy),
        ],
    }


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _service_routes(service: str, gateway: Gateway) -> list[dict[str, Any]]:
    """From the particular to the general: streams, larger bodies, everything else."""
    large = [
        {
            "match": {"safe_regex": {"regex": pattern}},
            "route": _to(service, gateway.upload_seconds),
            "typed_per_filter_config": {
                "envoy.filters.http.buffer": {
                    "@type": f"{TYPE}.http.buffer.v3.BufferPerRoute",
                    "buffer": {"max_request_bytes": limit},
                }
            },
        }
        for pattern, limit in LARGE_BODIES
        if pattern.startswith(f"/{service}/")
    ]
    streams = {
        "match": {"prefix": f"/{service}/v1/stream"},
        "route": {"cluster": service, "timeout": "0s", "idle_timeout": "0s"},
    }
    status = {"match": {"path": f"/{service}/readyz"}, "route": {**_to(service, 5), "prefix_rewrite": "/readyz"}}
    open_pages = [
        {"match": match, "route": _to(service, gateway.route_seconds)} for match in _public_matches(service)[1:3]
    ]
    everything = {"match": {"prefix": f"/{service}/v1/"}, "route": _to(service, gateway.route_seconds)}
    return [streams, *large, status, *open_pages, everything]


def _to(service: str, seconds: float) -> dict[str, Any]:
    """Retried only where nothing can have happened yet: a restarting service refuses connections at once."""
    retry = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 2}
    return {"cluster": service, "timeout": f"{seconds}s", "retry_policy": retry}


def _cors(origins: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": f"{TYPE}.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in origins],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE",
        "allow_headers": "authorization, content-type, idempotency-key, if-match, if-none-match, traceparent",
        "expose_headers": "etag, location, idempotency-replayed, retry-after, x-request-id, tuopin-practice",
        "max_age": "600",
    }


def _cluster(name: str, host: str, port: int) -> dict[str, Any]:
    protocol = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "common_http_protocol_options": {"idle_timeout": "4s"},  # shorter than the server keeps its own connections
        "explicit_http_config": {"http_protocol_options": {}},
    }
    check = {
        "timeout": "2s",
        "interval": "1s",
        "unhealthy_interval": "1s",
        "no_traffic_interval": "2s",  # the default of a minute keeps a dead host "healthy"
        "no_traffic_healthy_interval": "2s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/readyz"},
    }
    limits = {"max_connections": 512, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 16}
    return {
        "name": name,
        "type": "STATIC" if _is_address(host) else "STRICT_DNS",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _socket(host, port)}}]}],
        },
        "health_checks": [check],
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},  # never send to a host known dead
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol},
    }


def _provider_cluster(uri: str) -> dict[str, Any]:
    """The identity provider, over TLS checked against the system's authorities."""
    scheme, _, rest = uri.partition("://")
    host, _, port = rest.split("/", 1)[0].partition(":")
    encrypted = scheme == "https"
    cluster: dict[str, Any] = {
        "name": "identity_provider",
        "type": "STATIC" if _is_address(host) else "STRICT_DNS",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "identity_provider",
            "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": _socket(host, int(port or (443 if encrypted else 80)))}}]}
            ],
        },
    }
    if encrypted:
        authorities = {"trusted_ca": {"filename": "/etc/ssl/certs/ca-certificates.crt"}}
        names = [{"san_type": "DNS", "matcher": {"exact": host}}]
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": host,
                "common_tls_context": {"validation_context": {**authorities, "match_typed_subject_alt_names": names}},
            },
        }
    return cluster


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
