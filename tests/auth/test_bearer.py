import pytest

from stompede.auth import bearer_token
from stompede.errors import AuthenticationError


@pytest.mark.parametrize("value", ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c\t"])
def test_the_scheme_is_read_in_any_case(value):
    assert bearer_token(value) == "a.b.c"


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer "])
def test_without_a_token_it_is_said_how_to_send_one(value):
    with pytest.raises(AuthenticationError) as caught:
        bearer_token(value)
    assert caught.value.code == "token-missing"
    assert "Authorization: Bearer <token>" in str(caught.value)


@pytest.mark.parametrize(
    "value", ["Basic c2VjcmV0", "c2VjcmV0.c2VjcmV0.c2VjcmV0", "Bearer c2VjcmV0 c2VjcmV0"]
)
def test_another_shape_is_refused_and_never_repeated(value):
    with pytest.raises(AuthenticationError) as caught:
        bearer_token(value)
    assert caught.value.code == "token-invalid"
    assert "c2VjcmV0" not in repr(caught.value)
