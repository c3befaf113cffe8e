"""What the shipped reward functions make of odd completions, odd services and odd ends. Standard library only.

    python3 reward_cases.py FOLDER_WITH_ASSAY_REWARD
"""

import asyncio
import gzip
import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
import traceback
import unittest
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

FOLDER = sys.argv.pop(1)
sys.path.insert(0, FOLDER)
for name in ("ASSAY_URL", "ASSAY_TOKEN", "ASSAY_PATIENCE"):
    os.environ.pop(name, None)
import assay_reward as reward
from assay_reward import Misused, Unanswered

TASK = {"instance_id": "bolt__nut-7", "skill": "repair"}
VERIFIED = dict(TASK, format="reward.v1", status="verified", reward=1.0, reason="resolved", receipt="ab12", retryable=False)
REJECTED = dict(VERIFIED, status="rejected", reward=0.0, reason="still_failing")
# At once, on a machine that has other work too.
SOON = 5
UNCLEAR = dict(VERIFIED, status="inconclusive", reward=None, reason="suspicious_source", detail="why")


def http(body, status=200, kind="application/json", length=None, **headers):
    """Bytes of a response; `length` where it is to be a lie."""
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = ["HTTP/1.1 %d Said" % status, "Content-Length: %d" % (len(body) if length is None else length)]
    lines += ["Content-Type: " + kind] if kind else []
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return "\r\n".join(lines + ["", ""]).encode() + body


