"""Flask and Celery, one task for each request."""

import os

from celery import Celery
from flask import Flask, Response, request

from bench.rivals.send import send

app = Flask(__name__)
tasks = Celery("bench", broker=os.environ["BENCH_REDIS"])
# As light as possible: no results, no monitoring events; acknowledged after the task.
tasks.conf.update(task_ignore_result=True, worker_send_task_events=False, task_acks_late=True)


@app.get("/ready")
def ready() -> Response:
    """Return 200 once the application runs."""
    return Response("ok")


@app.get("/ingest")
def ingest() -> Response:
    """Accept an event."""
    deliver.delay(request.args.to_dict())
    return Response("accepted", 202)


@tasks.task
def deliver(fields: dict[str, str]) -> None:
    """Make the request: the task."""
    send(fields)
