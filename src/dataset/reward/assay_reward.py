"""Rewards from a running `assay serve`, for verl and TRL. Standard library only, Python 3.8 or newer.

verl: reward.custom_reward_function.path=assay_reward.py (name compute_score; compute_score_async for the async managers,
compute_scores for the batch manager). TRL: GRPOTrainer(reward_funcs=reward_func, ...). Ctrl-C and the end of the program end each
at once; only an executor whose owner waits for it keeps its call of compute_score, so await compute_score_async there.

Environment: ASSAY_URL (default http://127.0.0.1:8790), ASSAY_TOKEN, ASSAY_PATIENCE (seconds to keep asking while the service is
busy, away or says that asking again may help; default 3600). verl's reward_kwargs `url`, `token` and `patience` come first. verl
writes its configuration to logs and experiment trackers, so leave the token in the environment; nothing here prints it.

An answer that could not be judged has no reward. It is never 0:
- TRL is given None, which it leaves out of the group's mean and gives no advantage.
- verl has no such value: None is an error there, and NaN would spread to the whole group. `Unanswered` is raised, so the rollout
  fails; trainer.v1.sampler.sync_refill_failed_groups=True draws another in its place.
A question that is wrong in itself (address, token, path, unknown instance, a completion of an unknown shape) raises `Misused` in
both, without waiting: every answer would be lost.
"""

import asyncio
import atexit
import calendar
import collections
import email.utils
import gzip
import http.client
import json
import os
import random
import re
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError, as_completed
from urllib.parse import quote, urlsplit

__all__ = ["Misused", "Unanswered", "compute_score", "compute_score_async", "compute_scores", "reward_func", "verify"]

SKILLS = ("localization", "repair", "test")
# Asked at the same time by one process; the service queues the rest.
AT_ONCE = 64
# Seconds for a connection to come about, and the longest patience that clocks and sockets can count.
CONNECT, LONGEST = 10.0, 31536000.0
# Statuses below 500 after which the same question may be answered, and those from 500 on that stay as they are.
AGAIN, NEVER = (408, 425, 429), (501, 505, 506, 508, 510, 511, 526)
# What OpenSSL says if the other side speaks no TLS or shows a certificate that is not trusted.
NOT_TLS = ("CERTIFICATE_VERIFY_FAILED", "HTTP_REQUEST", "WRONG_VERSION_NUMBER")
LARGEST = 64 << 20
# Roles whose messages are not the answer, fields beside which an empty `content` is one, and parts that hold no text of it.
OTHER_ROLES = ("developer", "function", "human", "ipython", "observation", "system", "tool", "tool_response", "user")
BESIDE = ("tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", "refusal")
SILENT = ("function_call", "reasoning", "redacted_thinking", "refusal", "thinking", "tool_call", "tool_use")


class Unanswered(RuntimeError):
    """There is no reward: inconclusive, refused, or nobody answered in time."""


class Misused(RuntimeError):
    """The question itself is wrong; no answer of any model would do better."""


class _Token(str):
    """A token that does not show in lists of local variables."""

    def __repr__(self):
        return "_Token(...)"


class _Process:
    """Questions of this process, asked by daemon threads: unlike those of an executor they do not hold up the end of the program.
    A forked child gets its own, because locks and threads of the parent are of no use there."""

    def __init__(self):
        import concurrent.futures.thread  # noqa: F401  It waits for its threads at the end; what registers later is called first.

        self.pid, self.lock, self.threads, self.over = os.getpid(), threading.Lock(), 0, False
        self.waiting, self.open = collections.deque(), set()
        try:
            threading._register_atexit(self.end)
        except RuntimeError:
            self.over = True
        except AttributeError:
            # Python 3.8 waits for an executor's threads and for those that are no daemons at two different times.
            atexit.register(self.end)
            threading.Thread(target=lambda: (threading.main_thread().join(), self.end()), daemon=True).start()

    def __reduce__(self):
        # A reward function that is sent to another process by value leaves this behind.
        return type(None), ()

    def take(self, question):
        with self.lock:
            if self.over:
                return question.stop("the program ends")
            self.open.add(question)
            self.waiting.append(question)
            if self.threads < AT_ONCE:
                try:
                    threading.Thread(target=self._work, name="assay", daemon=True).start()
                    self.threads += 1
                except RuntimeError:
                    # No more threads are to be had; those that there are take it.
                    if not self.threads:
                        raise

    def _work(self):
        while True:
            with self.lock:
                if not self.waiting:
                    self.threads -= 1
                    return
                question = self.waiting.popleft()
            question.run()
            self.open.discard(question)

    def end(self):
        if self.pid == os.getpid():
            self.over = True
            for question in list(self.open):
                question.stop("the program ends")


