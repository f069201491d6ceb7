"""How busy a server is kept: the share of its slots that have something to do while a table is asked.

    python benchmarks/endpoints.py [--requests N] [--latency SECONDS] [--concurrency N] [--side PIXELS]

The server is a process of its own that answers each request after the latency, whatever is asked. Were it never idle,
N requests would take N · latency / concurrency; the share is that time over the time it took. The first requests, which
open the connections, are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from api_graph.lvlm.remote import Endpoint, Profile, ask_endpoint
from api_graph.lvlm.request import Answer, Request, Sampling
from api_graph.table.map import map_graph

REPLY = json.dumps({"choices": [{"message": {"content": "red"}, "finish_reason": "stop"}]})


def main() -> None:
    parser = argparse.ArgumentParser(description="How busy a server is kept.")
    parser.add_argument("--requests", type=int, default=480)
    parser.add_argument("--latency", type=float, default=0.1)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--side", type=int, default=512)
    asked = parser.parse_args()
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there, asked.latency), daemon=True)
    server.start()
    port = here.recv()
    profile = Profile(name="bench", base_url=f"http://127.0.0.1:{port}/v1", concurrency=asked.concurrency)
    endpoint = Endpoint(profile, "m")
    for what, images in (("text alone", ()), (f"an image of {asked.side}²", (noise(asked.side),))):
        request = Request("What colour is this?", images)
        seconds = timed(endpoint, [request] * asked.requests)
        share = asked.requests * asked.latency / asked.concurrency / seconds
        print(f"{what}: {asked.requests} requests in {seconds:.2f} s, {share:.1%} busy")
    seconds = mapped(profile, asked.requests)
    share = asked.requests * asked.latency / asked.concurrency / seconds
    print(f"api-graph map: {asked.requests} rows in {seconds:.2f} s, {share:.1%} busy")
    server.terminate()


def timed(endpoint: Endpoint, requests: list[Request]) -> float:
    """Seconds that all requests take, after one round that opens the connections."""
    ask_endpoint(endpoint, requests[: endpoint.profile.concurrency], Sampling())
    start = time.perf_counter()
    answers = ask_endpoint(endpoint, requests, Sampling())
    seconds = time.perf_counter() - start
    assert all(isinstance(answer, Answer) for answer in answers)
    return seconds


def mapped(profile: Profile, count: int) -> float:
    """Seconds that `map_graph` takes for as many rows, a question about one small picture each, once all is loaded."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder)
        (path / "endpoints.toml").write_text(
            f'[bench]\nbase_url = "{profile.base_url}"\nmodels = ["m"]\nconcurrency = {profile.concurrency}\n'
            f"max_requests = {2 * count}\n"
        )
        patch.setenv("API_GRAPH_ENDPOINTS", str(path / "endpoints.toml"))
        noise(64).save(path / "0.png")

        def run(rows: range) -> float:
            asked = [{"image": "0.png", "query": f"what is {row}?"} for row in rows]
            inputs, start = {"answerer": "endpoint:bench/m"}, time.perf_counter()
            results = map_graph(
                "lvlm_ask", asked, inputs, output=path / f"{len(rows)}", input_folders=[path], cache=False
            )
            assert all(result.ok for result in results)
            return time.perf_counter() - start

        run(range(4))
        return run(range(count))


def noise(side: int) -> Image.Image:
    """A picture that compresses badly, as photographs do."""
    return Image.effect_noise((side, side), 60).convert("RGB")


def serve(port: Connection, latency: float) -> None:
    """Answer for ever. Tells its port once it listens."""

    async def reply(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(latency)
        return web.Response(text=REPLY)

    async def run() -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", reply)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
