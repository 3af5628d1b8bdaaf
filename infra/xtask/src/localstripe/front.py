"""localstripe, with two things in front of it that Stripe has and that tests need.

Idempotency keys: the answer to a POST under a key is given again to whoever repeats it, marked as such; the same key with
another call is refused, and so is a call while the first one under its key is at work.

A broken word: `POST /_config/pretend {"intent": "pi_..."}` makes the next cancellation of that intent be answered as if it
had happened. It is how a payment can come late.

    python front.py PORT        listens on 127.0.0.1 only; everything is in memory
"""

import json
import logging
import re
import sys

from aiohttp import web
from localstripe import resources
from localstripe.server import app

# Its own way to keep things is one file for all that run on a machine.
resources.Store.dump_to_disk = lambda self: None

answers = {}
"""By key: what was asked, and the status and body that were answered, once they are."""

pretences = set()
"""Intents whose next cancellation is none."""


def refusal(status, code, message):
    error = {"type": "idempotency_error", "code": code, "message": message}
    return web.json_response({"error": error}, status=status)


@web.middleware
async def keys(request, handler):
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return await handler(request)
    asked = (request.path, await request.read())
    if key in answers:
        before, answer = answers[key]
        if before != asked:
            return refusal(400, "idempotency_key_reused", "The key was used for another call.")
        if answer is None:
            return refusal(409, "idempotency_key_in_use", "A call under this key is at work.")
        status, body = answer
        again = {"Idempotent-Replayed": "true"}
        return web.Response(status=status, body=body, content_type="application/json", headers=again)
    answers[key] = (asked, None)
    try:
        answer = await handler(request)
    except BaseException:
        del answers[key]
        raise
    # What was not begun is not remembered.
    if answer.status in (400, 401, 404, 409):
        del answers[key]
    else:
        answers[key] = (asked, (answer.status, answer.body))
    return answer


@web.middleware
async def pretence(request, handler):
    if request.path == "/_config/pretend":
        pretences.add(json.loads(await request.read())["intent"])
        return web.Response()
    cancels = re.fullmatch(r"/v1/payment_intents/(\w+)/cancel", request.path)
    if request.method == "POST" and cancels and cancels[1] in pretences:
        pretences.remove(cancels[1])
        intent = resources.PaymentIntent._api_retrieve(cancels[1])._export()
        return web.json_response({**intent, "status": "canceled"})
    return await handler(request)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    # The first is the outermost.
    app.middlewares[0:0] = [keys, pretence]
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
