"""The registries: names of this package, of this process and of installed packages; errors that name the nearest."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from n2b_ct.errors import ConfigError
from n2b_ct.registry import (
    BASELINES,
    LABEL_FILTERS,
    MEASURES,
    METHODS,
    NETWORKS,
    NOISES,
    VOLUME_FORMATS,
    Registry,
    UnavailableError,
)
from tests.outside_package import installed as installed_package
from tests.outside_package import lay_package


@pytest.fixture
def registry():
    return Registry("toy", "n2b_ct.toys", ())


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return what installs a package of one module with an entry point for every name."""

    def install(source: str, **names: str) -> None:
        offered = {name: f"outside_toys:{attribute}" for name, attribute in names.items()}
        lay_package(tmp_path, "outside-toys", {"n2b_ct.toys": offered}, outside_toys=source)
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("outside_toys", None)


def test_what_is_registered_is_found_by_its_name(registry):
    @registry.register("ball")
    class Ball:
        pass

    assert registry.get("ball") is Ball
    assert registry.names() == ("ball",)


def test_a_name_is_given_once(registry):
    registry.register("ball")(int)
    registry.register("ball")(int)
    with pytest.raises(ConfigError, match="toy ball: must be a new name, got one in use; register it under another"):
        registry.register("ball")(str)


def test_an_unknown_name_is_told_the_known_ones_and_the_nearest(registry):
    registry.register("ball")(int)
    registry.register("top")(str)
    with pytest.raises(ConfigError, match=r"box\.toy: must be one of ball, top, got bal; did you mean ball\?"):
        registry.get("bal", "box.toy")
    with pytest.raises(ConfigError, match="toy: must be one of ball, top, got xyz; choose one of them"):
        registry.get("xyz")


def test_a_package_outside_is_known_by_name_and_imported_when_asked(registry, installed):
    installed("class Kite: pass\n", kite="Kite")
    assert registry.names() == ("kite",)
    assert "outside_toys" not in sys.modules
    assert registry.get("kite") is sys.modules["outside_toys"].Kite


def test_a_package_that_does_not_import_troubles_only_who_asks_for_it(registry, installed):
    registry.register("ball")(int)
    installed("raise RuntimeError('no string\\nat all')\n", kite="Kite")
    assert registry.names() == ("ball", "kite")
    assert registry.get("ball") is int
    expected = (
        "toy: kite must be importable from the installed package outside-toys, got RuntimeError: no string; "
        "repair or uninstall that package"
    )
    with pytest.raises(ConfigError) as caught:
        registry.get("kite")
    assert str(caught.value) == expected


def test_an_outside_package_never_replaces_a_name(registry, installed):
    registry.register("ball")(int)
    installed("class Ball: pass\n", ball="Ball")
    assert registry.get("ball") is int
    assert "outside_toys" not in sys.modules


def test_the_modules_of_a_home_are_imported_when_first_asked(tmp_path, monkeypatch):
    (tmp_path / "toy_box.py").write_text(
        "from n2b_ct.registry import Registry\nTOYS = Registry('toy', 'n2b_ct.toys', ('toy_home',))\n"
    )
    (tmp_path / "toy_home").mkdir()
    (tmp_path / "toy_home/__init__.py").write_text("")
    (tmp_path / "toy_home/drum.py").write_text("from toy_box import TOYS\nTOYS.register('drum')(list)\n")
    monkeypatch.syspath_prepend(tmp_path)
    toys = import_module("toy_box").TOYS
    assert "toy_home.drum" not in sys.modules
    assert toys.get("drum") is list


def test_a_package_that_ends_the_program_when_it_is_imported_ends_nothing(registry, installed):
    installed("raise SystemExit(3)\n", kite="Kite")
    with pytest.raises(ConfigError, match=r"toy: kite must be importable .*, got SystemExit: 3; repair"):
        registry.get("kite")


