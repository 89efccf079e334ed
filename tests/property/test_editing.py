"""Copying rules between files as people write them: what is not copied keeps every byte."""

from hypothesis import given
from hypothesis import strategies as st

from rosterd import documents, editing, loading
from rosterd.cli import preparing

HEAD = (
    ("apiVersion: rosterd/v1", '"apiVersion":   "rosterd/v1"   # ours', "apiVersion: 'rosterd/v1'"),
    ("kind: Permission", "kind:    Permission", 'kind: "Permission" # what it is'),
    ("name: math", "'name': math", "name:\n  math"),
    ("application: math", "application: 'math'", 'application: "math"\t# for whom'),
)
RULES = {
    "access": ("access: basic", "access : 'basic' # as agreed", "access:\n  # lines\n  basic"),
    "orgs": (
        "orgs: all",
        "orgs: [district-1, 'school-2']",
        "orgs: [  # two\n# of them\n  district-1,\n  school-2,\n]",
        "orgs:\n- school-1\n# not yet\n# - school-2\n- school-3",
        "orgs:\n  under:\n    - district-1\n\n  where: >-\n    type='school'\n    AND name~'Zoë'",
        "orgs: {where: \"type='school'\n# no comment\n AND name~'a'\"}",
    ),
    "courses": (
        "courses: all",
        "courses:   {where: 'subjects~''math'''}   # ''",
        "courses:\n  where: |-\n    subjects~'math'\n    # text, not a comment\n",
    ),
    "people": ("people: {roles: [student, teacher]}", "people:\n  roles: [student]\n  # more?"),
    "fields": (
        "fields: {withhold: [users.phone]}",
        "fields:\n  mask: {users.familyName: initial}\n  withhold:\n  - users.phone # no\n\n  - users.sms",
    ),
    "demographics": ("demographics: true", "demographics: {roles: [teacher]}"),
    "guardians": ("guardians: true", "guardians: false"),
    "expires": ("expires: 2027-06-30", "expires: '2028-01-01' # last"),
}
BETWEEN = ("", "", "", "\n", "# why\n", "\n# above\n#and: this\n\n", "   \n", "#\n")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A permission that can be read, as somebody might have written it."""
    fields = [draw(st.sampled_from(forms)) for forms in HEAD]
    optional = [name for name in RULES if name != "access"]
    chosen = ["access", *draw(st.lists(st.sampled_from(optional), unique=True))]
    fields += [draw(st.sampled_from(RULES[name])) for name in chosen]
    fields = draw(st.permutations(fields))
    text = draw(st.sampled_from(["", "---\n", "# Robotics ✓\n\n", "%YAML 1.2\n---\n"]))
    for each in fields:
        text += draw(st.sampled_from(BETWEEN)) + each + "\n"
    text += draw(st.sampled_from(["", "\n\n", "# the end", "# the end\n", "...\n"]))
    if draw(st.booleans()):
        text = text.rstrip("\n")
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    elif draw(st.booleans()):
        text = text.replace("#and", "#\r\n#and").replace("basic\n", "basic\r\n")  # a mixture
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()


def _read(content: bytes) -> loading.Located | None:
    loaded = loading.load({"permissions/math.yaml": content})
    return loaded.documents[0] if loaded.documents else None


@given(files(), files())
def test_what_is_not_copied_keeps_every_byte_and_what_is_copied_means_the_same(
    to: bytes, source: bytes
) -> None:
    held, given_ = _read(to), _read(source)
    if held is None or given_ is None:
        return  # rules that exclude each other
    rules, old = preparing._rules(given_), preparing._rules(held)
    changed = {name for name in editing.RULES if rules.get(name) != old.get(name)}
    before = preparing._text(held)

    after = editing.copied(before, preparing._text(given_), editing.RULES, changed)

    made = _read(after.encode())
    assert made is not None, after
    assert preparing._rules(made) == rules
    assert _others(made) == _others(held)
    if not changed:
        assert after == before
    lost = _removed(before.splitlines(keepends=True), after.splitlines(keepends=True))
    own = "".join(
        line
        for name, field in editing._fields(before)[0].items()
        if name in changed
        for line in field.own
    )
    assert all(line in own for line in lost), (lost, own)


def _others(located: loading.Located) -> dict[str, object]:
    said = documents.plain(located.document)
    return {name: value for name, value in said.items() if name not in editing.RULES}


def _removed(before: list[str], after: list[str]) -> list[str]:
    """Lines that are no longer there; the last one may have got its end."""
    left = list(after)
    gone = []
    for line in before:
        found = [each for each in left if each == line or each.rstrip("\r\n") == line]
        if found:
            left.remove(line if line in found else found[0])
        else:
            gone.append(line)
    return gone
