"""A standalone Spark cluster on loopback: one master, two workers of one core each, and what runs on it.

Everything is started in a process group of its own and ended with it, however the run ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyspark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

SPARK_HOME = Path(pyspark.__file__).parent
PACKAGE = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
WORKERS = 2
EXECUTOR_MEMORY = "1100m"
WORKER_MEMORY = "1200m"
DRIVER_MEMORY = "900m"
DAEMON_MEMORY = "192m"
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
START_SECONDS = 600


class Wrong(Exception):
    """A check has failed."""


@dataclass(frozen=True)
class Run:
    """What a program did."""

    code: int
    out: str
    log: str
    seconds: float


def free_port() -> int:
    """A free port."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


class Cluster:
    """The cluster; start and end it by `with`."""

    def __init__(self, work: Path, package: Path, *, brief: bool = False) -> None:
        """`work` takes logs and shuffles; `package` is the zip of the job.

        Where it is `brief`, the virtual machines compile little, which is most of what small data cost.
        """
        self.options = BRIEF if brief else ""
        self.work = work
        self.package = package
        self.port = free_port()
        self.groups: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        (work / "logs").mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """Where the master is."""
        return f"spark://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Cluster:
        """Starts master and workers and waits until they know each other."""
        try:
            web = free_port()
            master = ["--host", LOOPBACK, "--port", str(self.port), "--webui-port", str(web)]
            self._start("master", "org.apache.spark.deploy.master.Master", *master)
            self._web = web
            for _ in range(WORKERS):
                self.add_worker()
            self.await_workers()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends everything that was started here, and waits for it."""
        for process in self.groups:
            end_group(process)
        self.groups.clear()

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SPARK_", "PYSPARK_"))}
        return {
            **kept,
            "SPARK_HOME": str(SPARK_HOME),
            "SPARK_LOCAL_IP": LOOPBACK,
            "SPARK_LOCAL_DIRS": str(self.work / "local"),
            "SPARK_DAEMON_MEMORY": DAEMON_MEMORY,
            "SPARK_DAEMON_JAVA_OPTS": BRIEF,
            "SPARK_CONF_DIR": str(self.work),
            "PYSPARK_PYTHON": sys.executable,
        }

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.work / "logs" / f"{name}-{len(self.groups)}.txt").open("wb") as log:
            process = subprocess.Popen(
                [SPARK_HOME / "bin" / "spark-class", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                cwd=self.work,
                start_new_session=True,
            )
        self.groups.append(process)
        return process

    def add_worker(self) -> None:
        """Starts one more worker of one core."""
        sizes = ["--cores", "1", "--memory", WORKER_MEMORY, "--webui-port", str(free_port())]
        work = ["--host", LOOPBACK, "--work-dir", str(self.work / "workers"), *sizes]
        worker = self._start("worker", "org.apache.spark.deploy.worker.Worker", *work, self.url)
        self.workers.append(worker)

    def kill_worker(self) -> None:
        """Kills a worker and its executor as a lost machine would."""
        end_group(self.workers.pop(0), signal.SIGKILL)

    def await_workers(self) -> None:
        """Waits until the master has registered all workers that were started."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            state = fetch(f"http://{LOOPBACK}:{self._web}/json/")
            workers = (state or {}).get("workers", [])
            if sum(worker["state"] == "ALIVE" for worker in workers) == len(self.workers):
                return
            time.sleep(0.3)
        raise Wrong(f"the cluster did not start in {START_SECONDS} s: see {self.work}/logs")

    def submit(self, script: Path, *arguments: str, **settings: str) -> Submission:
        """Starts a script by `spark-submit`, in client mode."""
        ui = free_port()
        conf = {
            "spark.cores.max": str(WORKERS),
            "spark.executor.memory": EXECUTOR_MEMORY,
            "spark.driver.memory": DRIVER_MEMORY,
            "spark.driver.defaultJavaOptions": self.options,
            "spark.executor.defaultJavaOptions": self.options,
            "spark.driver.bindAddress": LOOPBACK,
            "spark.driver.host": LOOPBACK,
            "spark.ui.port": str(ui),
            "spark.ui.showConsoleProgress": "false",
            **{key.replace("__", "."): value for key, value in settings.items()},
        }
        command: list[str | Path] = [SPARK_HOME / "bin" / "spark-submit", "--master", self.url]
        for key, value in conf.items():
            command += ["--conf", f"{key}={value}"]
        command += ["--py-files", self.package, script, *arguments]
        out = (self.work / "logs" / f"run-{len(self.groups)}.out").open("w+b")
        log = (self.work / "logs" / f"run-{len(self.groups)}.txt").open("w+b")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            env=self._environment(),
            cwd=self.work,
            start_new_session=True,
        )
        self.groups.append(process)
        return Submission(process, out, log, ui, time.monotonic())

    def job(self, *arguments: str, **settings: str) -> Submission:
        """Starts a command of the job."""
        return self.submit(PACKAGE / "agg_job.py", *arguments, **settings)

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """Starts a session that runs steps, and ends it: it holds all cores of the cluster."""
        mailbox = self.work / f"session-{len(self.groups)}"
        mailbox.mkdir()
        session = Session(self.submit(PACKAGE / "conform" / "session.py", str(mailbox)), mailbox)
        yield session
        session.end()


