"""Asking an endpoint: what is sent, what comes back, and how much of it at once."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from api_graph import __version__
from api_graph.errors import ApiGraphWarning, BadInput, Cancelled
from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint, background, limits, try_endpoint
from api_graph.lvlm.remote.limits import Rate
from api_graph.lvlm.request import Answer, Request, Sampling
from tests.lvlm.remote.conftest import KEY
from tests.lvlm.remote.server import Server, after, says, status

Make = Callable[..., Endpoint]
GREEDY = Sampling(max_tokens=7)


def ask(endpoint: Endpoint, *questions: str, **more: Any) -> list[Answer | Exception]:
    return ask_endpoint(endpoint, [Request(question) for question in questions], GREEDY, **more)


def texts(answers: list[Answer | Exception]) -> list[str]:
    return [answer.text if isinstance(answer, Answer) else type(answer).__name__ for answer in answers]


# ------------------------------------------------------------------------------------------ what is sent


def test_a_request_on_the_wire(server: Server, endpoint: Make) -> None:
    red, blue = Image.new("RGB", (3, 2), "red"), Image.new("RGB", (1, 1), "blue")
    ask_endpoint(endpoint(detail="high"), [Request("What?", (red, blue), system="Be brief.")], GREEDY)
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["User-Agent"] == f"api-graph/{__version__}"
    assert seen.headers["Content-Type"] == "application/json"
    system, user = seen.body.pop("messages")
    assert seen.body == {"model": "m", "max_tokens": 7, "temperature": 0.0}
    assert system == {"role": "system", "content": "Be brief."}
    text, *images = user["content"]
    assert text == {"type": "text", "text": "What?"}
    assert [(one["type"], one["image_url"]["detail"]) for one in images] == [("image_url", "high")] * 2
    assert [pixels_of(one["image_url"]["url"]) for one in images] == [((3, 2), (255, 0, 0)), ((1, 1), (0, 0, 255))]


def test_a_keyless_profile_sends_no_authorization(server: Server, endpoint: Make) -> None:
    assert texts(ask(endpoint(key_env=None), "What?")) == ["red"]
    assert "Authorization" not in server.seen[0].headers


def test_sampling_as_the_profile_has_it(server: Server, endpoint: Make) -> None:
    drawn = Sampling(max_tokens=9, temperature=0.5, seed=3)
    fields = [{}, {"send_seed": False}, {"send_sampling": False, "token_field": "max_completion_tokens"}]
    for one in fields:
        ask_endpoint(endpoint(**one), [Request("What?")], drawn)
    bodies = [{k: v for k, v in seen.body.items() if k not in ("model", "messages")} for seen in server.seen]
    assert bodies == [
        {"max_tokens": 9, "temperature": 0.5, "seed": 3},
        {"max_tokens": 9, "temperature": 0.5},
        {"max_completion_tokens": 9},
    ]


def test_images_first(server: Server, endpoint: Make) -> None:
    ask_endpoint(endpoint(order="images_first"), [Request("What?", (Image.new("RGB", (1, 1)),))], GREEDY)
    assert [part["type"] for part in server.seen[0].body["messages"][0]["content"]] == ["image_url", "text"]


def test_an_image_leaves_without_what_its_file_said(server: Server, endpoint: Make) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "a private graph")
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    file = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(file, "PNG", pnginfo=info, exif=exif, icc_profile=b"a profile")
    with Image.open(file) as image:
        ask_endpoint(endpoint(), [Request("What?", (image,))], GREEDY)
    url = server.seen[0].body["messages"][0]["content"][1]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as sent:
        assert (sent.format, sent.mode, sent.info, dict(sent.getexif())) == ("PNG", "RGB", {}, {})


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "HSV"])
def test_images_of_any_mode(server: Server, endpoint: Make, mode: str) -> None:
    answers = ask_endpoint(endpoint(), [Request("What?", (Image.new(mode, (2, 2)),))], GREEDY)
    assert texts(answers) == ["red"]


def test_one_picture_file_in_many_questions(server: Server, endpoint: Make, tmp_path: Path) -> None:
    """Pillow reads it late: here, from several threads."""
    Image.effect_noise((256, 256), 50).save(tmp_path / "noise.png")
    with Image.open(tmp_path / "noise.png") as image:
        answers = ask_endpoint(endpoint(), [Request("What?", (image,))] * 16, GREEDY)
    assert texts(answers) == ["red"] * 16
    assert len({seen.body["messages"][0]["content"][1]["image_url"]["url"] for seen in server.seen}) == 1


def test_an_image_without_pixels_spoils_its_own_request_alone(endpoint: Make) -> None:
    bad = Request("What?", (Image.new("RGB", (0, 4)),))
    failed, answered = ask_endpoint(endpoint(), [bad, Request("What?")], GREEDY)
    assert isinstance(failed, BadInput) and "has no pixels" in str(failed)
    assert isinstance(answered, Answer)


def pixels_of(url: str) -> tuple[tuple[int, int], Any]:
    kind, _, data = url.partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        return image.size, image.getpixel((0, 0))


# ------------------------------------------------------------------------------------------ pictures


def sent(server: Server, endpoint: Endpoint, image: Image.Image) -> tuple[str, Image.Image]:
    """The kind that the last request's data URL names, and its picture."""
    (answer,) = ask_endpoint(endpoint, [Request("What?", (image,))], GREEDY)
    assert isinstance(answer, Answer), answer
    kind, _, data = server.seen[-1].body["messages"][0]["content"][1]["image_url"]["url"].partition(";base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    picture.load()
    return kind, picture


NOISE = Image.effect_noise((80, 40), 60).convert("RGB")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_pictures_in_the_profiles_format(server: Server, endpoint: Make, kind: str) -> None:
    NOISE.info["comment"] = b"taken at home"
    said, picture = sent(server, endpoint(picture_format=kind), NOISE)
    assert (said, picture.format, picture.size, picture.mode) == (f"data:image/{kind}", kind.upper(), (80, 40), "RGB")
    assert "comment" not in picture.info and "exif" not in picture.info
    far = np.abs(np.asarray(picture, dtype=int) - np.asarray(NOISE, dtype=int))
    assert far.max() <= (0 if kind == "png" else 40)


def test_a_jpeg_keeps_the_colours_of_thin_lines(server: Server, endpoint: Make) -> None:
    """Halved colours would bleed: a red line of one pixel on grey would be less than half as red."""
    image = Image.new("RGB", (32, 32), (128, 128, 128))
    image.paste((255, 0, 0), (15, 0, 16, 32))
    _, picture = sent(server, endpoint(picture_format="jpeg"), image)
    red, green, _ = np.asarray(picture)[16, 15]
    assert red > 235 and green < 20


@pytest.mark.parametrize(
    ("size", "most", "becomes"),
    [
        ((80, 40), 40, (40, 20)),
        ((40, 80), 20, (10, 20)),
        ((80, 40), 80, (80, 40)),
        ((80, 40), 4096, (80, 40)),
        ((1000, 1), 16, (16, 1)),
        ((81, 40), 27, (27, 13)),
    ],
)
def test_longer_pictures_are_scaled_down(
    server: Server, endpoint: Make, size: tuple[int, int], most: int, becomes: tuple[int, int]
) -> None:
    for kind in ("png", "jpeg", "webp"):
        assert sent(server, endpoint(max_side=most, picture_format=kind), Image.new("RGB", size))[1].size == becomes


def test_a_picture_that_a_format_cannot_hold_says_so(endpoint: Make) -> None:
    wide = Image.new("RGB", (16_384, 1))
    (failed,) = ask_endpoint(endpoint(picture_format="webp"), [Request("What?", (wide,))], GREEDY)
    assert isinstance(failed, BadInput) and "too large for WEBP" in str(failed) and "`max_side`" in str(failed)
    (answer,) = ask_endpoint(endpoint(picture_format="webp", max_side=1024), [Request("What?", (wide,))], GREEDY)
    assert isinstance(answer, Answer)


def test_a_large_request_is_warned_of_once(server: Server, endpoint: Make) -> None:
    large = Request("What?", (Image.effect_noise((2300, 2000), 100),))
    asked = endpoint()
    with pytest.warns(
        ApiGraphWarning, match=r'a request has .* MB, .*`picture_format = "jpeg"` or `max_side'
    ) as warned:
        for _ in range(2):
            assert texts(ask_endpoint(asked, [large] * 2, GREEDY)) == ["red"] * 2
    assert len(warned) == 1
    assert len(server.seen) == 4 and len(json.dumps(server.seen[0].body)) > 5_000_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert texts(ask_endpoint(endpoint(max_side=512), [large], GREEDY)) == ["red"]


def test_how_pictures_are_sent_is_a_part_of_an_answers_key(endpoint: Make) -> None:
    profiles = [endpoint(), endpoint(picture_format="jpeg"), endpoint(picture_format="webp"), endpoint(max_side=512)]
    assert len({one.profile.fingerprint("m") for one in profiles}) == 4
    assert endpoint(timeout_s=1).profile.fingerprint("m") == endpoint().profile.fingerprint("m")


# ------------------------------------------------------------------------------------------ what comes back


def test_an_answer(server: Server, endpoint: Make) -> None:
    server.replies = [after(0.05, says("red", model="m-2024", usage={"completion_tokens": 3}))]
    (answer,) = ask(endpoint(), "What?")
    assert isinstance(answer, Answer)
    assert (answer.text, answer.tokens, answer.model, answer.finish_reason) == ("red", 3, "m-2024", "stop")
    assert answer.seconds >= 0.05


def test_answers_come_in_the_order_of_the_requests(server: Server, endpoint: Make) -> None:
    server.replies = [after(0.15, says("slow")), says("quick")]
    assert texts(ask(endpoint(concurrency=1), "a", "b")) == ["slow", "quick"]
    server.replies = [after(0.15, says("first")), status(413), says("last")]
    answers = ask(endpoint(), *"abc")
    asked = [seen.body["messages"][0]["content"][0]["text"] for seen in server.seen[2:]]
    said = dict(zip(asked, ["first", "EndpointError", "last"], strict=True))
    assert texts(answers) == [said[question] for question in "abc"]


def test_no_requests(server: Server, endpoint: Make) -> None:
    assert ask(endpoint()) == [] and server.seen == []


def test_a_key_that_is_not_set_is_said_before_anything_is_sent(
    server: Server, endpoint: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, problem in [("", "is not set"), ("two words", "holds spaces"), ("a\r\nHost: b", "holds spaces")]:
        monkeypatch.setenv("TEST_KEY", value)
        with pytest.raises(BadInput, match=f"^TEST_KEY: .*{problem}") as raised:
            ask(endpoint(), "What?")
        assert not value or value not in str(raised.value)
    assert server.seen == []


def test_the_trial(server: Server, endpoint: Make) -> None:
    assert try_endpoint(endpoint()).text == "red"
    assert server.seen[0].body["max_tokens"] >= 1024  # room for a model that thinks first
    server.replies = [status(503)]
    with pytest.raises(EndpointError, match="503"):
        try_endpoint(endpoint(policy="paper"))
    assert len(server.seen) == 2


# ------------------------------------------------------------------------------------------ how much


def test_concurrency_is_shared_by_all_callers(server: Server, endpoint: Make) -> None:
    server.replies = [after(0.03, says("red"))]
    shared = endpoint(concurrency=3)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: texts(ask(shared, *"abcd")), range(4)))
    assert answers == [["red"] * 4] * 4
    assert server.most_at_once == 3