class Service(socketserver.ThreadingTCPServer):
    """Gives its replies in turn, the last one for ever. A reply is bytes, a function of the request's head, or None: silence."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, *replies):
        super().__init__(("127.0.0.1", 0), Connection)
        self.replies, self.questions, self.times, self.left = list(replies) or [http(VERIFIED)], [], [], threading.Event()
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        body = self.rfile.read(length)
        if len(body) < length:
            return
        self.server.questions.append(json.loads(body))
        self.server.times.append(time.monotonic())
        reply = self.server.replies[min(len(self.server.questions), len(self.server.replies)) - 1]
        if reply is None:
            # Ends if the client goes.
            self.rfile.read(1)
            self.server.left.set()
        else:
            self.wfile.write(reply(head) if callable(reply) else reply)


def outcome(call, *arguments, **options):
    """What came back or was raised, and the seconds that it took."""
    began = time.monotonic()
    try:
        result = call(*arguments, **options)
    except Exception as error:
        result = error
    return result, time.monotonic() - began


def ask(service, patience=20, completion="x", **options):
    return outcome(reward.verify, TASK["instance_id"], TASK["skill"], completion, url=service.url, patience=patience, **options)


def at_once(function, cases):
    with ThreadPoolExecutor(len(cases)) as pool:
        return list(zip(cases, pool.map(function, cases)))


class Completions(unittest.TestCase):
    def test_the_text_of_a_completion_is_found_in_every_usual_shape(self):
        said = {"type": "text", "text": "so"}
        calls = [{"function": {"name": "f", "arguments": "{}"}}]
        chat = [{"role": "assistant", "content": "no"}, {"role": "tool", "content": "t"}, {"role": "assistant", "content": "so"}]
        table = [
            ("so", "so"),
            ("", ""),
            ("\ud83d\ude42 \ud83d", "\U0001f642 \ufffd"),
            (chat, "so"),
            (chat + [{"role": "user", "content": "thanks"}], "so"),
            ({"role": "assistant", "content": "so"}, "so"),
            ([{"role": "model", "content": "so"}], "so"),
            ([{"content": "so"}], "so"),
            ([{"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "so"}]}], "so"),
            ([{"role": "assistant", "content": [dict(said, text="s"), "o"]}], "so"),
            ([{"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, said, {"type": "tool_use"}]}], "so"),
            ([{"role": "assistant", "content": said}], "so"),
            ([{"role": "assistant", "content": None, "tool_calls": calls}], ""),
            ([{"role": "assistant", "tool_calls": calls}], ""),
            ([{"role": "assistant", "content": None, "reasoning_content": "hm"}], ""),
        ]
        service = Service()
        for completion, text in table:
            result, _ = ask(service, completion=completion)
            self.assertEqual((result, service.questions[-1]["completion"]), (VERIFIED, text), completion)

    def test_a_completion_that_is_not_understood_is_named_and_never_worth_anything(self):
        turn = lambda content, **more: [dict({"role": "assistant", "content": content}, **more)]
        table = [
            (None, "NoneType"),
            (b"bytes", "bytes"),
            (3, "int"),
            ([], "list"),
            (["so"], "str"),
            ([[{"role": "assistant", "content": "so"}]], "list"),
            ([{"role": "user", "content": "so"}], "assistant"),
            ([{"role": "gpt", "content": "so"}], "'gpt'"),
            ([{"from": "gpt", "value": "so"}], "from, value"),
            (turn(None), "content"),
            (turn([]), "content"),
            (turn(7), "'int'"),
            (turn([{"type": "image_url", "image_url": {}}]), "'image_url'"),
            (turn([{"type": "text", "text": None}]), "'text'"),
            (turn([{"type": "text", "text": "s"}, None]), "'NoneType'"),
        ]
        service = Service(http(REJECTED))
        for completion, named in table:
            columns = {name: [value, value] for name, value in TASK.items()}
            os.environ["ASSAY_URL"] = service.url
            result, seconds = outcome(reward.reward_func, ["p", "p"], ["fine", completion], **columns)
            self.assertIsInstance(result, Misused, completion)
            self.assertIn("completions[1]", str(result))
            self.assertIn(named, str(result))
            result, _ = outcome(reward.compute_score, "assay/repair", completion, json.dumps(TASK))
            self.assertIsInstance(result, Misused, completion)
            self.assertLess(seconds, SOON)
        self.assertEqual(service.questions, [])

    def test_columns_that_do_not_fit_are_the_callers_mistake(self):
        wrong = [{}, {"extra_info": ["text"]}, {"reward_model": ["text"]}, {"extra_info": []}]
        wrong.append({"instance_id": ["i"], "skill": ["x"]})
        for columns in wrong:
            self.assertIsInstance(outcome(reward.reward_func, ["p"], ["so"], **columns)[0], Misused, columns)


class Responses(unittest.TestCase):
    def test_what_was_cut_or_garbled_is_asked_again(self):
        whole = json.dumps(VERIFIED)
        chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        replies = [
            http(whole, length=len(whole) + 9),
            http(whole[: len(whole) // 2], length=len(whole)),
            http(whole[: len(whole) // 2]),
            chunked + b"%x\r\n%s" % (len(whole) + 9, whole.encode()),
            chunked + b"zz\r\n",
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Ty",
            b"SSH-2.0-something\r\n",
            b"\x15\x03\x01\x00\x02",
            http(""),
            http("OK", kind="text/plain"),
            http("[" * 100000),
            http(b"\x1f\x8b nothing", Content_Encoding="gzip"),
            http(gzip.compress(whole.encode())[:-9], Content_Encoding="gzip"),
            http(VERIFIED, status=202),
        ]
        odd = [{}, [], None, 1.0, {"error": {"message": "no"}}]
        odd += [{name: VERIFIED[name] for name in VERIFIED if name != missing} for missing in ("reward", "reason", "receipt")]
        odd += [dict(VERIFIED, reward=value) for value in (True, False, "1.0", [], float("nan"), float("inf"), 0.5, -1, None, 0)]
        odd += [dict(REJECTED, reward=False), dict(REJECTED, status="inconclusive"), dict(REJECTED, status=None)]
        odd += [dict(UNCLEAR, reward=0), dict(REJECTED, instance_id="another"), dict(REJECTED, skill="test")]
        odd.append(dict(REJECTED, format="reward.v9"))
        replies += [http(answer) for answer in odd]

        def again(reply):
            service = Service(reply, http(VERIFIED))
            return ask(service)[0], len(service.questions)

        for reply, found in at_once(again, replies):
            self.assertEqual(found, (VERIFIED, 2), reply[:200])

        def never(reply):
            return ask(Service(reply), patience=0)[0]

        for reply, found in at_once(never, replies):
            self.assertIsInstance(found, Unanswered, reply[:200])

    def test_an_answer_without_status_or_packed_by_a_proxy_is_one(self):
        short = {name: VERIFIED[name] for name in ("reward", "reason", "receipt")}
        for reply in (http(short), http(gzip.compress(json.dumps(short).encode()), Content_Encoding="gzip")):
            self.assertEqual(ask(Service(reply))[0], short)
        self.assertEqual(ask(Service(http(REJECTED)))[0], REJECTED)

    def test_statuses_that_may_change_are_asked_again(self):
        state = random.getstate()

        def again(status):
            service = Service(http("<html>busy</html>", status, "text/html"), http(VERIFIED))
            return ask(service)[0], len(service.questions)

        for status, found in at_once(again, [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529, 530]):
            self.assertEqual(found, (VERIFIED, 2), status)
        self.assertEqual(random.getstate(), state, "the trainer's random numbers are its own")

    def test_statuses_that_stay_are_the_callers_mistake_at_once(self):
        elsewhere = Service()
        for status in (301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 407, 410, 413, 415, 421, 422, 501, 505, 511):
            service = Service(http("what it says", status, Location=elsewhere.url + "/login?ticket=1", Retry_After="0"))
            result, seconds = ask(service, token="pass-phrase")
            self.assertIsInstance(result, Misused, status)
            self.assertIn("HTTP %d" % status, str(result))
            self.assertIn("what it says", str(result))
            self.assertLess(seconds, SOON)
            self.assertEqual(len(service.questions), 1)
        self.assertEqual(elsewhere.questions, [], "a redirect is not followed")

    def test_a_page_with_status_200_is_the_callers_mistake_and_shown(self):
        for kind in ("text/html; charset=utf-8", "application/json", None):
            service = Service(http("\n<!doctype html><title>Sign in</title>" + "x" * 5000, kind=kind))
            result, seconds = ask(service)
            self.assertIsInstance(result, Misused)
            self.assertIn("<!doctype html><title>Sign in", str(result))
            self.assertIn(kind or "no content type", str(result))
            self.assertLess(len(str(result)), 600)
            self.assertLess(seconds, SOON)

    def test_refused_and_unclear_answers_have_no_reward_and_a_fault_of_the_machine_is_asked_again(self):
        for reply in (http({"error": {"code": "instance_refused"}}, 409), http(UNCLEAR)):
            service = Service(reply)
            result, seconds = ask(service)
            self.assertIsInstance(result, Unanswered)
            self.assertLess(seconds, SOON)
        service = Service(http(dict(UNCLEAR, reason="sandbox_failed", retryable=True)), http(VERIFIED))
        self.assertEqual(ask(service)[0], VERIFIED)

    def test_it_comes_back_when_it_was_told_to_and_no_sooner_each_time(self):
        def waits(after):
            said = lambda: {"Retry_After": after() if callable(after) else after} if after else {}
            service = Service(lambda _: http("busy", 429, **said()), http("busy", 503), http(VERIFIED))
            result, _ = ask(service)
            self.assertEqual(result, VERIFIED)
            return [later - sooner for sooner, later in zip(service.times, service.times[1:])]

        # A date has whole seconds, so up to one is lost.
        soon = lambda: formatdate(time.time() + 2.5, usegmt=True)
        cases = ["1", soon, "0", formatdate(0, usegmt=True), "-5", "soon", "1" * 20, None]
        for after, (first, second) in at_once(waits, cases):
            self.assertGreaterEqual(first, 1.0 if after in ("1", soon) else 0.2, after)
            self.assertLess(first, 3 + SOON, after)
            self.assertGreaterEqual(second, 0.45, after)
        service = Service(http("busy", 429, Retry_After="900"))
        result, seconds = ask(service, patience=5)
        self.assertIsInstance(result, Unanswered)
        self.assertLess(seconds, SOON)

    def test_one_that_was_not_understood_is_none_and_the_others_keep_their_rewards(self):
        service = Service()
        os.environ.update(ASSAY_URL=service.url, ASSAY_PATIENCE="0")
        reply = {"good": VERIFIED, "bad": REJECTED, "odd": dict(REJECTED, reward="0")}
        service.replies = [lambda _: http(reply[service.questions[-1]["completion"]])]
        kept = {}
        columns = dict({name: [value] for name, value in TASK.items()}, log_extra=kept.__setitem__, log_metric=kept.__setitem__)
        found = [reward.reward_func(["p"], [one], **columns)[0] for one in ("good", "bad", "odd")]
        self.assertEqual(found, [1.0, 0.0, None])
        self.assertEqual(kept["assay/unanswered"], 1.0)
        self.assertIn("0, 1 or null", kept["assay"][0])
        score = lambda one: reward.compute_score("assay/repair", one, json.dumps(TASK), reward_router_address=None)
        self.assertEqual(score("bad"), {"score": 0.0, "acc": 0.0, "reason": "still_failing", "receipt": "ab12"})
        self.assertIsInstance(outcome(score, "odd")[0], Unanswered)


class Settings(unittest.TestCase):
    def test_an_address_that_names_no_service_is_the_callers_mistake_at_once(self):
        wrong = ["localhost:8790", "127.0.0.1:8790", "//h:1", "htp://h:1", "http//h:1", "http:/h", "http://", "http://:8790"]
        wrong += ["http:///v1", "http://my host:1", "http://h:1/a b", "http://h\nx:1", "http://h:eighty", "http://h:99999"]
        wrong += ["http://h:0", "http://a..b:1", "http://{host}:1", "http://$HOST:1", "http://[::1:1", '"http://h:1"']
        wrong += ["http://h:1/?x=1", "http://h:1/#x", "unix:/x", 8790]
        for url in wrong:
            result, seconds = outcome(reward.verify, TASK["instance_id"], "repair", "x", url=url)
            self.assertIsInstance(result, Misused, url)
            self.assertIn("http://", str(result))
            self.assertLess(seconds, SOON)
        for url in ("http://me:pass-phrase@h:1", "http://h:1/?key=pass-phrase", "me:pass-phrase@h:1"):
            result, _ = outcome(reward.verify, TASK["instance_id"], "repair", "x", url=url)
            self.assertIsInstance(result, Misused, url)
            self.assertNotIn("pass-phrase", "%r" % result)
        service = Service()
        service.url = "  %s/ \n" % service.url
        self.assertEqual(ask(service)[0], VERIFIED)

    def test_tls_where_there_is_none_is_the_callers_mistake_at_once(self):
        service = Service()
        service.url = service.url.replace("http:", "https:")
        answer = lambda self: self.request.sendall(http("no", 400))
        service.RequestHandlerClass = type("Plain", (socketserver.BaseRequestHandler,), {"handle": answer})
        result, seconds = ask(service)
        self.assertIsInstance(result, Misused)
        self.assertLess(seconds, SOON)

    def test_patience_is_a_number_of_seconds(self):
        for patience in ("an hour", "nan", -1, [], "60s"):
            self.assertIsInstance(ask(Service(), patience=patience)[0], Misused, patience)
        self.assertEqual(ask(Service(), patience=float("inf"))[0], VERIFIED)

    def test_a_token_is_stripped_and_one_that_no_header_carries_is_the_callers_mistake(self):
        for token in ("pass-phrase\n", " \tpass-phrase\r\n", "pass-phrase"):
            heads = []
            service = Service(lambda head: heads.append(head) or http(VERIFIED))
            self.assertEqual(ask(service, token=token)[0], VERIFIED)
            self.assertIn(b"authorization: bearer pass-phrase\r\n", heads[0].lower())
        wrong = ["pass-\nphrase", "pass-phrase\r\nX-Other: 1", "pass-phr\u00e4se", "\u043a\u043b\u044e\u0447", "\ufeffpass-phrase"]
        for token in [*wrong, b"pass-phrase", "\x00"]:
            service = Service()
            result, seconds = ask(service, token=token)
            self.assertIsInstance(result, Misused, repr(token))
            self.assertNotIn("phr", str(result))
            self.assertLess(seconds, SOON)
            self.assertEqual(service.questions, [])
        for token in ("", " \n"):
            heads = []
            self.assertEqual(ask(Service(lambda head: heads.append(head) or http(VERIFIED)), token=token)[0], VERIFIED)
            self.assertNotIn(b"authorization", heads[0].lower())

    def test_a_token_is_never_printed_and_reaches_no_tracker(self):
        token = os.environ["ASSAY_TOKEN"] = "pass'phrase\\/+"
        self.addCleanup(os.environ.pop, "ASSAY_TOKEN")
        said = lambda head: head[head.index(b"Bearer") :].split(b"\r\n")[0]
        quoted = lambda head: json.dumps({"error": {"message": said(head).decode()}})
        replies = [lambda head: b"What? " + said(head) + b"\r\n"]
        replies += [lambda head, status=status: http(quoted(head), status) for status in (200, 401, 409, 503, 302)]
        replies += [lambda head: http(b"<html>" + said(head)), lambda head: http(dict(UNCLEAR, detail=said(head).decode()))]
        for reply in replies:
            service = Service(reply)
            os.environ.update(ASSAY_URL=service.url, ASSAY_PATIENCE="0")
            result, _ = outcome(reward.compute_score, "assay/repair", "x", json.dumps(TASK))
            whole = "".join(traceback.TracebackException.from_exception(result, capture_locals=True).format())
            logged = []
            columns = dict({name: [value] for name, value in TASK.items()}, log_extra=lambda _, values: logged.extend(values))
            outcome(reward.reward_func, ["p"], ["x"], **columns)
            for text in (str(result), repr(result), whole, str(logged)):
                self.assertNotIn("phrase", text)
            self.assertIsInstance(result, (Misused, Unanswered))
            self.assertTrue(any("[token]" in text for text in (str(result), "".join(logged))), result)
        self.assertNotIn("phrase", repr(reward._token(token)))


# Each is a program that waits for a service, either for its answer or to ask again.
PROGRAMS = {
    "one": "reward.compute_score('assay/repair', 'x', truth)",
    "batch": "reward.compute_scores(['assay/repair'] * 80, ['x'] * 80, [truth] * 80)",
    "trl": "reward.reward_func(['p'] * 80, ['x'] * 80, extra_info=[task] * 80)",
    "awaited": "asyncio.run(reward.compute_score_async('assay/repair', 'x', truth))",
    "awaited, many": "asyncio.run(many())",
}
HEAD = """
import asyncio, json, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, sys.argv[1])
import assay_reward as reward
task = {"instance_id": "bolt__nut-7", "skill": "repair"}
truth = json.dumps(task)
async def many():
    await asyncio.gather(*[reward.compute_score_async("assay/repair", "x", truth) for _ in range(80)])
