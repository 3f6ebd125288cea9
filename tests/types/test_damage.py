"""What was found damaged: counted, added, and kept in a record."""

import pytest

from facevoice.errors import InvalidInputError
from facevoice.types import UNDAMAGED, Damage


def test_damage_adds_up_by_kind():
    found = [Damage(corrupt_pictures=2), Damage(1, 3), Damage(lost_packets=4)]
    assert sum(found, UNDAMAGED) == Damage(3, 3, 4)


def test_only_damage_is_true():
    assert not UNDAMAGED
    assert Damage(mended_stamps=1)


def test_a_record_holds_every_count():
    damage = Damage(3, 2, 1)
    assert damage.to_dict() == {"corrupt_pictures": 3, "mended_stamps": 2, "lost_packets": 1}
    assert Damage.from_dict(damage.to_dict()) == damage
    assert Damage.from_dict({"lost_packets": 1, "later": 2}) == Damage(lost_packets=1)


def test_less_than_no_damage_is_refused():
    with pytest.raises(InvalidInputError, match="counted from 0"):
        Damage(lost_packets=-1)
