"""The daemon: put together, started, kept going, and ended, in the order that safety asks for.

Start: lock, ledger (verified, then folded), interrupted calls recorded as unknown, servers, watch, a look at
every note. End: nothing new leaves, calls in flight are awaited and recorded, notes are written, servers
and their children are ended, the ledger is closed with a checkpoint. Within ten seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger
from tzlocal import get_localzone

from signoff import __version__, durable, system
from signoff.config import Settings
from signoff.errands import Errands
from signoff.errors import LedgerError, UnsafeFile
from signoff.flow import calls_of, is_verify
from signoff.ledger.blobs import BlobStore
from signoff.ledger.checkpoint import ensure_key
from signoff.ledger.entry import Entry, Event
from signoff.ledger.log import Ledger
from signoff.ledger.state import State, fold
from signoff.logs import close_logs, open_logs, say_action
from signoff.model import LIVE, Attempt, PlanState, Status, StepState
from signoff.notebook import Notebook
from signoff.ownership import OwnerLock, owned_folder
from signoff.parts import Parts
from signoff.places import Places
from signoff.policy import repeatable
from signoff.reconcile import Reconciler
from signoff.recover import interrupted
from signoff.reload import Reload, Stamps, read_configuration
from signoff.requests import Requests
from signoff.runs import annotations_of
from signoff.say.words import moment
from signoff.scan import Scan
from signoff.schedule import Schedule
from signoff.servers.health import ServerHealth
from signoff.servers.keyring import Keyring
from signoff.servers.pool import ServerPool
from signoff.servers.tokens import Grant, TokenStore
from signoff.vault import Vault
from signoff.watch import Watch
from signoff.writeback import FOLDER_OF

PATIENCE = 4.0
"""Seconds that calls in flight are awaited when the daemon is stopped."""
SERVERS_PATIENCE = 3.5
FIRST_LOOK = 15.0
"""Seconds that the first look at the notes waits for servers of which nothing is known yet."""
IDLE_CHECK = 0.05
AT_ONCE = 16
"""Threads that write files: they wait for the disk, which writes out together what waits together."""


class Daemon:
    """One running daemon."""

    def __init__(
        self,
        parts: Parts,
        pool: ServerPool,
        places: Places,
        *,
        environ: Mapping[str, str],
        configured: Stamps,
        once: bool,
    ) -> None:
        self.parts = parts
        self._pool = pool
        self._once = once
        self._news = self._unwritten = False
        self._places = places
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.reconciler = Reconciler(parts)
        runs = self.reconciler.runs
        self._schedule = Schedule(runs.start_soon, runs.clock_was_put_back)
        self.reconciler.runs.clock = self._schedule
        self._requests = Requests(places.requests)
        self._reload = Reload(parts, self.reconciler, pool, environ, configured)
        self._errands = Errands(
            parts,
            self.reconciler,
            self._requests,
            restart=pool.restart,
            reload=self._reload.now,
            check=self._check_server,
        )
        self._scan = Scan(parts.vault, parts.state, self.reconciler)
        self._notebook = Notebook(parts, pool, places, self.reconciler.presence.is_lost)
        pool.subscribe(self._notebook.history.noted_change)
        pool.subscribe(self._server_changed)
        self._watch = Watch(
            [*self._scan.watched(), places.requests],
            self._hinted,
            polling=parts.settings.vault.polling,
        )

    # ------------------------------------------------------------ life

    async def live(self) -> None:
        """Work until stopped, or with `once` until nothing is runnable."""
        sweeping = asyncio.ensure_future(asyncio.to_thread(self._sweep))
        await self._remember_where_plans_are()
        await self._record_interrupted()
        self._watch.start()
        self._schedule.start()
        self._repeat()
        await self._pool.start()
        await self._first_look()
        await sweeping
        _collect_seldom()
        logger.info("Watching {}.", self.parts.vault.root)
        if self._once:
            await self._until_idle()
        else:
            await self._stop.wait()

    def stop(self) -> None:
        """Ask the daemon to end; safe to call from a signal handler in the event loop."""
        self._stop.set()

    def reload(self) -> None:
        """Read the configuration anew, soon; safe to call from a signal handler in the event loop."""
        asyncio.ensure_future(self._reload.try_now())  # noqa: RUF006  it says in the log how it went

    def let_in(self, server: str, grant: Grant) -> None:
        """Keep what lets us in at a server out of all that can be read; called from any thread."""
        self._loop.call_soon_threadsafe(self._reload.know, server, grant.secrets())

    async def close(self) -> None:
        """End: nothing new leaves; what is under way is recorded; the notes tell it; servers end."""
        self.reconciler.closing = True
        self._watch.stop()
        self._schedule.stop()
        await self.reconciler.runs.close(PATIENCE)
        with contextlib.suppress(TimeoutError, LedgerError):
            await asyncio.wait_for(self.reconciler.writeback.finish(), 1.0)
        text = self._notebook.dashboard()
        if text is not None:
            self._notebook.write_dashboard(text)
        self._notebook.write(self.reconciler.presence.stamps)  # while it is known how the servers were
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pool.stop(), SERVERS_PATIENCE)

    def _sweep(self) -> None:
        """Remove what writes left behind that were cut short when the last daemon was killed."""
        vault, places = self.parts.vault, self._places
        folders = [vault.root, *vault.subfolders()]
        folders += [places.audit, places.blobs, places.requests, places.state, places.checkpoint_key.parent]
        for folder in folders:
            with contextlib.suppress(OSError):
                durable.sweep(folder)

    async def _sweep_answers(self) -> None:
        """Delete answers to requests that nobody came for."""
        self._requests.sweep()

    async def _remember_where_plans_are(self) -> None:
        """Where each note is; first of all, where the last daemon put those whose move it did not record.

        Before anything else changes a plan: what its status was is what says where the note was taken.
        """
        presence = self.reconciler.presence
        unrecorded = [
            found for plan in self.parts.state.plans.values() if (found := self._moved_unsaid(plan))
        ]
        if unrecorded:
            await self.parts.ledger.append(unrecorded)
        for plan in self.parts.state.plans.values():
            presence.carry(plan.path, plan.id)

    def _moved_unsaid(self, plan: PlanState) -> Event | None:
        """The move of a note that lies where its plan's status sends it, and not where it was last seen."""
        vault = self.parts.vault
        if vault.stamp(plan.path) is not None:
            return None
        for path in vault.targets(plan.path, FOLDER_OF[plan.status]):
            try:
                data, _ = vault.read(path)
            except (UnsafeFile, OSError):
                continue
            if self.reconciler.presence.reading(path, data).id == plan.id:
                return Event("moved", plan=plan.id, data={"from": plan.path, "to": path})
        return None

    async def _record_interrupted(self) -> None:
        rules = self.parts.rules

        def harmless(plan: PlanState, step: StepState, attempt: Attempt) -> bool:
            frozen = self.reconciler.presence.frozen(plan.digest)
            if is_verify(step.id):
                return True
            calls = calls_of(frozen, step.id) if frozen else ()
            call = next(
                (each for each in calls if (each.server, each.tool) == (attempt.server, attempt.tool)), None
            )
            if frozen is None or call is None:
                return False
            action = rules.catalogue.find(step.action)
            return repeatable(call, action, annotations_of(frozen, call), rules.policy)

        events = interrupted(self.parts.state.plans.values(), harmless, self._is_kept)
        if events:
            logger.warning("{} call(s) were under way when the daemon last ended.", len(events))
            await self.parts.ledger.append(events)
        self.reconciler.runs.ask_again()

    def _is_kept(self, blob: str) -> bool:
        """Is all there that it takes to resume a call?"""
        try:
            self.parts.blobs.get(blob)
        except LedgerError:
            return False
        return True

    async def _first_look(self) -> None:
        """Requests, then every note, then the plans that were live when the daemon last ended."""
        connecting = asyncio.ensure_future(self._pool.known(FIRST_LOOK))
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        connecting.cancel()
        self._scan.remember(self._notebook.read())
        await self._errands.run()
        self._scan.everything()
        await self.reconciler.quiesce()
        self.reconciler.runs.open()
        for plan in list(self.parts.state.plans.values()):
            self.reconciler.writeback.soon(plan.id)
        self._scan.archives()  # there may be very many, and nobody waits for them

    def _repeat(self) -> None:
        vault, health = self.parts.settings.vault, self.parts.settings.health
        self._schedule.every(vault.rescan, self._rescan, "rescan")
        self._schedule.every(1.0, self._take_requests, "requests")
        self._schedule.every(10.0, self._look_at_expiries, "expiries")
        self._schedule.every(1.0, self._write_dashboard, "dashboard")
        self._schedule.every(3600.0, self._sweep_answers, "answers")
        self._schedule.every(health.interval, self._check_servers, "health")
        self._schedule.every(1.0, self._reload.look, "configuration")

    # ------------------------------------------------------------ what happens meanwhile

    def _hinted(self, path: Path) -> None:
        if path.parent == self._requests.folder:
            if not self.reconciler.closing:
                asyncio.ensure_future(self._take_requests())  # noqa: RUF006  it answers through files
            return
        relative = self.parts.vault.relative(path)
        if relative is not None and path.name and self.parts.vault.is_note(relative):
            self.reconciler.hint(relative)

    async def _take_requests(self) -> None:
        await self._errands.run()

    async def _rescan(self) -> None:
        if not self._watch.alive:
            logger.warning("Watching had stopped, or a folder was replaced; it is started again.")
            self._watch.stop()
            self._watch.start()
        self._scan.active()

    async def _look_at_expiries(self) -> None:
        """End what has expired while it waited."""
        now = self.reconciler.presence.now()
        for plan in list(self.parts.state.plans.values()):
            if plan.status is Status.PENDING and plan.expires and datetime.fromisoformat(plan.expires) <= now:
                words = f"It waited for approval until {moment(plan.expires, get_localzone() or UTC)}."
                async with self.reconciler.lock(plan.id):
                    await self.reconciler.deeds.end(plan.id, Status.EXPIRED, "expired", words)
            elif plan.status in LIVE and plan.approvals_end <= now:
                self.reconciler.runs.start(plan.id)

    async def _write_dashboard(self) -> None:
        text = self._notebook.dashboard()
        if text is not None:
            await asyncio.to_thread(self._notebook.write_dashboard, text)
        if self._unwritten:
            self._unwritten = False
            await asyncio.to_thread(self._notebook.write_servers, self._notebook.servers())

    def _server_changed(self, _name: str, _health: ServerHealth) -> None:
        """Whoever waits for a server looks whether it is there; several changes in a row are one look."""
        self._unwritten = True
        if not self._news and not self.reconciler.closing:
            self._news = True
            asyncio.get_running_loop().call_soon(self._look_for_servers)

    def _look_for_servers(self) -> None:
        self._news = False
        self.reconciler.runs.look_for_servers()

    async def _check_server(self, name: str) -> ServerHealth:
        """Ask one server how it is, because a person wants to know now."""
        health = await self._pool.look(name)
        self._notebook.history.note(name, health)
        await asyncio.to_thread(self._notebook.write_servers, self._notebook.servers())
        return health

    async def _check_servers(self) -> None:
        names = list(self._pool.health())
        found = await asyncio.gather(*(self._pool.check(name) for name in names), return_exceptions=True)
        for name, health in zip(names, found, strict=True):
            if isinstance(health, ServerHealth):
                self._notebook.history.note(name, health)
        self._notebook.write(self.reconciler.presence.stamps)
        self._look_for_servers()

    # ------------------------------------------------------------ once

    async def _until_idle(self) -> None:
        """Until nothing is looked at, run, written or asked for; twice in a row, around a scan."""
        quiet = 0
        while quiet < 2 and not self._stop.is_set():
            if self._working():
                quiet = 0
            else:
                await self._errands.run()
                self._scan.active()
                quiet += not self._working()
            await asyncio.sleep(max(IDLE_CHECK, self.parts.settings.vault.settle))
        await self.reconciler.withdraw_deleted()  # nobody is there to see them come back

    def _working(self) -> bool:
        reconciler = self.reconciler
        return reconciler.busy or reconciler.runs.busy or reconciler.writeback.busy or self._errands.busy


