"""The page at `/` in a real browser, and what describes the server to programs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.serving.server.page import _STYLE, _card, _field, examples_of, file_of
from pipeline.serving.server.rules import rules_of
from pipeline.serving.versions import Manifest
from tests.serving.server.conftest import ROW, ROWS, THRESHOLD, TOLD, Server, probability, push, seal
from trainer.artifact_names import SIGNATURES_FILE

EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("spans", "text"),
    [((0,), None), ((), None), ((1, 2, 4), "1 to 2, 4"), ((20250301, 20250302), "2025-03-01 to 2025-03-02")],
)
def test_the_spans_of_the_table_are_as_people_name_them(spans: tuple[int, ...], text: str | None) -> None:
    """A table without spans has none, and a span that was left out is no part of a range."""
    manifest = Manifest("toys", "7", "2026-01-01T00:00", "Ann", {}, spans, "", {}, "binary", (), {}, {})
    served = SimpleNamespace(loaded=(None, None), states={})
    assert (
        dict(_card(served, SimpleNamespace(version=1, since="", manifest=manifest))).get("spans of the table") == text
    )


def test_the_page_is_its_own_files_and_they_hold_no_model() -> None:
    for path in ("/", "/page.js", "/page.css"):
        found = file_of(path)
        assert found
        headers, content = dict(found[0]), found[1].decode()
        assert headers[b"content-security-policy"].startswith(b"default-src 'none'; script-src 'self';")
        assert b"unsafe" not in headers[b"content-security-policy"]
        assert "http:" not in content
        assert "https:" not in content
        assert "innerHTML" not in content
        assert " style=" not in content
    assert file_of("/page.html") is None
    style = file_of("/page.css")
    assert style
    assert style[1].startswith(_STYLE.read_bytes())


@pytest.mark.slow
@pytest.mark.long
def test_a_person_tries_the_model(server: Server, chromium: Any) -> None:
    said: list[str] = []

    def complain(what: Any) -> None:
        text = getattr(what, "text", str(what))
        if "400 (Bad Request)" not in text:
            said.append(text)

    for width, scheme in ((390, "dark"), (1440, "light")):
        page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", complain)
        page.on("pageerror", lambda error: complain(error))
        page.on("request", lambda request: request.url.startswith(server.rest) or complain(request.url))
        page.goto(server.rest)
        page.wait_for_selector(".figures dd")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("h1").inner_text() == "flights"
        assert "ann@desk" in page.locator("#card").inner_text()
        labels = page.evaluate("[...document.querySelectorAll('#model :is(input, select)')].map(i => i.labels.length)")
        assert labels == [1, 1, 1, 1]
        page.select_option("#field-0", "DL")
        page.fill("#field-1", "")
        page.fill("#field-2", "70")
        page.click("button[value=explain]")
        page.wait_for_selector("#answer h3")
        expected = probability({"carrier": "DL", "seats": 70})
        text = page.locator("#answer").inner_text()
        assert f"{100 * expected:.1f} %" in text
        assert ("late: late" if expected >= THRESHOLD else "late: on time") in text
        assert "seats\n70" in text
        assert "miles\nmissing" in text
        assert '{"instances":[{"carrier":"DL","miles":null,"seats":70}]}' in page.locator("#curl").inner_text()
        page.fill("#field-2", "1.5")
        page.click("button[value=predict]")
        page.wait_for_selector("#answer.bad")
        assert "column seats, row 0: it has to be a whole number" in page.locator("#answer").inner_text()
        page.close()
    assert said == []


@pytest.mark.slow
@pytest.mark.long
def test_words_of_users_stay_words_and_a_token_is_asked_for(
    serve: Callable[..., Server], exported: dict[str, Path], chromium: Any, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(exported["first"], model)
    told = json.loads((model / SIGNATURES_FILE).read_text())
    told["label"] |= {"name": EVIL, "classes": [EVIL, "late"]}
    told["signatures"]["serving_tensors"]["inputs"]["carrier"] |= {"feature": EVIL, "values": ["UA", "DL", "B6", EVIL]}
    (model / SIGNATURES_FILE).write_text(json.dumps(told))
    seal(model)
    push(model, tmp_path / "007", 1)
    (tmp_path / "tokens").write_text("sesame\n")
    server = serve("--name", f"x={tmp_path / '007'}", "--tokens", tmp_path / "tokens")
    assert server.get("/page/models.json").status_code == server.get("/openapi.json").status_code == 401
    assert server.get("/").status_code == 200
    page = chromium.new_page()
    complaints: list[str] = []
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.rest)
    page.wait_for_selector("#token:not([hidden])")
    page.fill("#bearer", "sesame")
    page.click("#token button")
    page.wait_for_selector(".field")
    page.click("button[value=predict]")
    page.wait_for_selector("#answer table")
    assert EVIL in page.locator(".fields").inner_text()
    assert EVIL in page.locator("#answer").inner_text()
    assert page.locator("img").count() == 0
    assert complaints == []
    page.close()


@pytest.mark.slow
def test_a_folder_that_only_looks_like_a_version_is_one_model_of_version_1(
    serve: Callable[..., Server], exported: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(exported["first"], tmp_path / "007")
    server = serve("--name", f"flights={tmp_path / '007'}")
    (told,) = server.get("/v1/models/flights").json()["model_version_status"]
    assert (told["version"], told["state"]) == ("1", "AVAILABLE")


@pytest.mark.slow
def test_openapi_tells_which_rows_are_answered(server: Server) -> None:
    import jsonschema

    document = server.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    row = document["components"]["schemas"]["Row0"]
    jsonschema.Draft202012Validator.check_schema(row)
    assert list(row["properties"]) == list(TOLD)
    good = [ROW, *ROWS, {"seats": 3}, {"seats": 3.0, "miles": None, "carrier": None}]
    bad = [{}, {"seats": None}, {"seats": 1.5}, ROW | {"miles": 5001}, ROW | {"carrier": "XX"}, ROW | {"else": 1}]
    for rows, code in ((good, 200), (bad, 400)):
        for each in rows:
            assert jsonschema.Draft202012Validator(row).is_valid(each) == (code == 200), each
            assert server.post("/v1/models/flights:predict", {"instances": [each]}).status_code == code, each
    asked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if method == "get":
                assert server.get(path).status_code == 200, path
            elif "example" in content:
                answer = server.post(path, content["example"])
                assert answer.status_code == 200, answer.text
                jsonschema.validate(
                    answer.json(), operation["responses"]["200"]["content"]["application/json"]["schema"]
                )
                asked += 1
    assert asked == 3


def test_examples_are_numbers_as_the_table_had_them() -> None:
    """The form read 14.359999656677246 where the table has 14.36."""
    column = np.array(
        [np.float32(14.36), 3.0, np.pi, 1e300, np.nan, np.float32(1e-30), 2.0**53, -(2.0**60)], np.float64
    )
    model: Any = SimpleNamespace(kept_columns=lambda: {"price": column}, rules={}, signatures=())
    assert [row["price"] for row in examples_of(model)] == [14.36, 3, np.pi, 1e300, None, 1e-30, 2**53, -(2**60)]


def test_bounds_and_choices_have_all_of_their_digits() -> None:
    told = TOLD["seats"] | {"min": -0.1234567, "max": 2**20, "values": [1234567.0, 2.0**53, 0.5]}
    field = _field("seats", rules_of({"seats": told})["seats"])
    assert field["hint"].startswith("a whole number, -0.1234567 to 1,048,576,")
    assert field["values"] == ["0.5", "1234567", "9007199254740992"]


@pytest.mark.extra
def test_the_form_and_the_answer_have_all_digits(chromium: Any) -> None:
    asked: list[str] = []
    answer = '{"predictions":[{"prediction":[1152921504606846976],"value":1152921504606846976}]}'
    parts = {"typical": 1.5, "prediction": 2.0**53, "output": None, "gap": 0, "parts": []}
    parts["parts"] = [{"feature": "big", "value": 2**60, "part": 2.0**53}]
    field = {"name": "big", "feature": "big", "text": False, "optional": True, "values": None, "other_values": True}
    model = {"name": "x'$y", "version": "1", "words": "", "label": "price", "classes": [], "card": [], "explains": True,
             "fields": [field | {"hint": ""}], "examples": [{"big": 2**60}, {"big": 1e300}]}  # fmt: skip

    def reply(route: Any) -> None:
        path = re.sub("^http://served|[?].*$", "", route.request.url)
        if path.endswith(":predict"):
            asked.append(route.request.post_data)
        bodies = {"/page/models.json": json.dumps({"version": "0", "models": [model]}),
                  "/page/figures.json": json.dumps({"models": {}}), "/v1/models/x'%24y:predict": answer,
                  "/v1/models/x'%24y:explain": json.dumps({"explanations": [parts]})}  # fmt: skip
        if found := file_of(path):
            route.fulfill(body=found[1], content_type=dict(found[0])[b"content-type"].decode())
        else:
            route.fulfill(body=bodies[path], content_type="application/json")

    page = chromium.new_page()
    page.route("**/*", reply)
    page.goto("http://served/")
    page.wait_for_selector("#field-0")
    assert page.input_value("#field-0") == "1152921504606846976"
    page.fill("#field-0", "9007199254740993")
    page.click("button[value=explain]")
    page.wait_for_selector("#answer h3")
    assert asked == ['{"instances":[{"big":9007199254740993}]}']
    command = ["curl", "http://served/v1/models/x'%24y:predict", "-d", *asked]
    assert shlex.split(page.inner_text("#curl")) == command, "a name may hold a quote"
    text = page.inner_text("#answer")
    assert "price: 1,152,921,504,606,846,976" in text
    assert "this one 9,007,199,254,740,992" in text
    assert "1152921504606846976" in text
    assert answer in page.text_content("#answer pre")
    page.click("#another")
    assert page.input_value("#field-0") == "1e+300"
    page.close()
