"""A report says what the functions say that it is made of, on a page that asks nobody for anything."""

import re
from functools import cache

import numpy as np
import pytest
from flax import linen, nnx

import minmax_jax as mm
from helpers.attacked import curved
from helpers.offline import asked
from helpers.refusal import refuses

pytestmark = pytest.mark.versions

EPS = [0.0, 0.02, 0.3]
NAME = r'<b>mine</b> & "$\none$"'  # neither markup nor a formula that matplotlib could read


def data():
    split = mm.Split(*curved()[1:])
    return mm.Dataset(NAME, split, split)


def report(model=None, of=None, **options):
    chosen = {"eps": EPS, "check_masking": False, "progress": False} | options
    return mm.report(model or curved()[0], of or data(), **chosen)


@cache
def whole():
    return report(check_masking=True, attacks={"<i>one</i>": mm.attacks.fgsm})


def test_parts_are_those_of_the_functions():
    net, options = curved()[0], {"progress": False}
    found = whole()
    attacks = {"<i>one</i>": mm.attacks.fgsm}
    assert found.robustness.equals(mm.robustness(net, data(), EPS, attacks=attacks, **options))
    worst = found.robustness.accuracy.sel(attack="worst").values
    claimed = [eps for eps, share in zip(EPS, worst, strict=True) if eps and share >= worst[0] / 2]
    radius = max(claimed, default=EPS[1])
    assert repr(found.masking) == repr(mm.masking(net, data(), radius, **options))
    for membership in ("signed", "magnitude"):
        one = found.fuzziness.fuzziness.sel(layer="conv", reading="filter", measure="yager")
        expected = mm.fuzziness(net, reading="filter", measure="yager", membership=membership)
        np.testing.assert_allclose(one.sel(membership=membership), expected, rtol=1e-5)
    low, high = mm.units.unit_bounds(
        net.conv.kernel[...], net.conv.bias[...], curved()[1], 0.3, padding="VALID"
    )
    share = found.units.unstable.sel(eps=0.3, method="nearest")
    np.testing.assert_allclose(share, mm.units.unstable_share(low, high), atol=1e-6)
    assert found.left_out == () and list(found.findings) == ["robustness", "masking", "units", "fuzziness"]


def test_sentences_have_the_numbers():
    found, text = whole(), repr(whole())
    worst = found.robustness.sel(attack="worst", eps=0.02)
    assert "93.8 % are classified as labelled" in text, "all but the last of 16"
    assert f"{100 * float(worst.accuracy):.3g} % [" in text and "] at eps 0.02" in text
    assert found.masking.summary in text and "Units of conv that" in text
    assert f"conv {float(mm.fuzziness(curved()[0])):.3f}." in text


def test_the_page_asks_nobody_and_escapes_what_is_given():
    page, cell = whole().to_html(), whole()._repr_html_()
    words = re.sub(r'base64,[^"]*', "", page)
    assert asked(page) == [] and "http" not in words and "<script" not in words
    assert "<b>mine" not in words and r"&lt;b&gt;mine&lt;/b&gt; &amp; &#34;$\none$&#34;" in words
    assert "<i>" not in words and words.count("&lt;i&gt;one&lt;/i&gt;") >= 3
    texts = re.findall(r'<img [^>]*alt="([^"]+)"', page)
    assert len(texts) == 3 and all(re.search(r"\d", text) for text in texts)
    assert "prefers-color-scheme: dark" in page and "<style" not in cell and "<h1" not in cell
    assert all(check.verdict.partition(" ")[0] in words for check in whole().masking.checks)


def test_the_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "report.html"
    assert whole().save(str(file)) == file
    before = file.read_text("utf-8")
    assert before == whole().to_html() and list(tmp_path.iterdir()) == [file]
    monkeypatch.setattr("minmax_jax.publish.report.Report.to_html", lambda self: "\ud800")  # is no UTF-8
    with pytest.raises(UnicodeEncodeError):
        whole().save(file)
    assert file.read_text("utf-8") == before and list(tmp_path.iterdir()) == [file]
    with refuses("got the folder", error=IsADirectoryError):
        whole().save(tmp_path)


def test_of_a_function_there_is_less_unless_its_parameters_are_given():
    net = curved()[0]
    bare = report(lambda x: net(x))
    full = report(lambda x: net(x), weights=nnx.state(net, nnx.Param))
    assert (bare.fuzziness, bare.units, full.units, dict(bare.filters)) == (None, None, None, {})
    assert [one.partition(",")[0] for one in bare.left_out] == ["fuzziness", "signs of masking", "units"]
    assert list(full.fuzziness.layer) == ["conv"] and "fuzziness" not in " ".join(full.left_out)
    assert bare.robustness.equals(full.robustness) and "left out: fuzziness" in repr(bare)
    assert 'alt="Filters of conv' in full.to_html() and "Filters" not in bare.to_html()
    assert report(lambda x: net(x)).name == "function"


class Dense(nnx.Module):
    """Without a convolution."""

    def __init__(self, rngs):
        self.dense = nnx.Linear(25, 4, rngs=rngs)

    def __call__(self, images):
        return self.dense(images.reshape(len(images), -1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": Dense(nnx.Rngs(0))}, ["no convolution kernel", "no plain convolution"]),
        ({"norm": "l1", "check_masking": True}, ["no checks by norm l1"]),
        ({"eps": [0], "check_masking": True}, ["no eps is above 0"]),
    ],
)
def test_what_cannot_be_had_is_left_out(options, words):
    found = report(attacks=["fgsm"], **options)
    assert all(word in " ".join(found.left_out) for word in words) and "Left out" in found.to_html()


def test_a_model_that_is_never_right_has_no_checks():
    net, images, _ = curved()
    wrong = mm.Split(images, (np.asarray(net(images)).argmax(-1) + 1) % 4)
    found = report(of=wrong, check_masking=True)
    assert "no image is classified as labelled" in found.left_out[0] and found.robustness.clean_accuracy == 0


def test_images_are_drawn_by_the_seed_from_all_of_them():
    one, again, other = (report(attacks=["fgsm"], images=5, seed=seed).robustness for seed in (0, 0, 1))
    assert one.attrs["images"] == 5 and one.equals(again)
    assert not np.array_equal(one.label, curved()[2][:5]) or not np.array_equal(one.label, other.label)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": linen.Dense(2)}, TypeError, "give lambda x: module.apply(variables, x)"),
        ({"of": "mnist"}, TypeError, "data must be a minmax_jax.data.split.Split, got a str"),
        ({"images": 0}, ValueError, "images must be at least 1, got 0"),
        ({"check_masking": 1}, TypeError, "check_masking must be True or False, got 1"),
        ({"weights": {"a": np.zeros(3)}}, ValueError, "weights must hold a convolution kernel"),
        ({"eps": [2]}, ValueError, "eps must be"),
    ],
)
def test_odd_input_is_refused(options, error, words):
    with refuses(words, error=error):
        report(**options)
