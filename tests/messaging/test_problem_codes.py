import pytest

from stompede import AuthenticationError
from stompede.messaging.problem import ERROR_CODES, Problem


@pytest.mark.parametrize("code", [*ERROR_CODES, "room-closed", "x2"])
def test_codes_are_kebab_case(code: str) -> None:
    assert Problem(code).code == code


@pytest.mark.parametrize("code", ["", "Room-closed", "room_closed", "room closed", "-x", "a--b"])
def test_a_code_that_no_client_could_branch_on_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="is no code of a Problem; write it in kebab-case"):
        Problem(code)
    with pytest.raises(ValueError, match="is no code of an AuthenticationError; write it in kebab-case"):
        AuthenticationError(code, "no")
