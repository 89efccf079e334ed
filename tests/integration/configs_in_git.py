"""A small district's documents as texts, for tests that commit them."""

HEAD = "apiVersion: rosterd/v1\n"
REPOSITORY = HEAD + "kind: Repository\nname: rosterd\ntitle: Test district\ntimezone: UTC\n"


def application(name: str, *, enabled: bool = True, more: str = "") -> str:
    return (
        HEAD
        + f"kind: Application\nname: {name}\ntitle: {name}\nenabled: {str(enabled).lower()}\n"
        + more
    )


def permission(application: str, access: str = "full", more: str = "") -> str:
    return (
        HEAD
        + f"kind: Permission\nname: {application}\napplication: {application}\naccess: {access}\n"
        + more
    )


def basic(application: str, where: str, more: str = "") -> str:
    return permission(application, "basic", f'orgs: all\ncourses: {{where: "{where}"}}\n{more}')


def district() -> dict[str, str | bytes | None]:
    """Two applications: `math` sees a part, `none` nothing."""
    return {
        "README.md": "# Test\n",
        "rosterd.yaml": REPOSITORY,
        "applications/math.yaml": application("math"),
        "permissions/math.yaml": basic("math", "title~'math'"),
        "applications/none.yaml": application("none"),
        "permissions/none.yaml": permission("none", "none"),
    }


def problems_of(files: dict[str, str | bytes | None]) -> list[str]:
    """What the checks say of these documents; empty when they are fine."""
    from rosterd import configs, loading

    given = {
        path: text.encode() if isinstance(text, str) else text
        for path, text in files.items()
        if text is not None
    }
    return [str(problem) for problem in configs.check(loading.load(given))[1]]
