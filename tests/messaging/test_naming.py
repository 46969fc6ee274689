from functools import partial, wraps

from stompede.messaging._naming import describe, did_you_mean


def decorated(func):
    @wraps(func)
    def wrapper(*args):
        return func(*args)

    return wrapper


@decorated
def plain(): ...


class Rooms:
    def say(self): ...

    def __call__(self): ...


def line_of(text):
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - a path object would say no more
        return next(number for number, line in enumerate(file, 1) if text in line)


def test_a_function_is_named_with_the_line_of_its_def():
    assert describe(plain) == f"plain() at test_naming.py:{line_of('def plain')}"


def test_methods_partials_objects_and_classes_are_named():
    assert describe(Rooms().say) == f"Rooms.say() at test_naming.py:{line_of('def say')}"
    assert describe(partial(plain, 1)) == describe(plain)
    assert describe(Rooms()) == f"Rooms() at test_naming.py:{line_of('def __call__')}"
    assert describe(Rooms) == "Rooms of test_naming"
    assert describe(len) == "len()"


def test_a_function_inside_of_another_is_named_shortly():
    def inner(): ...

    assert describe(inner).startswith("inner() at test_naming.py:")


def test_only_a_close_name_is_suggested():
    assert did_you_mean("rooom", ["room", "seat"], "{{{}}}") == "; did you mean {room}?"
    assert did_you_mean("elsewhere", ["room", "seat"]) == ""