@asynccontextmanager
async def _ledger(places: Places) -> AsyncIterator[tuple[Ledger, BlobStore, State]]:
    """The ledger, verified and open, the content beside it, and the state folded from it."""
    key = ensure_key(places.checkpoint_key)
    blobs = BlobStore(places.blobs)
    ledger = Ledger.open(places.audit, blobs=places.blobs, key=key, keep=blobs.keep)
    try:
        await asyncio.to_thread(blobs.recover)
        state = await asyncio.to_thread(fold, ledger.entries())
        ledger.on_entries = _follow(state)
        yield ledger, blobs, state
    finally:
        await asyncio.to_thread(ledger.close)
        await asyncio.to_thread(blobs.close)


def _follow(state: State, heard: Callable[[Entry], None] | None = None) -> Callable[[list[Entry]], None]:
    def follow(entries: list[Entry]) -> None:
        for entry in entries:
            state.apply(entry)
            if entry.plan is not None:
                say_action("AUDIT", entry.plan, entry.step or "", f"{entry.seq} {entry.event}")
            if heard is not None:
                heard(entry)

    return follow


async def serve(settings: Settings, environ: Mapping[str, str], *, once: bool, terminal: bool) -> None:
    """Run the daemon until it is told to stop, or with `once` until nothing is runnable.

    Raises:
        VaultOwned: another daemon owns this vault.
        LedgerDamaged: the audit log does not verify; nothing was started.
        ConfigError: a file in `config/` is wrong; nothing was started.
    """
    places = Places(settings)
    configuration = read_configuration(settings, environ)
    vault = Vault(settings.vault.path, settings.vault.folders)
    system.make_owner_only_directory(settings.logs)
    vault.make_folders()
    with OwnerLock(places.lock), owned_folder(vault.root):
        open_logs(settings.logs, terminal=terminal)
        try:
            async with _ledger(places) as (ledger, blobs, state):
                tell = _Changes()
                tokens = TokenStore(places.tokens, Keyring(settings.config_dir))
                pool = ServerPool(
                    configuration.servers,
                    logs=settings.logs,
                    on_change=tell,
                    definitions=places.tools,
                    tokens=tokens,
                    capabilities=configuration.capabilities(),
                    cache=configuration.cached(),
                    default_timeout=settings.execution.timeout,
                )
                parts = Parts(settings, configuration.rules, vault, ledger, state, blobs, pool)
                daemon = Daemon(
                    parts, pool, places, environ=environ, configured=configuration.stamps, once=once
                )
                tell.to = daemon.reconciler.servers_changed
                tokens.told = daemon.let_in
                ledger.on_entries = _follow(state, daemon.reconciler.heard)
                await _serve(daemon, ledger, terminal=terminal)
        finally:
            close_logs()


