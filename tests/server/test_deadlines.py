import structlog

from stompede.server.deadlines import RESOLUTION_S, Deadlines, DeadlinesStatistics


class Alarm:
    bucket = 0

    def __init__(self, again: float | None = None) -> None:
        self.rung: list[float] = []
        self.again = again

    def on_deadline(self, now: float) -> float | None:
        self.rung.append(now)
        again, self.again = self.again, None
        return again


def test_nothing_rings_before_its_time_and_everything_at_most_a_quarter_second_after() -> None:
    deadlines = Deadlines()
    deadlines.expire(100.0)
    alarms = {when: Alarm() for when in (100.01, 100.25, 100.26, 101.0, 103.99)}
    for when, alarm in alarms.items():
        deadlines.add(alarm, when)
    now = 100.0
    while now < 105:
        now += 0.05
        deadlines.expire(now)
    for when, alarm in alarms.items():
        assert len(alarm.rung) == 1
        assert when <= alarm.rung[0] <= when + RESOLUTION_S + 0.06
    assert len(deadlines) == 0


def test_what_asks_for_a_later_time_is_called_again() -> None:
    deadlines = Deadlines()
    deadlines.expire(0.0)
    alarm = Alarm(again=2.0)
    deadlines.add(alarm, 1.0)
    assert deadlines.expire(1.0) == 1
    assert deadlines.expire(1.9) == 0
    assert deadlines.expire(2.0) == 1
    assert deadlines.expire(100.0) == 0


def test_a_time_that_has_passed_rings_at_the_next_look() -> None:
    deadlines = Deadlines()
    deadlines.expire(50.0)
    alarm = Alarm()
    deadlines.add(alarm, 3.0)
    deadlines.expire(50.0)
    assert alarm.rung == []
    deadlines.expire(50.25)
    assert alarm.rung == [50.25]


def test_what_asks_again_for_a_time_that_has_passed_does_not_ring_for_ever_in_one_look() -> None:
    class Stubborn:
        bucket = rung = 0

        def on_deadline(self, now: float) -> float | None:
            self.rung += 1
            return now - 10

    deadlines = Deadlines()
    deadlines.expire(0.0)
    stubborn = Stubborn()
    deadlines.add(stubborn, 1.0)
    deadlines.expire(1.0)
    assert stubborn.rung == 1
    deadlines.expire(1.25)
    assert stubborn.rung == 2


def test_what_is_hastened_rings_at_the_earlier_of_both_times() -> None:
    deadlines = Deadlines()
    deadlines.expire(0.0)
    sooner, later, rung = Alarm(), Alarm(), Alarm()
    for alarm, when in ((sooner, 5.0), (later, 5.0), (rung, 1.0)):
        deadlines.add(alarm, when)
    deadlines.hasten(sooner, 2.0)
    deadlines.hasten(later, 9.0)
    deadlines.expire(1.0)
    deadlines.hasten(rung, 9.0)
    for now in (2.0, 5.0, 9.0):
        deadlines.expire(now)
    assert (sooner.rung, later.rung, rung.rung) == ([2.0], [5.0], [1.0, 9.0])
    assert len(deadlines) == 0


def test_what_is_discarded_does_not_ring() -> None:
    deadlines = Deadlines()
    deadlines.expire(0.0)
    alarm, other = Alarm(), Alarm()
    deadlines.add(alarm, 1.0)
    deadlines.add(other, 1.0)
    deadlines.discard(alarm)
    deadlines.discard(alarm)
    deadlines.expire(2.0)
    assert (alarm.rung, other.rung) == ([], [2.0])


def test_deadlines_from_before_the_first_look_are_kept() -> None:
    deadlines = Deadlines()
    alarm = Alarm()
    deadlines.add(alarm, 10.0)
    assert deadlines.expire(20.0) == 1
    assert alarm.rung == [20.0]


def test_a_clock_that_jumps_a_day_rings_everything_once() -> None:
    deadlines = Deadlines()
    deadlines.expire(0.0)
    alarms = [Alarm() for _ in range(10)]
    for index, alarm in enumerate(alarms):
        deadlines.add(alarm, index * 3600.0)
    assert deadlines.expire(86_400.0) == 10
    assert all(alarm.rung == [86_400.0] for alarm in alarms)


def test_a_clock_that_goes_back_rings_nothing() -> None:
    deadlines = Deadlines()
    deadlines.expire(100.0)
    alarm = Alarm()
    deadlines.add(alarm, 101.0)
    assert deadlines.expire(90.0) == 0
    assert deadlines.expire(101.0) == 1


class Broken:
    bucket = 0

    def on_deadline(self, now: float) -> float | None:
        raise RuntimeError(f"broken at {now}")


def test_statistics_count_what_waits_was_due_and_failed() -> None:
    deadlines = Deadlines()
    deadlines.expire(100.0)
    for timed in (Alarm(again=105.0), Alarm(), Broken()):
        deadlines.add(timed, 101.0)
    deadlines.add(Alarm(), 103.0)
    assert deadlines.statistics() == DeadlinesStatistics(waiting=4, called=0, failed=0)
    with structlog.testing.capture_logs() as logs:
        assert deadlines.expire(102.0) == 3
    assert [line["event"] for line in logs] == ["a deadline failed"]
    assert deadlines.statistics() == DeadlinesStatistics(waiting=2, called=3, failed=1)


def test_what_was_called_again_can_be_discarded_from_where_it_waits_then() -> None:
    deadlines = Deadlines()
    deadlines.expire(0.0)
    alarms = [Alarm(again=again) for again in (5.0, 5.0, 6.0, 5.0)]
    for alarm in alarms:
        deadlines.add(alarm, 1.0)
    assert deadlines.expire(1.0) == 4
    deadlines.discard(alarms[0])
    deadlines.discard(alarms[2])
    assert len(deadlines) == 2
    assert deadlines.expire(10.0) == 2
    assert [len(alarm.rung) for alarm in alarms] == [1, 2, 1, 2]
