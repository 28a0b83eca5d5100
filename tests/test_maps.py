import numpy as np
import pytest

from pose.maps import Maps, brighten, fit, shrink


@pytest.mark.parametrize(
    ("cell_wh", "cell", "pixel"),
    [
        ((8, 8), (0, 0), (3.5, 3.5)),
        ((8, 8), (2.5, 2), (23.5, 19.5)),
        ((16, 12), (1, 2), (23.5, 29.5)),
        ((8, 8), (-3, 9), (0, 59)),  # never outside the picture
        ((8, 8), (9, -3), (49, 0)),
    ],
)
def test_a_cells_centre_in_pixels_of_the_picture(cell_wh, cell, pixel):
    assert Maps(np.zeros((1, 10, 10), np.float32), cell_wh, (50, 60)).to_picture(cell).tolist() == list(pixel)


@pytest.mark.parametrize(
    ("picture_wh", "net_wh", "content_wh", "size_wh", "cells_wh"),
    [
        ((736, 736), (368, 368), (368, 368), (368, 368), (46, 46)),
        ((856, 424), (368, 368), (368, 182), (368, 184), (46, 23)),
        ((424, 856), (368, 368), (182, 368), (184, 368), (23, 46)),
        ((640, 480), (-1, 240), (320, 240), (320, 240), (40, 30)),
        ((640, 480), (320, -1), (320, 240), (320, 240), (40, 30)),
        ((1, 1), (368, 368), (368, 368), (368, 368), (46, 46)),
        ((20000, 10), (-1, 368), (4096, 2), (4096, 16), (512, 1)),
        ((5000, 5), (368, 368), (368, 1), (368, 16), (46, 1)),
        ((100, 100), (370, 370), (370, 370), (376, 376), (47, 47)),
    ],
)
def test_fit_keeps_the_aspect_ratio(picture_wh, net_wh, content_wh, size_wh, cells_wh):
    how = fit(picture_wh, net_wh)
    assert (how.content_wh, how.size_wh) == (content_wh, size_wh)
    values = how.maps(np.zeros((3, size_wh[1] // 8, size_wh[0] // 8), np.float32)).values
    assert values.shape == (3, *cells_wh[::-1])  # without those in the padding


@pytest.mark.parametrize(
    ("larger", "net_wh"), [(1, (368, 368)), (1, (200, 200)), (1, (256, 96)), (1, (1100, -1)), (8, (200, 200))]
)
def test_a_spot_is_found_where_it_was(larger, net_wh):
    """A bright disc in the picture; the mean of the network's input over cells leads back to its centre."""
    w, h = 517 * larger, 333 * larger
    picture = np.zeros((h, w, 3), np.uint8)
    ys, xs = np.mgrid[:h, :w]
    centre = larger * np.array([201.3, 133.8])
    picture[np.hypot(xs - centre[0], ys - centre[1]) < 30 * larger] = 255
    how = fit((w, h), net_wh)
    seen = how.apply(picture)
    assert seen.shape == (how.size_wh[1], how.size_wh[0], 3)
    cells = seen[:, :, 0].reshape(seen.shape[0] // 8, 8, seen.shape[1] // 8, 8).mean((1, 3))
    maps = how.maps(cells[None].astype(np.float32))
    cy, cx = np.mgrid[: maps.values.shape[1], : maps.values.shape[2]]
    weight = maps.values[0] / maps.values[0].sum()
    found = maps.to_picture([(cx * weight).sum(), (cy * weight).sum()])
    assert np.abs(found - centre).max() < larger


@pytest.mark.parametrize("side", [32, 12, 8, 6])
def test_every_pixel_counts_in_a_smaller_picture(side):
    picture = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    means = picture.reshape(side, 96 // side, side, 96 // side, 3).mean((1, 3))
    assert np.abs(shrink(picture, (side, side)) - means).max() < 1.5


def test_the_padding_repeats_the_border():
    """Black there would be an edge that the network sees."""
    picture = np.random.default_rng(0).integers(0, 256, (100, 370, 3), np.uint8)
    cut = fit((370, 100), (370, 370)).apply(picture)
    assert cut.shape == (104, 376, 3)
    assert np.array_equal(cut[:100, :370], picture)
    assert np.array_equal(cut[100:, :370], np.repeat(picture[-1:], 4, axis=0))
    assert np.array_equal(cut[:100, 370:], np.repeat(picture[:, -1:], 6, axis=1))


def photo(brightest):
    """All values from 0 to brightest, equally often, in each of the colours, and one pixel that is white."""
    values = np.linspace(0, brightest, 100 * 100).round().astype(np.uint8).reshape(100, 100)
    picture = np.dstack([values, values.T, values[::-1]])
    picture[50, 50] = 255
    return picture


@pytest.mark.parametrize("brightest", [90, 150, 220])
def test_a_dark_picture_is_raised_until_its_brightest_hundredth_is_230(brightest):
    dark = photo(brightest)
    raised = brighten(dark)
    assert (raised.dtype, raised.shape) == (np.uint8, dark.shape)
    assert abs(np.percentile(raised.max(axis=2), 99) - 230) <= 3
    gain = 230 / np.percentile(dark.max(axis=2), 99)
    assert np.abs(raised - np.minimum(gain * dark.astype(float), 255)).max() < 4  # all colours alike, none overflows
    assert np.array_equal(dark, photo(brightest))


def test_a_black_picture_is_raised_fourfold_at_most_and_a_bright_one_stays_as_it_is():
    for value in (0, 1, 20):
        assert (brighten(np.full((20, 30, 3), value, np.uint8)) == value * 4).all()
    one_colour = np.zeros((20, 20, 3), np.uint8)
    one_colour[:, :, 2] = 240
    for bright in (photo(238), photo(255), one_colour):
        assert np.array_equal(brighten(bright), bright)


def test_a_part_may_be_measured_in_place_of_all():
    picture = np.full((20, 20, 3), 255, np.uint8)
    picture[5:15, 5:15] = 115
    assert (brighten(picture, (slice(5, 15), slice(5, 15)))[5:15, 5:15] == 230).all()