class _Changes:
    """Passes on that a server changed, once there is somebody to tell."""

    to: Callable[[], None] | None = None

    def __call__(self, name: str) -> None:
        """The server `name` has changed."""
        logger.debug("Server {} changed.", name)
        if self.to is not None:
            self.to()


def _collect_seldom() -> None:
    """Leave what is there once all has started out of every later look for cycles.

    Half a million objects of modules and models never go away; looking at them again and again took a third
    of the time in which a long note was read.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _serve(daemon: Daemon, ledger: Ledger, *, terminal: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(AT_ONCE, thread_name_prefix="files"))
    for name in ("SIGTERM", "SIGINT"):
        with contextlib.suppress(NotImplementedError, ValueError):  # Windows, or not in the main thread
            loop.add_signal_handler(getattr(signal, name), daemon.stop)
    with contextlib.suppress(NotImplementedError, ValueError, AttributeError):
        # On a terminal it says that the terminal is gone.
        loop.add_signal_handler(signal.SIGHUP, daemon.stop if terminal else daemon.reload)
    start = {
        "version": __version__,
        "pid": os.getpid(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    await ledger.append([Event("daemon-started", data=start)])  # type: ignore[arg-type]
    begun = time.monotonic()
    try:
        await daemon.live()
    finally:
        await daemon.close()
        with contextlib.suppress(LedgerError):
            await ledger.append([Event("daemon-stopped", data={"after": round(time.monotonic() - begun, 1)})])
        logger.info("Stopped.")
