"""Protobuf: what is written is what is read, and whatever a file holds is read or refused in time."""

import numpy as np
import pytest
from made import mutated, sentence

from pose import PoseError
from pose.protobuf import LENGTH, VARINT, Fault, field, fields_of, open_weights, text_of, varints


def read(pieces):
    return fields_of(np.frombuffer(b"".join(map(bytes, pieces)), np.uint8), iter(range(1000)))


def test_what_is_written_is_what_is_read():
    fields = read([*field(1, 300), *field(200, "ü"), *field(3, *field(4, 0), *field(5, "in")), *field(1, 2**40)])
    assert fields[1, VARINT] == [300, 2**40]
    assert text_of(fields[200, LENGTH]) == "ü" and text_of(fields[9, LENGTH]) == ""
    inner = fields_of(fields[3, LENGTH][0], iter(range(1000)))
    assert inner[4, VARINT] == [0] and text_of(inner[5, LENGTH]) == "in"
    assert varints(np.array([1, 172, 2], np.uint8), iter(range(10))) == [1, 300]


def test_bytes_as_protobuf_wrote_them():
    """The examples of protobuf's own description of its encoding."""
    assert b"".join(field(1, 150)) == b"\x08\x96\x01"
    assert b"".join(field(2, "testing")) == b"\x12\x07testing"


def test_a_file_cannot_hang_us():
    with pytest.raises(Fault, match="more fields"):
        fields_of(np.frombuffer(b"\x08\x01" * 100, np.uint8), iter(range(50)))


def test_any_bytes():
    data, whole = b"".join(map(bytes, [*field(1, 300), *field(2, "text" * 9), *field(3, *field(4, 1))])), 0
    rng = np.random.default_rng(7)
    for _ in range(2000):
        try:
            read([mutated(data, rng)])
            whole += 1
        except Fault:
            pass
    assert 0 < whole < 2000


def test_weights_that_are_not_there(tmp_path):
    for path in (tmp_path / "no.caffemodel", tmp_path):
        with pytest.raises(PoseError) as error:
            open_weights(path)
        sentence(error, path, "is missing or not a file", "./getModels.sh")
