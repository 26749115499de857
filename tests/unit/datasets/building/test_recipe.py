import pytest

from millhand.datasets.recipe import is_recipe, read_recipe
from millhand.errors import FindingsError
from millhand.workspace import Workspace
from tests.unit.datasets.building.conftest import write_recipe

HEAD = "name: manual\nlicence: CC0-1.0\nsources:\n  - path: a.pdf\n"


@pytest.mark.parametrize(
    ("text", "message", "mend"),
    [
        (HEAD + "steps: [normalize]", "step 1, 'normalize', is not known", "Did you mean 'normalise'?"),
        (HEAD + "steps:\n - filter: {wrod: x}", "step 1, filter: .*unknown field `wrod`", "'word'"),
        (HEAD + "steps:\n - filter: {word: 3}", "step 1, filter: Expected `str`", "millhand data steps"),
        (HEAD + "steps:\n - {filter: {}, dedup: {}}", "step 1 has 2 names", "an item of its own"),
        (HEAD + "step: []\nsteps: []", "unknown field `step`", "Did you mean 'steps'?"),
        (HEAD.replace("path", "pth") + "steps: []", "`pth`", "'path'"),
        (HEAD.replace("CC0-1.0", "''") + "steps: []", "says nothing of: licence", "licence: unknown"),
        (HEAD.replace("name: manual", "name: other") + "steps: []", "calls itself 'other'", "name: manual"),
        (HEAD + "steps: [\n", "is not YAML", "editor"),
    ],
)
def test_a_slip_is_named_with_its_mend(space: Workspace, text: str, message: str, mend: str) -> None:
    path = write_recipe(space, text)
    with pytest.raises(FindingsError, match=message) as caught:
        read_recipe(path)
    assert mend in caught.value.findings[0].mend
    assert caught.value.findings[0].file == "dataset_registry/manual/dataset.yaml"


def test_steps_come_with_their_defaults(space: Workspace) -> None:
    recipe = read_recipe(write_recipe(space, HEAD + "steps:\n  - normalise\n  - filter:\n"))
    assert [(chosen.step.name, type(chosen.options).__name__) for chosen in recipe.steps] == [
        ("normalise", "Nothing"),
        ("filter", "Drop"),
    ]


def test_what_data_add_wrote_is_no_recipe(space: Workspace) -> None:
    assert not is_recipe(write_recipe(space, "name: x\nsources: []\n"))
    assert not is_recipe(space.root / "none.yaml")