@dataclass
class Submission:
    """A run of `spark-submit`."""

    process: subprocess.Popen[bytes]
    out: IO[bytes]
    log: IO[bytes]
    ui: int
    begun: float

    def wait(self, limit: float = 1800) -> Run:
        """Waits for the end."""
        try:
            code = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            end_group(self.process)
            code = -1
        seconds = time.monotonic() - self.begun
        texts = []
        for stream in (self.out, self.log):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
            stream.close()
        return Run(code, texts[0], texts[1], seconds)

    def until_busy(self, tasks: int, limit: float = 1200) -> bool:
        """Waits until a stage of several tasks has finished some, and not all; whether that occurred."""
        deadline = time.monotonic() + limit
        base = f"http://{LOOPBACK}:{self.ui}/api/v1/applications"
        while time.monotonic() < deadline and self.process.poll() is None:
            for application in fetch(base) or []:
                for stage in fetch(f"{base}/{application['id']}/stages?status=active") or []:
                    done, all_ = stage["numCompleteTasks"], stage["numTasks"]
                    if all_ >= tasks and 0 < done <= all_ - tasks // 2:
                        return True
            time.sleep(0.1)
        return False

    def kill(self) -> None:
        """Kills the driver and all that it started."""
        end_group(self.process, signal.SIGKILL)


class Session:
    """A run of `conform/session.py`, which answers lists of steps through files in a folder."""

    def __init__(self, submission: Submission, mailbox: Path) -> None:
        """Talks to a run that has been started."""
        self._submission = submission
        self._mailbox = mailbox
        self._asked = 0

    def run(self, steps: Sequence[dict[str, Any]], limit: float = 3600) -> list[dict[str, Any]]:
        """Has steps done and gives their results."""
        told = self._mailbox / f"{self._asked}.told.json"
        self._ask(steps)
        deadline = time.monotonic() + limit
        while not told.exists():
            if self._submission.process.poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"the session failed:\n{self._submission.wait(0).log[-4000:]}")
            time.sleep(0.05)
        results: list[dict[str, Any]] = json.loads(told.read_text())
        return results

    def end(self) -> None:
        """Ends it, so that others get the cores of its executors."""
        self._ask([])
        done = self._submission.wait(120)
        if done.code != 0:
            raise Wrong(f"the session did not end well:\n{done.log[-4000:]}")

    def _ask(self, steps: Sequence[dict[str, Any]]) -> None:
        aside = self._mailbox / f"{self._asked}.asking"
        aside.write_text(json.dumps(steps))
        aside.rename(self._mailbox / f"{self._asked}.asked.json")
        self._asked += 1


def fetch(url: str) -> Any:
    """The JSON at a URL of this machine, or None."""
    refused = contextlib.suppress(urllib.error.URLError, ValueError, OSError)
    with refused, urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        return json.load(answer)
    return None


def members(process: subprocess.Popen[bytes]) -> Iterator[int]:
    """The processes of a session that was started here, executors among them."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[3]) == process.pid:
                    yield int(entry.name)


def end_group(process: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    """Ends a process and everything of its session: asks first, unless `first` is SIGKILL."""
    for sign, patience in ((first, 10), (signal.SIGKILL, 10)):
        # An executor has a process group of its own in some versions: go by session, not by group.
        alive = list(members(process))
        for member in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        if not list(members(process)):
            return
        time.sleep(0.2)
