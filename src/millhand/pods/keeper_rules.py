"""When a lease ends a pod, and how. Travels to a pod: standard library, Python >= 3.8.

Each rule and its reason: docs/decisions/0005-lease.md.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import urllib.parse
from typing import Any

from millhand.pods import keeper_api
from millhand.pods.job_processes import boot_key
from millhand.pods.keeper_look import LOOK_S, Scout, uptime
from millhand.pods.keeper_terms import ORDERED, check_terms, setting

HEARTBEAT_S = 5.0
SETTLE_S = 60.0  # after the API took the end: when to ask again if this still runs
LONGEST_WAIT_S = 60.0
BLIND_S = 120.0  # an older look says nothing of idleness: the volume may hang
REFUSALS = 3
HEARD_S = 10.0
TRIES = 3  # of one form that the API only fails at, before another has its turn
RESTART_S = 600.0


class Keeper:
    """Holds one lease; everything it decides by is in ``story``, which becomes lease.json."""

    def __init__(self, lease: dict[str, Any], pod: str, scout: Scout) -> None:
        self.terms = dict(lease)
        self.scout = scout
        self.clock = keeper_api.Clock(lease["api_url"])
        self.url = f"{lease['api_url'].rstrip('/')}/pods/{urllib.parse.quote(pod, safe='')}"
        self.story: dict[str, Any] = {"pod": pod, "phase": "held", "boots": 0, "restarts": [], "why": ""}
        self.held_s = self.spent_usd = 0.0
        self.seen = self.active_at = uptime()
        self.next_try = self.next_word = self.revived_until = 0.0
        self.end_at, self.busy_at = math.inf, -math.inf
        self.tries = self.refusals = self.turn = 0
        self.said = self.vain = ""
        self.asked = False

    # Taking up what an earlier keeper left.

    def take_up(self, past: dict[str, Any]) -> None:
        """Go on with the lease as it stood: the same deadline, what was spent, and one more boot."""
        key, now = boot_key(), time.time()
        self.story.update(boot=key, pid=os.getpid(), given=dict(self.terms), armed_s=now, boots=1, keepers=1)
        if past.get("pod") == self.story["pod"]:
            # A damaged state is no state: the environment's deadline holds.
            with contextlib.suppress(KeyError, TypeError, ValueError):
                self._go_on(past, key, now)
        self.active_at = self.seen = uptime()

    def _go_on(self, past: dict[str, Any], key: str, now: float) -> None:
        revived = past["phase"] == "ended" and past["boot"] != key
        if not (revived and past["given"] != self.story["given"]):  # else it was started with a new lease
            self._count_on(past, key, now, revived)
        kept = ("order", "last_active_s", "why")
        self.story.update({name: past[name] for name in kept if name in past})
        self.story.update(armed_s=past["armed_s"], boots=past["boots"], keepers=past["keepers"] + 1)
        self.story["restarts"] = list(past["restarts"])
        if past["boot"] != key:
            self.story["boots"] += 1
            self.story["restarts"] = [*past["restarts"], now][-20:]

    def _count_on(self, past: dict[str, Any], key: str, now: float, revived: bool) -> None:
        terms = {name: past["terms"][name] for name in (*ORDERED, "deadline_epoch_s")}
        check_terms(terms)
        same_host = past["boot"].partition("/")[0] == key.partition("/")[0]
        gap_s = max(0.0, uptime() - past["uptime_s"] if same_host else now - past["heartbeat_s"])
        self.terms.update(terms)
        self.held_s = past["held_s"] + gap_s
        # A restart takes minutes; whoever was away for longer was stopped, and cost nothing.
        billed_s = gap_s if past["boot"] == key else min(gap_s, RESTART_S)
        self.spent_usd = past["spent_usd"] + (0.0 if revived else self._cost(billed_s))
        if revived:
            self.revived_until = uptime() + self.terms["revive_minutes"] * 60

    # What the rules say.

    def _cost(self, seconds: float) -> float:
        return float(self.terms["usd_per_hour"] * seconds / 3600)

    def _pass_time(self) -> None:
        passed_s, self.seen = uptime() - self.seen, uptime()
        now = self.clock.now()
        self.held_s += passed_s
        self.spent_usd += self._cost(passed_s)
        if now is not None and self.terms["deadline_epoch_s"] is not None:
            # The lease began when its absolute deadline says; what was not seen of it was paid for as well.
            unseen_s = now - (self.terms["deadline_epoch_s"] - self.terms["hours"] * 3600) - self.held_s
            self.held_s += max(0.0, unseen_s)
            self.spent_usd += self._cost(max(0.0, unseen_s)) if self.story["boots"] == 1 else 0.0

    def limit(self) -> tuple[float, str]:
        """Seconds left until the first limit, and which that is."""
        terms = self.terms
        limits = [(terms["hours"] * 3600 - self.held_s, "deadline"), (self.end_at - uptime(), "order")]
        if terms["spend_usd"] is not None and terms["usd_per_hour"]:
            left_s = (terms["spend_usd"] - self.spent_usd) / terms["usd_per_hour"] * 3600
            limits.append((left_s, "spend"))
        left_s, why = min(limits)
        return max(left_s, self.revived_until - uptime()), why

    def _idle_s(self) -> float:
        look = self.scout.look
        if look.active or uptime() - look.at > BLIND_S:
            self.active_at = uptime()
            self.story["last_active_s"] = time.time()
        return uptime() - self.active_at

    def nothing_is_lost(self) -> bool:
        """Whether the pod may be terminated without losing what was made in it."""
        blind = uptime() - self.scout.look.at > BLIND_S
        return self.terms["storage"] == "network" or not (blind or self.scout.look.undelivered)

    def due(self) -> str:
        """Why the pod is to end now; empty while it is not. Jobs are asked to end in good time."""
        left_s, why = self.limit()
        grace_s = min(self.terms["grace_s"], self.terms["hours"] * 1800)
        idle_s, rule = self._idle_s(), self.terms["idle_minutes"]
        if left_s > grace_s:
            self.asked = False
            over = rule is not None and idle_s >= rule * 60 and self.revived_until < uptime()
            return "idle" if over and self.nothing_is_lost() else ""
        if self.scout.look.jobs:
            self.busy_at = uptime()
            if not self.asked:
                self.asked = True
                self.scout.stop_jobs(max(1.0, left_s - 2 * LOOK_S), why)
        return why if left_s <= 0 or self._is_done(why) else ""

    def _is_done(self, why: str) -> bool:
        """Whether nothing more is waited for: jobs have saved, and who follows them had time to hear why."""
        if self.scout.look.jobs or (self.asked and uptime() - self.busy_at < HEARD_S):
            return False
        return why == "order" or (self.asked and self.nothing_is_lost())

    # Orders.

    def obey(self, order: dict[str, Any]) -> None:
        """Change the lease as an order says, or say what is wrong with it."""
        terms = {name: order[name] for name in ORDERED if name in order}
        self.story["order"] = {"id": order.get("id"), "fault": ""}
        try:
            check_terms(terms)
        except ValueError as error:
            self.story["order"]["fault"] = str(error)
            return
        if "hours" in terms:
            now = self.clock.now()
            self.terms["deadline_epoch_s"] = None if now is None else now + terms["hours"] * 3600
            terms["hours"] += self.held_s / 3600
        self.terms.update(terms)
        self.end_at = uptime() + self.terms["grace_s"] if order.get("end") else math.inf
        self.revived_until = 0.0
        self.active_at = uptime()

    # The end.

    def forms(self) -> list[tuple[str, str, dict[str, str] | None]]:
        """The requests that may end the pod, in turn: never one that loses what a stop would keep."""
        stop = ("POST", f"{self.url}/action", {"action": "stop"})
        terminate = [("DELETE", self.url, None), ("POST", f"{self.url}/action", {"action": "terminate"})]
        if self.terms["storage"] == "persistent" and not self.nothing_is_lost():
            return [stop]
        if self.terms["end_action"] == "stop":
            # Some pods cannot be stopped; after as many refusals nothing is lost by the other way.
            return [stop] if self.refusals < REFUSALS else [*terminate, stop]
        return terminate

    def end(self, why: str) -> None:
        """Ask the API to end this pod, when it is time to ask again."""
        if uptime() < self.next_try:
            return
        if self.story["phase"] == "ended":
            self._still_here()
        forms = self.forms()
        method, url, body = forms[self.turn % len(forms)]
        action = (body or {"action": "terminate"})["action"]
        self.story.update(phase="ending", why=why, action=action)
        self.tell(wait_s=2.0)  # while there still is somebody to tell it
        key = setting("RUNPOD_API_KEY")
        status, headers = keeper_api.ask(method, url, key=key, body=body) if key else (0, "no RUNPOD_API_KEY")
        self.clock.take(headers)
        self._answered(status, headers)

    def _still_here(self) -> None:
        """The API took the end, or knew no such pod, and nothing came of it: as good as a refusal."""
        self.refusals, self.turn = self.refusals + 1, self.turn + 1
        self.vain = f"{self.said} to {self.story['action']}, and it still runs"

    def _answered(self, status: int, headers: Any) -> None:
        ended = 200 <= status < 300 or status in (404, 410)
        refused = 400 <= status < 500 and status not in (404, 408, 410, 429)
        self.tries = 0 if ended else self.tries + 1
        self.refusals += refused
        self.turn += refused or (not ended and self.tries % TRIES == 0)
        asked_s = _seconds(headers, "Retry-After") if status in (429, 503) else 0.0
        wait_s = SETTLE_S if ended else min(LONGEST_WAIT_S, max(asked_s, 2.0 ** min(self.tries - 1, 6)))
        self.next_try = uptime() + wait_s
        self.said = f"HTTP {status}" if status else f"no answer: {headers}"
        fault = self.vain if ended else self.said
        self.story.update(phase="ended" if ended else "ending", fault=fault, tries=self.tries)
        self.tell(wait_s=2.0)

    # The story.

    def tell(self, *, wait_s: float = 0.0) -> None:
        """Have the state written."""
        left_s, limit = self.limit()
        look, now = self.scout.look, self.clock.now()
        self.story.update(
            heartbeat_s=time.time(),
            uptime_s=uptime(),
            held_s=self.held_s,
            spent_usd=round(self.spent_usd, 6),
            left_s=round(left_s, 1),
            limit=limit,
            terms=self.terms,
            active=look.active,
            safe=self.nothing_is_lost(),
            undelivered=look.undelivered,
            clock_offset_s=None if now is None else round(now - time.time(), 1),
            can_end=bool(setting("RUNPOD_API_KEY")),
            revived=self.revived_until > uptime(),
        )
        self.next_word = uptime() + HEARTBEAT_S
        self.scout.tell(dict(self.story), wait_s=wait_s)

    def tick(self) -> None:
        """One turn: orders, rules, the end, a word."""
        self.clock.refresh()
        self._pass_time()
        while self.scout.orders:
            self.obey(self.scout.orders.pop(0))
            self.next_word = 0.0
        why = self.due()
        if why:
            self.end(why)
        elif self.story["phase"] != "held":  # an order came in time
            self.story.update(phase="held", why="", fault="")
            self.tries = self.refusals = self.turn = 0
            self.next_try, self.vain = 0.0, ""
        if uptime() >= self.next_word:
            self.tell()


def _seconds(headers: Any, name: str) -> float:
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        return float(headers[name])
    return 0.0
