"""Tokens, TLS, limits, and what hostile clients send: always an answer, never a crash, no 5xx but 503."""

from __future__ import annotations

import json
import math
import random
import socket
import ssl
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import prediction_service_pb2_grpc

from pipeline.errors import ConfigError
from pipeline.serving.server.access import ADMIN, READ, Access
from pipeline.serving.server.json_text import parse
from pipeline.serving.server.refusal import Code, Refusal
from tests.serving.server.conftest import ROW, Server, probability, push
from tests.serving.server.test_grpc import asking
from tests.waiting import eventually

PREDICT = "/v1/models/flights:predict"
BODY = json.dumps({"instances": [ROW]})


def test_tokens() -> None:
    access = Access(["# all", "plain", "read next # soon", "admin boss", ""])
    for token, role in [("plain", READ), ("next", READ), ("boss", READ), ("boss", ADMIN)]:
        access.check(f"Bearer {token}".encode(), role)
        access.check(f"bearer  {token} ".encode(), role)
    for header in (
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer no",
        b"Basic plain",
        b"plain",
        b"Bearer \xff",
        b"Bearer plain boss",
    ):
        with pytest.raises(Refusal) as caught:
            access.check(header, READ)
        assert caught.value.code == Code.UNAUTHENTICATED
    with pytest.raises(Refusal) as caught:
        access.check(b"Bearer plain", ADMIN)
    assert caught.value.code == Code.PERMISSION_DENIED
    Access([]).check(b"", ADMIN)
    with pytest.raises(ConfigError, match="a line of tokens"):
        Access(["write x"])


