"""Flask and Celery, one task for each request."""

import os

from celery import Celery
from flask import Flask, Response, request

from bench.rivals.send import send

app = Flask(__name__)
tasks = Celery("bench", broker=os.environ["BENCH_REDIS"])
# As light as it goes: no results, no events for monitors, taken off the queue at the end only.
tasks.conf.update(task_ignore_result=True, worker_send_task_events=False, task_acks_late=True)


@app.get("/ready")
def ready() -> Response:
    """Say that the application is there."""
    return Response("ok")


@app.get("/ingest")
def take() -> Response:
    """Accept an event."""
    deliver.delay(request.args.to_dict())
    return Response("accepted", 202)


@tasks.task
def deliver(fields: dict[str, str]) -> None:
    """Make the request: the task."""
    send(fields)
