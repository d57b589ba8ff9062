"""Labels that never touch, at the narrowest page and at any wider one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.figures.placing import AIR, place_over, thin_out

NARROW, WIDER = 336, (336, 500, 1100)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(15, 140)), min_size=1, max_size=9))
def test_no_label_touches_another_or_its_leader(points):
    points = sorted(points)
    at, widths = [x * NARROW for x, _ in points], [w for _, w in points]
    places = place_over(at, widths, 0, NARROW)
    if places is None:
        return
    for page in WIDER:
        spans = [(x * page + edge - a, x * page + edge - a + w) for (x, w), a, (_, edge) in zip(points, at, places)]
        for i, (low, high) in enumerate(spans):
            point, level = points[i][0] * page, places[i][0]
            assert low - 0.01 <= point <= high + 0.01 and -0.01 <= low and high <= page + 0.01
            for j, (other_low, other_high) in enumerate(spans):
                if i != j and places[j][0] == level:
                    assert high + AIR - 0.01 <= other_low or other_high + AIR - 0.01 <= low, "labels touch"
                if places[j][0] < level:
                    assert not other_low - AIR + 0.01 < point < other_high + AIR - 0.01, "a leader crosses a label"


def test_one_line_where_there_is_room():
    assert [level for level, _ in place_over([30, 160, 300], [50, 50, 50], 0, NARROW)] == [0, 0, 0]
    assert place_over([50], [60], 0, NARROW) == [(0, 20.0)], "over its point"
    levels = [level for level, _ in place_over([150, 165, 180], [100, 100, 100], 0, NARROW)]
    assert sorted(levels) == [0, 0, 1] or max(levels) <= 2
    assert place_over([10 * i for i in range(30)], [80] * 30, 0, NARROW) is None


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(0, 99)), max_size=20))
def test_the_worthiest_words_stay_apart(words):
    at, worth = [x for x, _ in words], [w for _, w in words]
    kept = thin_out(at, [12.0] * len(at), worth)
    assert all(abs(at[i] - at[j]) >= 12 + AIR for i in kept for j in kept if i < j)
    for i in set(range(len(at))) - set(kept):
        assert any(abs(at[i] - at[j]) < 12 + AIR and worth[j] >= worth[i] for j in kept)