_PROCESS = None


def _process():
    global _PROCESS
    if _PROCESS is None or _PROCESS.pid != os.getpid():
        _PROCESS = _Process()
    return _PROCESS


class _Question:
    """One question: asked by a thread of the process until there is an answer, awaited through `future`."""

    def __init__(self, instance_id, skill, completion, url=None, token=None, patience=None, where="the completion"):
        if not isinstance(instance_id, str) or skill not in SKILLS:
            raise Misused("instance_id is text and skill is one of %s; got %r and %r" % (", ".join(SKILLS), instance_id, skill))
        self.token = _token(token)
        self.scheme, self.host, self.port, self.path = _address(url, self._shown)
        self.place = self._shown("%s://%s:%s%s" % (self.scheme, self.host, self.port, self.path))
        self.patience = _patience(patience)
        # Halves of surrogate pairs are no text; a tokenizer may leave some.
        text = _text(completion, where).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self.asked = {"instance_id": instance_id, "skill": skill, "completion": text}
        self.future, self.stopped, self.socket = Future(), threading.Event(), None

    def run(self):
        try:
            if not self.future.done():
                self._settle(self.future.set_result, self._answer())
        except (Misused, Unanswered) as error:
            # Tools that print local variables would find what the service sent, perhaps with the token in it.
            self._settle(self.future.set_exception, error.with_traceback(None))
        except BaseException as error:  # Whatever it is, it belongs to the one who waits.
            self._settle(self.future.set_exception, error)

    def stop(self, why):
        """Ends it at once, from any thread: for the one who waits, for the thread that asks, and for the service."""
        self.stopped.set()
        self._settle(self.future.set_exception, Unanswered("%s: given up: %s" % (self.asked["instance_id"], why)))
        self._cut()

    @staticmethod
    def _settle(settle, value):
        try:
            settle(value)
        except InvalidStateError:
            pass  # It is settled already.

    def _cut(self):
        try:
            # A forked child may hold a copy of the connection; closing ours alone would tell the service nothing.
            self.socket.shutdown(socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass  # There is none, or no longer.

    def _shown(self, text):
        """Text from elsewhere, fit to be printed: one short line that does not hold the token."""
        if self.token:
            plain = str(self.token)
            for form in {plain, repr(plain)[1:-1], json.dumps(plain)[1:-1], quote(plain), quote(plain, safe="")}:
                text = text.replace(form, "[token]")
        return " ".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", " ", text).split())[:200]

    def _answer(self):
        """The answer that has a number. Every other end raises."""
        until, pause = time.monotonic() + self.patience, 0.5
        while True:
            answer, why, after = self._once(until)
            if answer is not None:
                return answer
            # The trainer's own random numbers are not touched.
            wait = pause * random.SystemRandom().uniform(0.5, 1.5)
            if after:
                wait = after + random.SystemRandom().uniform(0.0, 1.0)
            if time.monotonic() + wait > until:
                raise Unanswered("%s: no reward within %g s: %s" % (self.asked["instance_id"], self.patience, why))
            if self.stopped.wait(wait):
                raise Unanswered("%s: given up: %s" % (self.asked["instance_id"], why))
            pause = min(pause * 2, 30.0)

    def _once(self, until):
        """One request: the answer, or why there is none and the seconds to wait if the service said so."""
        why, lasting = None, False
        try:
            status, headers, body = self._exchange(until)
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Not there, cut off, or not HTTP.
            why = self._shown("%s: %s" % (type(error).__name__, error))
            lasting = getattr(error, "reason", None) in NOT_TLS
        if lasting:
            raise Misused("%s: %s; check ASSAY_URL and the certificate" % (self.place, why))
        if why is not None:
            return None, "%s: %s" % (self.place, why), None
        return self._read(status, headers, body)

    def _exchange(self, until):
        left = max(until - time.monotonic(), 1.0)
        headers = {"Content-Type": "application/json", "User-Agent": "assay-reward", "Connection": "close"}
        if self.token:
            headers["Authorization"] = _Token("Bearer " + self.token)
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        # Proxies of the environment are not for a service on this network, and a redirect is never followed: it would take
        # the token elsewhere and leave the question behind.
        connection = kind(self.host, self.port, timeout=CONNECT)
        try:
            connection.connect()
            self.socket = connection.sock
            _keep_alive(self.socket)
            self.socket.settimeout(left + 10.0)
            body = json.dumps(dict(self.asked, deadline_ms=int(left * 1000))).encode("ascii")
            if self.stopped.is_set():
                raise ConnectionAbortedError("given up")
            try:
                connection.request("POST", self.path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # It may have answered before it had read everything.
            response = connection.getresponse()
            return response.status, response.headers, _body(response, until + 10.0)
        finally:
            self._cut()
            connection.close()

    def _read(self, status, headers, body):
        body = _unpacked(headers, body)
        kind = headers.get("Content-Type") or "no content type"
        begin = self._shown(body[:100000].decode("utf-8", "replace"))
        why = "%s: HTTP %d, %s: %s" % (self.place, status, self._shown(kind), begin)
        if status == 409:
            raise Unanswered("%s: %s" % (self.asked["instance_id"], why))
        if 300 <= status < 400:
            there = self._shown((headers.get("Location") or "nowhere").split("?")[0])
            raise Misused("%s; it sends to %s: set ASSAY_URL to the service itself" % (why, there))
        if status in (401, 403):
            token = "the token that was sent is another" if self.token else "no token was sent"
            raise Misused("%s; %s: set ASSAY_TOKEN to the service's" % (why, token))
        if status in NEVER or 400 <= status < 500 and status not in AGAIN:
            raise Misused(why)
        if status != 200:
            return None, why, _seconds(headers.get("Retry-After"))
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if answer is None and ("html" in kind.lower() or body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")):
            raise Misused("%s; this is a page, perhaps of a proxy: set ASSAY_URL to the service itself" % why)
        fault = self._fault(answer)
        if fault:
            return None, "%s; not understood: %s" % (why, fault), None
        if answer["reward"] is not None:
            return answer, None, None
        why = "inconclusive: %s" % self._shown("%s %s" % (answer.get("reason"), answer.get("detail")))
        if answer.get("retryable") is not True:
            raise Unanswered("%s: %s" % (self.asked["instance_id"], why))
        return None, why, None

    def _fault(self, answer):
        """What is wrong with an answer, if anything is: only a verdict on this question is a reward."""
        if not isinstance(answer, dict) or "reward" not in answer:
            return "no JSON object with a reward"
        reward = answer["reward"]
        number = isinstance(reward, (int, float)) and not isinstance(reward, bool)
        if reward is not None and not (number and reward in (0, 1)):
            return "the reward is not 0, 1 or null"
        if answer.get("format", "reward.v1") != "reward.v1":
            return "the format is not reward.v1"
        status = {None: "inconclusive", 0: "rejected", 1: "verified"}[reward]
        if answer.get("status", status) != status:
            return "reward and status contradict each other"
        if any(answer.get(name, self.asked[name]) != self.asked[name] for name in ("instance_id", "skill")):
            return "it is about something else"
        if reward is not None and not all(isinstance(answer.get(name), str) for name in ("reason", "receipt")):
            return "reason or receipt is missing"
        return None


def _token(given):
    """The token without what surrounds it in a file; none if that is nothing."""
    for name, token in (("token", given), ("ASSAY_TOKEN", os.environ.get("ASSAY_TOKEN"))):
        if token is not None and not isinstance(token, str):
            raise Misused("%s is %s; give text" % (name, type(token).__name__))
        token = _Token((token or "").strip())
        if token and not re.fullmatch(r"[\x20-\x7e]+", token):
            raise Misused("%s holds a control character or one that is not ASCII; no HTTP header carries it" % name)
        if token:
            return token
    return None


def _address(given, shown):
    """Scheme, host, port and path that the service is asked at."""
    url = given or os.environ.get("ASSAY_URL") or "http://127.0.0.1:8790"
    if not isinstance(url, str):
        raise Misused("url is %s; give text like http://127.0.0.1:8790" % type(url).__name__)
    url = url.strip()
    # Passwords and queries are not for printing.
    said = shown(re.sub(r"^.*@", "...@", re.split(r"[?#]", url)[0], flags=re.DOTALL))
    parts = None
    try:
        if re.fullmatch(r"https?://[^\s\x00-\x1f\x7f]+", url, re.IGNORECASE):
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError:
        parts = None
    if parts is None or port == 0 or not re.fullmatch(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+(%[\w.-]+)?", host):
        raise Misused("the address %r is not like http://HOST:PORT; set ASSAY_URL, with http:// or https:// before it" % said)
    if "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[!-~]*", parts.path):
        raise Misused("the address %r holds a user, a query or a path that is not plain; a token goes into ASSAY_TOKEN" % said)
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/") + "/v1/verify"


def _patience(given):
    said = given if given is not None else os.environ.get("ASSAY_PATIENCE") or 3600
    try:
        seconds = float(said)
    except (TypeError, ValueError):
        seconds = -1.0
    if not seconds >= 0:
        raise Misused("patience (ASSAY_PATIENCE) is a number of seconds; got %r" % (said,))
    return min(seconds, LONGEST)


def _keep_alive(sock):
    """A verdict may take long. A service that vanished meanwhile, or a connection that was dropped on the way, is noticed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 6)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _body(response, until):
    """The whole body. `read` alone would wait for each byte anew, and `read1` does not say that some are missing."""
    wanted, got, pieces = response.length, 0, []
    while wanted is None or got < wanted:
        piece = response.read1(65536)
        if not piece and wanted is not None:
            raise http.client.IncompleteRead(b"", wanted - got)
        if not piece:
            break
        got += len(piece)
        pieces.append(piece)
        if got > LARGEST or time.monotonic() > until:
            raise http.client.HTTPException("a body that does not end")
    return b"".join(pieces)


def _unpacked(headers, body):
    """A proxy may compress though nobody asked it to."""
    if (headers.get("Content-Encoding") or "").strip().lower() not in ("gzip", "x-gzip"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return b""


def _seconds(after):
    """`Retry-After`: seconds, or a date. None if it says neither, or a time that is over."""
    after = (after or "").strip()
    if re.fullmatch(r"[0-9]{1,12}", after):
        return float(after)
    date = email.utils.parsedate(after)
    return max(calendar.timegm(date) - time.time(), 0.0) if date else None


def _text(completion, where):
    """What the model wrote: text, or the last message of its own in a chat. What is not understood is no empty answer."""
    if isinstance(completion, str):
        return completion
    messages = [completion] if isinstance(completion, Mapping) else completion
    if not isinstance(messages, (list, tuple)) or not messages:
        raise Misused("%s is %s; give text, or a list of chat messages that is not empty" % (where, type(completion).__name__))
    for index in reversed(range(len(messages))):
        message, place = messages[index], "%s, message %d," % (where, index)
        if not isinstance(message, Mapping):
            raise Misused("%s is %s; give a dict with role and content" % (place, type(message).__name__))
        role = message.get("role")
        if role in (None, "assistant", "model"):
            return _content(message, place)
        if role not in OTHER_ROLES:
            raise Misused("%s has the role %r; the model's messages are those of the assistant" % (place, role))
    raise Misused("%s holds no message of the assistant; give the model's messages" % where)


def _content(message, place):
    content = message.get("content", message.get("parts"))
    if isinstance(content, str):
        return content
    if content is None or content == [] or content == ():
        if any(message.get(name) for name in BESIDE):
            return ""
        raise Misused("%s has no content (fields %s); give text, or a list of parts" % (place, ", ".join(map(str, message))))
    text = []
    for part in [content] if isinstance(content, Mapping) else content if isinstance(content, (list, tuple)) else [content]:
        kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, Mapping) and (kind in SILENT or part.get("thought") is True):
            continue
        elif isinstance(part, Mapping) and kind in (None, "text", "output_text") and isinstance(part.get("text"), str):
            text.append(part["text"])
        else:
            raise Misused("%s has content of type %r that is no text; give text, or parts of type text" % (place, kind))
    return "".join(text)


def _task(ground_truth, extra_info):
    """Instance and skill of a row."""
    task = extra_info if isinstance(extra_info, Mapping) else {}
    if not task.get("instance_id") or not task.get("skill"):
        try:
            task = ground_truth if isinstance(ground_truth, Mapping) else json.loads(ground_truth)
        except (TypeError, ValueError) as error:
            raise Misused("the row names no instance: ground_truth is not JSON (%s)" % error) from None
    if not isinstance(task, Mapping) or not task.get("instance_id") or task.get("skill") not in SKILLS:
        raise Misused("the row names no instance_id and skill; use rows that `assay export` wrote")
    return task["instance_id"], task["skill"]


def _asked(questions, spared=()):
    """Asks all at the same time. The first exception is raised at once, but one that is `spared` stands for an answer."""
    try:
        process = _process()
        for question in questions:
            process.take(question)
        for future in as_completed([question.future for question in questions]):
            if future.exception() is not None and not isinstance(future.exception(), spared):
                raise future.exception()
        return [question.future.exception() or question.future.result() for question in questions]
    finally:
        # Also after Ctrl-C.
        for question in questions:
            question.stop("nobody waits for it")


def verify(instance_id, skill, completion, url=None, token=None, patience=None):
    """The service's answer as a dict. Its `reward` is a number; where there is none, `Unanswered` is raised."""
    return _asked([_Question(instance_id, skill, completion, url, token, patience)])[0]


def _verl(data_source, solution_str, ground_truth, extra_info=None, url=None, token=None, patience=None, **_):
    if not str(data_source).startswith("assay/"):
        raise Misused("rows of %s are not for this reward function" % data_source)
    return _Question(*_task(ground_truth, extra_info), solution_str, url, token, patience, "solution_str")


def _score(answer):
    reward = float(answer["reward"])
    return {"score": reward, "acc": reward, "reason": answer["reason"], "receipt": answer["receipt"]}


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **options):
    """verl: the reward of one answer, with what it rests on. Raises `Unanswered` where there is none."""
    return _score(_asked([_verl(data_source, solution_str, ground_truth, extra_info, **options)])[0])


async def compute_score_async(data_source, solution_str, ground_truth, extra_info=None, **options):
    """verl: the same without holding up the event loop."""
    question = _verl(data_source, solution_str, ground_truth, extra_info, **options)
    try:
        _process().take(question)
        return _score(await asyncio.wrap_future(question.future))
    finally:
        question.stop("nobody waits for it")


def compute_scores(data_sources, solution_strs, ground_truths, extra_infos=None, **options):
    """verl's batch manager: the same for a batch, asked at the same time."""
    extra_infos = extra_infos if extra_infos is not None else [None] * len(solution_strs)
    rows = zip(data_sources, solution_strs, ground_truths, extra_infos)
    return [_score(answer) for answer in _asked([_verl(*row, **options) for row in rows])]


def reward_func(prompts, completions, **columns):
    """TRL: a reward for each completion, None where there is none."""
    rows = [(index, completion, _row(columns, index)) for index, completion in enumerate(completions)]
    answers = _asked([_Question(*row, one, where="completions[%d]" % index) for index, one, row in rows], Unanswered)
    none = [isinstance(answer, Unanswered) for answer in answers]
    rewards = [None if no else float(answer["reward"]) for no, answer in zip(none, answers)]
    if callable(columns.get("log_extra")):
        columns["log_extra"]("assay", [str(answer) if no else answer["reason"] for no, answer in zip(none, answers)])
    if callable(columns.get("log_metric")) and rewards:
        columns["log_metric"]("assay/unanswered", rewards.count(None) / len(rewards))
    return rewards


def _row(columns, index):
    def at(name):
        column = columns.get(name)
        if column is not None and len(column) <= index:
            raise Misused("the column %s has %d values, and there are more completions" % (name, len(column)))
        return column[index] if column is not None else None

    flat = {"instance_id": at("instance_id"), "skill": at("skill")}
    if flat["instance_id"] and flat["skill"]:
        return _task(None, flat)
    model = at("reward_model")
    return _task(model.get("ground_truth") if isinstance(model, Mapping) else None, at("extra_info"))
