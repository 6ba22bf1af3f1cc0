"""The owners of all servers, and the tasks that they live in: taken on, started, dismissed, ended.

A server that is taken out of the configuration, or is another there now, is dismissed: it takes no further
call, those under way end first, then its processes do, and only then its successor is started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from signoff.servers.launch import ServerConfig
from signoff.servers.owner import Owner
from signoff.servers.replicas import Replicas, labels

STOP_TIMEOUT = 5.0
"""Seconds; owners that have not ended by then are cancelled."""


class Crew:
    """All owners.

    Args:
        make: an owner of its configuration and its label.

    Attributes:
        owners: those that take calls, by label.
    """

    def __init__(self, make: Callable[[ServerConfig, str], Owner]) -> None:
        self._make = make
        self.owners: dict[str, Owner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, tuple[asyncio.Task[None], list[Owner]]] = {}
        self._started = False

    def take_on(self, config: ServerConfig) -> Replicas:
        """An owner for each replica of a server; they begin with `start`, or now where that was.

        Where one of that name was dismissed, they begin when it has ended.
        """
        named = zip(labels(config.name), config.instances(), strict=False)
        owners = {label: self._make(instance, label) for label, instance in named}
        self.owners.update(owners)
        if self._started:
            for label, owner in owners.items():
                self._begin(label, owner, self._leaving.get(config.name))
        return Replicas(config, list(owners.values()))

    def start(self) -> None:
        """Starts them all, and waits for none."""
        self._started = True
        for label, owner in self.owners.items():
            if label not in self._tasks:
                self._begin(label, owner, None)

    def _begin(self, label: str, owner: Owner, before: tuple[asyncio.Task[None], list[Owner]] | None) -> None:
        async def live() -> None:
            if before is not None:
                await asyncio.wait({before[0]})
            await owner.run()

        self._tasks[label] = asyncio.create_task(live(), name=f"owner of {label}")

    def dismiss(self, replicas: Replicas) -> None:
        """Has a server take no further call from now on, and end when those under way have ended."""
        name, owners = replicas.config.name, list(replicas.owners)
        tasks = []
        for owner in owners:
            owner.retire()
            del self.owners[owner.label]
            task = self._tasks.pop(owner.label, None)
            if task is not None:
                tasks.append(task)
        leaving = asyncio.create_task(_left(owners, tasks), name=f"end of {name}")
        _, before = self._leaving.get(name, (None, []))
        self._leaving[name] = leaving, [*before, *owners]
        leaving.add_done_callback(lambda task: self._gone(name, task))

    def _gone(self, name: str, task: asyncio.Task[None]) -> None:
        if name in self._leaving and self._leaving[name][0] is task:
            del self._leaving[name]

    async def stop(self) -> None:
        """Ends them all, those that are leaving too."""
        self._started = False
        for owner in [*self.owners.values(), *(each for _, some in self._leaving.values() for each in some)]:
            owner.stop()
        tasks = [*self._tasks.values(), *(task for task, _ in self._leaving.values())]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()


async def _left(owners: list[Owner], tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*(owner.drained() for owner in owners))
    for owner in owners:
        owner.stop()
    await asyncio.gather(*tasks, return_exceptions=True)