def test_the_cap_on_a_runs_requests(server: Server, endpoint: Make) -> None:
    capped = endpoint(max_requests=3, concurrency=1)
    assert texts(ask(capped, "a", "b", run_id="one")) == ["red", "red"]
    answers = ask(capped, "c", "d", "e", run_id="one")
    # Which of the three goes first is nobody's promise.
    assert sorted(texts(answers)) == ["EndpointError", "EndpointError", "red"]
    (said,) = {str(answer) for answer in answers if isinstance(answer, Exception)}
    assert "has sent the 3 requests that it may send. Raise the profile's `max_requests`" in said
    assert len(server.seen) == 3
    assert texts(ask(capped, "f", run_id="two")) == ["red"]
    assert texts(ask(capped, "g")) == texts(ask(capped, "h")) == ["red"]


def test_tries_count_towards_the_cap(server: Server, endpoint: Make) -> None:
    server.replies = [status(503)]
    (error,) = ask(endpoint(max_requests=2, policy="paper"), "a", run_id="tries")
    assert len(server.seen) == 2 and error == Answer("", 0, 0.0, "m", "error")
    (error,) = ask(endpoint(max_requests=2, policy="paper"), "a", run_id="tries")
    assert len(server.seen) == 2 and "`max_requests`" in str(error)