"""


class Ends(unittest.TestCase):
    def start(self, service, body):
        environment = dict(os.environ, ASSAY_URL=service.url, ASSAY_PATIENCE="600")
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        program = subprocess.Popen([sys.executable, "-W", "ignore", "-c", HEAD + body, FOLDER], env=environment, text=True, **pipes)
        self.addCleanup(program.kill)
        return program

    def ended(self, program):
        began = time.monotonic()
        out, err = program.communicate(timeout=20)
        return time.monotonic() - began, out, err

    def each(self, check, cases):
        """All at the same time: most of it is waiting."""
        services = [(name, Service(reply)) for name in cases for reply in (None, http("busy", 503, Retry_After="300"))]
        for (name, _), error in at_once(lambda case: outcome(check, *case)[0], services):
            self.assertIsNone(error, name)

    def asked(self, service, program):
        until = time.monotonic() + 20
        while not service.questions:
            self.assertTrue(time.monotonic() < until and program.poll() is None, "it asked nothing")
            time.sleep(0.02)
        # Time for the reply to be read.
        time.sleep(0.3)

    def test_an_interrupt_ends_it_at_once(self):
        def check(name, service):
            body = "try:\n    %s\nexcept KeyboardInterrupt:\n    print('interrupted')\n" % PROGRAMS[name]
            program = self.start(service, body)
            self.asked(service, program)
            program.send_signal(signal.SIGINT)
            seconds, out, err = self.ended(program)
            self.assertEqual((program.returncode, out, err), (0, "interrupted\n", ""))
            self.assertLess(seconds, SOON)

        self.each(check, PROGRAMS)

    def test_the_end_of_the_program_ends_it_at_once(self):
        ways = {
            "executor": "ThreadPoolExecutor(4).submit(lambda: %s)",
            "thread": "threading.Thread(target=lambda: %s).start()",
            "daemon": "threading.Thread(target=lambda: %s, daemon=True).start()",
        }

        def check(case, service):
            way, name = case
            program = self.start(service, ways[way] % PROGRAMS[name] + "\nsys.stdin.read()\nprint('ends')\n")
            self.asked(service, program)
            seconds, out, _ = self.ended(program)
            self.assertEqual((program.returncode, out), (0, "ends\n"))
            self.assertLess(seconds, SOON)

        # A program goes on to its end once its input is closed, which `communicate` does.
        self.each(check, [("executor", "one"), ("executor", "trl"), ("thread", "one"), ("daemon", "one")])

    def test_after_an_interrupt_the_service_is_left_and_the_next_call_works(self):
        service = Service(None, http(VERIFIED))
        body = "try:\n    %s\nexcept KeyboardInterrupt:\n"
        body += "    print(reward.reward_func(['p'], ['x'], extra_info=[task]), flush=True)\n    time.sleep(30)\n"
        program = self.start(service, body % PROGRAMS["one"])
        self.asked(service, program)
        program.send_signal(signal.SIGINT)
        self.assertEqual(program.stdout.readline(), "[1.0]\n")
        self.assertTrue(service.left.wait(SOON), "the connection stayed")
        program.kill()
        program.communicate()

    def test_a_forked_child_asks_by_itself_while_its_parent_waits(self):
        service = Service(None, http(VERIFIED))
        body = (
            "threading.Thread(target=lambda: %s, daemon=True).start()\ntime.sleep(0.3)\nchild = os.fork()\nif child == 0:\n"
            "    print(reward.reward_func(['p'] * 3, ['x'] * 3, extra_info=[task] * 3), flush=True)\n    sys.exit(7)\n"
            "print(os.waitpid(child, 0)[1] >> 8, flush=True)\nos._exit(0)\n"
        )
        seconds, out, err = self.ended(self.start(service, body % PROGRAMS["one"]))
        self.assertEqual((out, err), ("[1.0, 1.0, 1.0]\n7\n", ""))
        self.assertLess(seconds, SOON)

    def test_a_task_that_is_cancelled_leaves_the_service(self):
        service = Service(None)
        os.environ.update(ASSAY_URL=service.url, ASSAY_PATIENCE="600")

        async def short():
            await asyncio.wait_for(reward.compute_score_async("assay/repair", "x", json.dumps(TASK)), 0.5)

        self.assertIsInstance(outcome(asyncio.run, short())[0], asyncio.TimeoutError)
        self.assertTrue(service.left.wait(SOON))


if __name__ == "__main__":
    unittest.main()
