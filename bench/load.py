"""Load on a server: requests that ``wrk`` makes, and what came of them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench import processes
from bench.servers import Server


@dataclass(frozen=True)
class Request:
    """A request to be made: a query with ``~name~`` where a number goes in, and what it accepts.

    ``~run~`` is another number each time; any other name a number below the count of that name.
    """

    query: str
    accept: str


@dataclass(frozen=True)
class Measured:
    """What a round of load came to. Times in seconds."""

    requests: int
    failed: int
    seconds: float
    cpu: float
    client_cpu: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return (self.requests - self.failed) / self.seconds


#: How a script of ``wrk`` tells what it measured, in a line of its own.
DONE = """function done(summary, latency, requests)
  local errors = summary.errors
  print("ROUND", summary.requests, errors.status, errors.connect + errors.read + errors.write
    + errors.timeout, summary.duration, latency:percentile(50), latency:percentile(99))
end
"""

_SCRIPT = (
    """
local kinds, counts = {{ {kinds} }}, {{ {counts} }}
local run, made, at = 0, {{}}, 0
local function make(kind)
  run = run + 1
  local target = kind[1]:gsub("~(%a+)~", function(name)
    if name == "run" then return tostring(run) end
    return tostring(math.random(0, counts[name] - 1))
  end)
  return "GET {path}?query=" .. target ..
    " HTTP/1.1\\r\\nHost: localhost\\r\\nAccept: " .. kind[2] .. "\\r\\n\\r\\n"
end
function init(args)
  run = tonumber(args[1])
  math.randomseed({repeated} > 0 and 7 or run)
  for n = 0, {repeated} - 1 do made[n] = make(kinds[n % #kinds + 1]) end
end
function request()
  at = at + 1
  if {repeated} > 0 then return made[at % {repeated}] end
  return make(kinds[at % #kinds + 1])
end
"""
    + DONE
)


def settle(servers: Sequence[Server], seconds: float = 15) -> None:
    """Waits until the servers rest: some go on with what nobody waits for any more."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        before = sum(server.cpu() for server in servers)
        time.sleep(0.1)
        if sum(server.cpu() for server in servers) - before < 0.03:
            return


class Load:
    """A mix of requests that ``wrk`` makes: every one new, or the same few again and again."""

    def __init__(
        self,
        folder: Path,
        requests: Sequence[Request],
        counts: dict[str, int],
        *,
        repeated: int = 0,
    ) -> None:
        self._folder = folder
        self._requests = requests
        self._counts = counts
        self._repeated = repeated

    def round(self, server: Server, clients: int, seconds: float, run: int) -> Measured:
        """One round on one server. First-time requests are numbered from ``run`` on."""
        script = self._folder / "load.lua"
        kinds = ", ".join(
            f"{{ [[{quote(r.query, safe='~')}]], [[{r.accept}]] }}" for r in self._requests
        )
        script.write_text(
            _SCRIPT.format(
                kinds=kinds,
                counts=", ".join(f"{name} = {count}" for name, count in self._counts.items()),
                path=server.path,
                repeated=self._repeated,
            )
        )
        return wrk(server, clients, seconds, script, run)


def wrk(server: Server, clients: int, seconds: float, script: Path, run: int) -> Measured:
    """Runs ``wrk`` with a script that ends in a ROUND line. Raises RuntimeError without wrk."""
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("no wrk: apt-get install wrk")
    before, client_before = server.cpu(), processes.spent()
    done = subprocess.run(
        [
            program,
            "-t1",
            f"-c{clients}",
            f"-d{max(1, round(seconds))}s",
            "--timeout=20s",
            f"-s{script}",
            f"http://127.0.0.1:{server.port}{server.path}",
            "--",
            str(run),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    cpu, client_cpu = server.cpu() - before, processes.spent() - client_before
    line = next(line for line in done.stdout.splitlines() if line.startswith("ROUND"))
    requests, status, broken, duration, p50, p99 = map(float, line.split()[1:])
    return Measured(
        int(requests),
        int(status + broken),
        duration / 1e6,
        cpu,
        client_cpu,
        p50 / 1e6,
        p99 / 1e6,
    )


def together(rounds: Sequence[Measured]) -> Measured:
    """Rounds of one server as one: sums, and the median round's latencies."""
    middle = sorted(rounds, key=lambda r: r.p99)[len(rounds) // 2]
    return Measured(
        sum(r.requests for r in rounds),
        sum(r.failed for r in rounds),
        sum(r.seconds for r in rounds),
        sum(r.cpu for r in rounds),
        sum(r.client_cpu for r in rounds),
        middle.p50,
        middle.p99,
    )
