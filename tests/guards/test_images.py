"""Images as a few numbers, of any layout, and what the novelty guard makes of them."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fairlead.guards import learn_novelty
from fairlead.guards.images import image_columns


def test_channels_may_come_first_or_last_or_not_at_all():
    grey = np.random.default_rng(0).random((5, 12, 16))
    plain = image_columns(grey)
    first = image_columns(np.repeat(grey[:, None], 3, axis=1))
    last = image_columns(np.repeat(grey[..., None], 3, axis=3))
    for name, values in plain.items():
        assert first[name] == pytest.approx(values)
        assert last[name] == pytest.approx(values)
    assert first["tint 1"] == pytest.approx(np.zeros(5))


def test_the_numbers_say_what_their_names_say():
    image = np.zeros((1, 8, 8))
    image[:, :, 4:] = 1.0
    found = image_columns(image)
    assert found["brightness"][0] == 0.5
    assert found["contrast"][0] == 0.5
    assert found["brightness at 1,1"][0] == 0.0
    assert found["brightness at 4,4"][0] == 1.0
    assert found["fine detail down"][0] == 0.0
    assert found["fine detail across"][0] == pytest.approx(1 / 7)


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 3, 5), (1, 1, 2, 7), (3, 5, 4, 3)])
def test_images_of_any_size_are_described(shape):
    found = image_columns(np.ones(shape))
    assert all(len(values) == shape[0] for values in found.values())
    assert all(np.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize("shape", [(4, 4), (2, 5, 6, 7), (1, 1, 1, 1, 1)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ValueError, match="images have"):
        image_columns(np.zeros(shape))


def test_inverted_black_and_foreign_images_are_novel():
    pictures = load_digits().images / 16.0
    pictures = pictures[np.random.default_rng(0).permutation(len(pictures))]
    guard = learn_novelty(image_columns(pictures[:1200]))
    test = pictures[1200:]
    assert guard.decide(image_columns(test)).mean() <= 0.03
    assert guard.decide(image_columns(1 - test)).mean() >= 0.95
    assert guard.decide(image_columns(np.zeros((1, 8, 8)))).all()
    noise = np.random.default_rng(1).random(test.shape)
    assert guard.decide(image_columns(noise)).mean() >= 0.95