def test_a_name_of_this_package_is_never_replaced_from_outside(installed):
    registry = Registry("filter", "n2b_ct.toys", ("n2b_ct.filters",))
    registry.register_lazily("ball", lambda: int)
    installed("class Kite: pass\n", ball="Kite")
    assert registry.get("ball") is int
    with pytest.raises(ConfigError, match="filter ball: must be a new name, got one in use"):
        registry.register("ball")(str)


def test_a_name_that_ships_cannot_be_taken_even_before_anybody_asked_for_it():
    code = "from n2b_ct.registry import METHODS; METHODS.register('dbsn')(int)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: method dbsn: must be a new name, got one in use; register it under another" in done.stderr


def test_what_is_registered_lazily_is_made_when_somebody_asks(registry):
    asked: list[str] = []
    registry.register_lazily("ball", lambda: asked.append("ball") or int)
    assert registry.names() == ("ball",)
    assert asked == []
    assert registry.get("ball") is int
    assert asked == ["ball"]


def test_names_follow_modules_whichever_was_imported_first(registry):
    for name, module in (("top", "b"), ("kite", "a"), ("ball", "b")):
        registry.register(name)(type(name, (), {"__module__": module}))
    assert registry.names() == ("kite", "top", "ball")


KINDS = {
    METHODS: "must be a class derived from Method, with a Config derived from MethodConfig",
    NETWORKS: "must be a class derived from torch.nn.Module",
    LABEL_FILTERS: "must be a class derived from LabelFilter",
    BASELINES: "must be a function decorated by baseline",
    NOISES: "must be a class derived from NoiseConfig",
    VOLUME_FORMATS: "must be a class derived from VolumeFormat",
    MEASURES: "must be a Measure",
}
by_kind = pytest.mark.parametrize(("kind", "requirement"), KINDS.items(), ids=[kind.kind for kind in KINDS])


@by_kind
def test_a_member_of_another_kind_is_refused_where_it_is_registered(kind, requirement):
    with pytest.raises(ConfigError) as caught:
        kind.register("kite")(len)
    got = "an object of builtin_function_or_method"
    assert str(caught.value) == f"{kind.kind} kite: {requirement}, got {got}; correct it"
    assert "kite" not in kind.names()


@by_kind
def test_a_member_of_another_kind_is_refused_with_its_package_where_it_is_asked_for(kind, requirement, tmp_path):
    with installed_package(tmp_path, kind, "class Kite: pass\n", kite="Kite"):
        with pytest.raises(UnavailableError) as caught:
            kind.get("kite")
        assert str(caught.value) == (
            f"{kind.kind}: kite of the installed package outside-parts {requirement}, got the class Kite; "
            "repair or uninstall that package"
        )


@by_kind
def test_a_name_that_no_file_could_say_is_refused(kind, requirement):
    rule = r"must be of 1 to 64 letters, digits, _, -, \+ and dots"
    for name in ("", "a b", "a\nb", "../a", "a:b", "ü", "x" * 65, 3, None):
        with pytest.raises(ConfigError, match=rule):
            kind.register(name)(int)


def test_a_strange_name_of_a_package_is_refused_when_it_is_asked_for(registry, installed):
    installed("class Kite: pass\n", **{"my kite": "Kite"})
    with pytest.raises(ConfigError, match="the name that the installed package outside-toys offers must be of 1 to"):
        registry.get("my kite")


def test_a_name_that_two_packages_offer_is_used_from_neither(registry, tmp_path, monkeypatch):
    for package in ("alpha", "beta"):
        offered = {"n2b_ct.toys": {"kite": f"{package}:Kite"}}
        lay_package(tmp_path, package, offered, **{package: "class Kite: pass\n"})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as caught:
        registry.get("kite")
    wanted = "toy: kite must be offered by one installed package, got alpha and beta; uninstall all but one"
    assert str(caught.value) == wanted
    assert not {"alpha", "beta"} & set(sys.modules)


def test_a_key_that_interrupts_an_import_is_left_alone(registry, installed):
    installed("raise KeyboardInterrupt('stop')\n", kite="Kite")
    with pytest.raises(KeyboardInterrupt, match="stop"):
        registry.get("kite")