def test_requests_per_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 5 at 2 a minute, two start at 0, two at 60, and one at 120 seconds."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += max(0.0, seconds)

    async def starts() -> list[float]:
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
        rate, found = Rate(2), []
        for _ in range(5):
            await rate.wait()
            found.append(now)
        return found

    monkeypatch.setattr(limits.asyncio, "sleep", sleep)
    assert asyncio.run(starts()) == [0, 0, 60, 60, 120]


def test_the_rate_is_kept(server: Server, endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_WINDOW_S", 0.2)
    start = time.monotonic()
    assert texts(ask(endpoint(requests_per_minute=2), *"abcde")) == ["red"] * 5
    assert time.monotonic() - start >= 0.4


# ------------------------------------------------------------------------------------------ stopping


def test_cancelling_drops_what_is_under_way(server: Server, endpoint: Make) -> None:
    gone = threading.Semaphore(0)

    async def hang(request: Any) -> Any:
        for _ in range(400):
            await asyncio.sleep(0.01)
            if request.transport is None or request.transport.is_closing():
                gone.release()
                break
        return await says("late")(request)

    server.replies = [hang]
    with pytest.raises(Cancelled):
        ask(endpoint(), *"abc", is_cancelled=lambda: len(server.seen) >= 3)
    assert all(gone.acquire(timeout=2) for _ in "abc")  # the server sees each of the three connections closed
    assert texts(ask(endpoint(), is_cancelled=lambda: False)) == []


def test_at_exit_all_is_closed(server: Server, endpoint: Make) -> None:
    assert texts(ask(endpoint(), "What?")) == ["red"]
    names = [thread.name for thread in threading.enumerate()]
    assert "api-graph endpoints" in names
    background._close()
    assert "api-graph endpoints" not in [thread.name for thread in threading.enumerate()]
    assert texts(ask(endpoint(), "What?")) == ["red"]


SCRIPT = """
import os
from api_graph.lvlm.remote import Endpoint, ask_endpoint
from api_graph.lvlm.request import Request, Sampling

def ask():
    return [answer.text for answer in ask_endpoint(Endpoint.open("local"), [Request("What?")], Sampling())]

def say(text):
    os.write(1, f"{text}\\n".encode())  # in one piece: both may print at the same moment

say(ask())
child = os.fork()
say(ask())
if child:
    os.waitpid(child, 0)
    say(ask())
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
def test_a_fork_asks_for_itself_and_both_end_quietly(server: Server, own_profiles: Path) -> None:
    own_profiles.write_text(f'[local]\nbase_url = "{server.url}"\nmodels = ["m"]\n')
    # From 3.12 on, Python warns of any fork while threads run.
    words = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", SCRIPT]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[3])
    assert (ran.stderr, ran.returncode) == ("", 0)
    assert ran.stdout.splitlines() == ["['red']"] * 4
