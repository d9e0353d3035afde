"""UIDs follow from their parts."""

from __future__ import annotations

import hashlib

from n2b_ct.io.dicom.elements import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    INSTANCE_CREATOR_UID,
    content_digest,
    has_known_root,
    is_valid_uid,
    stable_uid,
)


def test_a_uid_is_the_first_half_of_a_digest_of_its_length_prefixed_parts():
    content = (2).to_bytes(8, "big") + b"ab" + (1).to_bytes(8, "big") + b"c"
    expected = int(hashlib.sha256(content).hexdigest()[:32], 16)
    assert stable_uid("ab", "c") == f"2.25.{expected}"


def test_the_same_parts_give_the_same_uid_and_other_parts_another():
    assert stable_uid("a", "bc") == stable_uid("a", b"bc")
    assert len({stable_uid("ab", "c"), stable_uid("a", "bc"), stable_uid("abc"), stable_uid("abc", "")}) == 4


def test_uids_have_the_form_of_the_standard():
    for uid in (stable_uid("x"), INSTANCE_CREATOR_UID, IMPLEMENTATION_CLASS_UID):
        assert is_valid_uid(uid)
        assert len(uid) <= 44
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16


def test_invalid_uids_are_told():
    for uid in ("", "1..2", "01.2", "1.2.", "1.02", "a.b", "1." + "2" * 64):
        assert not is_valid_uid(uid)


def test_a_root_that_does_not_exist_is_told():
    assert [uid for uid in ("1.2.3", "2.25.1", "0.1", "3.1.2", "9.1.2", "10.2", "") if not has_known_root(uid)] == [
        *("3.1.2", "9.1.2", "10.2", "")
    ]


def test_a_content_digest_is_sha_256(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert content_digest(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
