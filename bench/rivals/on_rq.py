"""Flask and RQ, one job for each request."""

import os

from flask import Flask, Response, request
from redis import Redis
from rq import Queue

from bench.rivals.send import send

app = Flask(__name__)
queue = Queue("bench", connection=Redis.from_url(os.environ["BENCH_REDIS"]))


@app.get("/ready")
def ready() -> Response:
    """Return 200 once the application runs."""
    return Response("ok")


@app.get("/ingest")
def ingest() -> Response:
    """Accept an event."""
    queue.enqueue(deliver, request.args.to_dict(), result_ttl=0)
    return Response("accepted", 202)


def deliver(fields: dict[str, str]) -> None:
    """Make the request: the job."""
    send(fields)