@pytest.fixture(scope="module")
def guarded(exported: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with a token, TLS and small limits; and its certificate."""
    from tests.serving.server.conftest import start

    folder = tmp_path_factory.mktemp("guarded")
    push(exported["first"], folder / "flights", 1)
    certificate, key = self_signed(folder)
    (folder / "tokens").write_text("read file-token\n")
    server = start(
        "--model", folder / "flights", "--tokens", folder / "tokens", "--tls-certificate", certificate,
        "--tls-key", key, "--max-body-mb", "1", "--max-rows", "10", "--max-connections", "1",
        environment={"LONGHAUL_SERVE_TOKENS": "read one,admin two"},
    )  # fmt: skip
    yield server, certificate
    assert server.end() == 0


def self_signed(folder: Path) -> tuple[Path, Path]:
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / "server.pem", folder / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return files


@pytest.mark.slow
def test_certificates_and_tokens_are_read_again_when_their_files_change(
    exported: dict[str, Path], serve: Callable[..., Server], tmp_path: Path
) -> None:
    push(exported["first"], tmp_path / "flights", 1)
    certificate, key = self_signed(tmp_path)
    tokens = tmp_path / "tokens"
    tokens.write_text("one\n")
    server = serve(
        "--model", tmp_path / "flights", "--tokens", tokens, "--tls-certificate", certificate, "--tls-key", key
    )

    def shown(where: str) -> str:
        host, _, port = where.removeprefix("https://").rpartition(":")
        return ssl.get_server_certificate((host, int(port)), timeout=60)

    def status(token: str) -> int:
        return server.get("/v1/models/flights", verify=False, headers={"Authorization": f"Bearer {token}"}).status_code

    first = certificate.read_text()
    assert shown(server.rest) == shown(server.grpc) == first
    certificate.write_text("no certificate")
    tokens.write_text("# none\n")
    eventually(lambda: server.errors().count("those from before go on") == 2, 60)
    assert shown(server.rest) == shown(server.grpc) == first
    assert status("one") == 200
    self_signed(tmp_path)
    tokens.write_text("two\n")
    eventually(lambda: server.errors().count("count from now on") >= 2, 60)
    assert certificate.read_text() != first
    assert shown(server.rest) == shown(server.grpc) == certificate.read_text()
    assert (status("one"), status("two")) == (401, 200)
    # A client of TensorFlow Serving's gRPC, which trusts the new one.
    with grpc.secure_channel(server.grpc, grpc.ssl_channel_credentials(certificate.read_bytes())) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        found = stub.Predict(asking([ROW]), metadata=[("authorization", "Bearer two")], timeout=60)
        assert found.outputs["prediction"].float_val[0] == pytest.approx(probability(ROW), abs=1e-6)


@pytest.mark.slow
def test_tokens_tls_and_limits(guarded: tuple[Server, Path]) -> None:
    server, certificate = guarded
    assert server.rest.startswith("https://")
    assert any("Authorization: Bearer TOKEN" in line for line in server.told)
    trust = ssl.create_default_context(cafile=str(certificate))
    with httpx.Client(base_url=server.rest, verify=trust, trust_env=False, timeout=60) as client:

        def post(token: str, body: str = BODY, path: str = PREDICT) -> httpx.Response:
            return client.post(path, content=body, headers={"Authorization": f"Bearer {token}"})

        for token in ("file-token", "one", "two"):
            assert post(token).status_code == 200
        refused = post("three")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        for path in ("/v1/models/flights", "/v1/models/flights/metadata", "/v2/models/flights", "/metrics"):
            assert client.get(path).status_code == 401
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        many = post("one", json.dumps({"instances": [ROW] * 11}))
        assert (many.status_code, many.json()["error"]) == (
            400, "11 rows are too many for one request: 10 are allowed",
        )  # fmt: skip
        values = {"whole": ("INT32", [6, 2], 1), "text_bytes": ("BYTES", [6], "a"), "flag": ("BOOL", [6], True),
                  "long": ("INT64", [6], 1)}  # fmt: skip
        inputs = [
            {"name": name, "datatype": kind, "shape": shape, "data": [value] * math.prod(shape)}
            for name, (kind, shape, value) in values.items()
        ]
        wide = json.dumps({"parameters": {"signature_name": "every_kind"}, "inputs": inputs})  # 12 values, but 6 rows
        answered = post("one", wide, "/v2/models/flights/infer")
        assert answered.status_code == 200, answered.text
        long = post("one", json.dumps({"inputs": {k: [v] for k, v in (ROW | {"carrier": "x" * 2_000_000}).items()}}))
        assert (long.status_code, long.json()["error"]) == (413, "the body is too large: 1048576 bytes are allowed")
        chunks = client.post(PREDICT, content=iter([b" " * 600_000] * 2), headers={"Authorization": "Bearer one"})
        assert chunks.status_code == 413
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    with grpc.secure_channel(server.grpc, credentials) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(asking([ROW]), timeout=60)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        found = stub.Predict(asking([ROW]), metadata=[("authorization", "Bearer one")], timeout=60)
        assert found.outputs["prediction"].float_val[0] == pytest.approx(probability(ROW), abs=1e-6)


HOSTILE: list[bytes] = [
    b"[" * 100_000, b'{"a":' * 100_000, b'{"instances":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"instances": [' + b"9" * 100_000 + b"]}", b'{"instances": [{"seats": ' + b"9" * 400 + b"}]}",
    b'{"instances": [1e999]}', b'{"instances": [-1e-999]}',
    b'{"instances": [{"seats": 1e400, "miles": NaN}]}', b'{"instances": [{"seats": NaN}]}',
    b'{"instances": [{"seats": Infinity}]}', b'{"instances": [{"seats": 1e308}]}',
    b'{"instances": [{"carrier": "\\ud800", "seats": 1}]}',
    b'{"instances": [{"carrier": "\xff\xfe", "seats": 1}]}', b'{"instances": [{"carrier": "\\u0000", "seats": 1}]}',
    b'{"seats": 1, "seats": 2, "instances": [{"seats": 1, "seats": "x"}]}', b"\xef\xbb\xbf{}", b"\x00", b"   ",
    b'{"instances": [{"\xf0\x9f\x98\x80": 1}]}', b'{"signature_name": {"b64": ""}}',
    b'{"signature_name": "every_kind", "instances": [{"whole": [1], "text_bytes": "a", "flag": true, "long": 1}]}',
    b'{"signature_name": "every_kind", "instances": [{"whole": [1,2], "text_bytes": "a", "flag": true, "long": 9e18}]}',
    b'{"signature_name": "half_plus_two", "inputs": []}', b'{"signature_name": "half_plus_two", "inputs": [[]]}',
    b'{"inputs": {"carrier": [], "miles": [], "seats": []}}', b'{"inputs": null}', b'{"instances": null}',
    b'{"instances": [null]}', b'{"instances": [{}]}', b'{"instances": [[{}]]}', b'{"instances": [{"b64": "!"}]}',
    b'{"instances": ["not an example"]}', b'{"examples": [{"seats": [1, 2, 3]}]}', b'{"examples": [null]}',
    b'{"examples": [{"seats": 1e39}]}', b'{"examples": [{"miles": "text", "seats": 1}]}', b'{"examples": [{"": []}]}',
    b'{"context": {"a": null}, "examples": [{}]}', b"{}", b"null", b"1", b'"x"', b"{" + b'"a":1,' * 20_000 + b'"b":1}',
]  # fmt: skip
PATHS = [
    PREDICT, f"{PREDICT}?strict=1", "/v1/models/flights:classify", "/v1/models/flights:regress",
    "/v2/models/flights/infer", "/v1/models/flights:explain", f"{PREDICT}?detail=1",
]  # fmt: skip


@pytest.mark.slow
def test_hostile_bodies_are_answered(server: Server) -> None:
    with server.client as client:
        for body in HOSTILE:
            for path in PATHS:
                found = client.post(path, content=body)
                assert found.status_code in (200, 400), (found.status_code, body[:80], found.text)
                json.loads(found.content)
    assert server.version() == 1
    assert server.process.poll() is None


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = st.sampled_from([*ROW, "instances", "inputs", "examples", "b64", "x", "name", "shape", "data", "datatype", ""])
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
BODIES = st.dictionaries(
    st.sampled_from(["instances", "inputs", "examples", "context", "signature_name", "parameters", "outputs", "id"]),
    VALUES | st.sampled_from(["serving_tensors", "serving_default", "mean", "every_kind", "classification"]),
    max_size=4,
)


@pytest.mark.slow
def test_any_json_is_answered(server: Server) -> None:
    with server.client as client:

        @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(body=BODIES, path=st.sampled_from(PATHS))
        def answered(body: Any, path: str) -> None:
            found = client.post(path, content=json.dumps(body).encode())
            assert found.status_code in (200, 400, 501), (found.status_code, body, found.text)

        answered()
    assert server.version() == 1


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_reading_json_gives_an_object_or_a_refusal(body: bytes) -> None:
    try:
        found: object = parse(body)
    except Refusal as refusal:
        found = {refusal.http: refusal.code}
    assert isinstance(found, dict)
    assert set(found) == {400} or not any(isinstance(key, int) for key in found)


@pytest.mark.slow
def test_hostile_bytes_on_the_socket_do_no_harm(server: Server) -> None:
    draw = random.Random(3)
    host, _, port = server.rest.removeprefix("http://").rpartition(":")
    letters = string.printable.encode()
    paths = [PREDICT.encode(), b"/v1/../etc/passwd", b"//", b"/%ff%00", b"*", b"/v2/models/%2e%2e"]
    for turn in range(200):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            if turn % 2:
                rubbish = bytes(draw.choices(range(256), k=draw.randrange(1, 400)))
            else:
                body = bytes(draw.choices(letters, k=draw.randrange(50)))
                rubbish = b"%s %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (
                    draw.choice([b"POST", b"GET", b"HEAD", b"BREW", b""]),
                    draw.choice(paths),
                    draw.choice([len(body), 0]), body,
                )  # fmt: skip
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
            assert b" 500 " not in answer.split(b"\r\n")[0], (rubbish, answer)
    assert server.version() == 1


@pytest.mark.slow
def test_no_path_of_a_request_reaches_the_file_system(server: Server) -> None:
    for path in (
        "/v1/models/..%2f..%2fetc:predict",
        "/v1/models/%2e%2e/metadata",
        "/../../etc/passwd",
        "/v2/models/..%2f",
    ):
        assert server.client.request("POST" if path.endswith("predict") else "GET", path).status_code in (400, 404)


@pytest.mark.slow
def test_names_of_models_that_are_none_do_not_fill_the_metrics(server: Server) -> None:
    for number in range(20):
        server.post(f"/v1/models/none-{number}:predict", BODY)
    assert "none-1" not in server.get("/metrics").text
