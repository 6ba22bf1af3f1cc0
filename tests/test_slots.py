"""Places for calls in flight: never too many, none lost, priorities first, nobody starves."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signoff.slots import FAIR, Slots


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Queue:
    """People in line, and the order in which they got their places."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.got: list[str] = []

    def ask(self, name: str, priority: str = "normal") -> asyncio.Task[None]:
        async def wait() -> None:
            await self.slots.wait(priority)
            self.got.append(name)

        return asyncio.ensure_future(wait())


@given(
    st.lists(st.sampled_from(["ask high", "ask normal", "ask low", "give", "cancel", "step"]), max_size=60)
)
def test_places_are_neither_lost_nor_multiplied_whatever_happens(moves: list[str]) -> None:
    async def play() -> None:
        slots = Slots(3)
        queue = Queue(slots)
        tasks: list[asyncio.Task[None]] = []
        given_back = 0
        for move in moves:
            if move.startswith("ask"):
                tasks.append(queue.ask(str(len(tasks)), move[4:]))
            elif move == "give" and len(queue.got) > given_back:
                given_back += 1
                slots.give_back()
            elif move == "cancel":
                next((task for task in tasks if not task.done()), asyncio.ensure_future(settle())).cancel()
            else:
                await settle()
            assert len(queue.got) - given_back <= slots.limit
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while len(queue.got) > given_back:
            given_back += 1
            slots.give_back()
        assert [slots.take() for _ in range(slots.limit + 1)] == [True] * slots.limit + [False]

    asyncio.run(play())


async def test_a_free_place_goes_to_the_higher_priority_and_then_to_who_asked_first() -> None:
    slots = Slots(1)
    queue = Queue(slots)
    assert slots.take()
    for name, priority in (("l", "low"), ("n1", "normal"), ("h", "high"), ("n2", "normal"), ("odd", "?")):
        queue.ask(name, priority)
        await settle()
    for _ in range(5):
        slots.give_back()
        await settle()
    assert queue.got == ["h", "n1", "n2", "odd", "l"]


async def test_nobody_overtakes_a_line_by_asking_at_the_right_moment() -> None:
    slots = Slots(1)
    queue = Queue(slots)
    assert slots.take()
    queue.ask("first")
    await settle()
    slots.give_back()
    assert not slots.take()
    await settle()
    assert queue.got == ["first"]


async def test_a_low_priority_is_served_although_higher_ones_never_end() -> None:
    slots = Slots(1)
    queue = Queue(slots)
    assert slots.take()
    queue.ask("low", "low")
    await settle()
    for number in range(3 * FAIR):
        queue.ask(f"high {number}", "high")
        await settle()
        slots.give_back()
        await settle()
    assert "low" in queue.got[: FAIR + 1]


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_waiter_that_gives_up_as_its_place_comes_keeps_none(moment: str) -> None:
    slots = Slots(1)
    assert slots.take()
    waiter = asyncio.ensure_future(slots.wait())
    await settle()
    if moment == "before":
        waiter.cancel()
        slots.give_back()
    else:
        slots.give_back()
        waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert slots.take()
