"""Cutting members out of stored bytes gives what rendering the record again gives."""

from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from rosterd import configs, pictures, rosters
from rosterd.oneroster import model, rendering, trimming
from tests.property import records
from tests.property import rosters_strategies as made

VERSION = st.sampled_from(model.VERSIONS)


@st.composite
def cases(draw: st.DrawFn) -> tuple[made.District, configs.Grant]:
    district = draw(made.any_district())
    rules = draw(made.any_rules(district))
    return district, made.grant_of(rules, draw(made.EXCLUDES))


@given(cases(), VERSION)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_is_cut_out_of_a_stored_fragment_is_what_the_picture_leaves_out(
    case: tuple[made.District, configs.Grant], version: str
) -> None:
    district, grant = case
    view = district.view(grant)
    picture = pictures.Picture(view, version)

    for collection in model.COLLECTIONS:
        seen = set(picture.plain(collection))
        for trim, rows in picture.trims(collection):
            event(f"cut out of {collection}")
            assert seen.isdisjoint(rows)
            assert view.rows[collection].issuperset(rows)
            seen.update(rows)
            for row in rows:
                stored = rosters.bare(collection, view.roster.record(collection, row))
                cut = trim(rendering.fragment(collection, stored, version))
                record = picture.record(collection, row)
                assert cut == rendering.fragment(collection, record, version)


@given(records.ANY, VERSION, st.data())
def test_any_members_can_be_cut_whatever_the_values_say(
    drawn: tuple[str, dict[str, Any]], version: str, data: st.DataObject
) -> None:
    collection, record = drawn
    record = rosters.bare(collection, record)
    every = sorted(trimming.separable(collection, version))
    names = data.draw(st.frozensets(st.sampled_from(every)) if every else st.just(frozenset()))

    cut = trimming.without(names)(rendering.fragment(collection, record, version))

    left = {name: value for name, value in record.items() if name not in names}
    if version == "1.1" and collection == "users" and "primaryOrg" in record:
        left["primaryOrg"] = record["primaryOrg"]  # `orgs` of 1.1 is made from it
    assert cut == rendering.fragment(collection, left, version)
