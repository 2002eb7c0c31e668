"""Models and adapters that are trained or deleted while the bot runs: offered, painted with, forgotten."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalogue.models import MODELS
from engine.weights.store.custom_models import VARIABLE
from tests.registered import registrations_undone
from tests.wire.looks import begun, dreamt, is_over, is_result, job_id, whispered
from tests.wire.people import Person
from tests.wire.world import World

FLAGS = {"image_size": 64, "num_channels": 32, "channel_mult": [1, 2], "context_dim": 8}
MINE: dict[str, object] = {"file": "w.safetensors", "title": "Mine, of ink", "flags": FLAGS, "base": "primer"}
INK: dict[str, object] = {"kind": "adapter", "file": "w.safetensors", "title": "Inky", "adapts": "primer"}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "trained"


pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DREAMBOT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv(VARIABLE, "")
    with registrations_undone():
        yield


def put(trained: Path, name: str, table: dict[str, object]) -> None:
    (trained / name).mkdir(parents=True)
    (trained / name / "model.json").write_text(json.dumps(table))


async def offered(person: Person, option: str, **typed: str) -> list[str]:
    return [choice["name"] for choice in await person.autocomplete("dream", option, **typed)]


async def until_known(world: World, *names: str) -> None:
    """The engine has told the bot that these are the trained models."""
    loop = world.services.jobs._engine_loop
    await world.until(lambda: loop._last and {*names} == {*loop._last.trained}, what=f"the bot to hear of {names}")


@pytest.mark.parametrize("workers", [pytest.param(n, marks=pytest.mark.bot(workers=n)) for n in (0, 2)])
async def test_a_model_trained_while_the_bot_runs_is_offered_and_paints(
    world: World, max_: Person, trained: Path, workers: int
) -> None:
    assert [] == await offered(max_, "model", model="mine")
    put(trained, "mine", MINE)
    put(trained, "ink", INK)
    await until_known(world, "mine", "ink")

    assert ["mine – Mine, of ink, 256×256"] == await offered(max_, "model", model="mine")
    assert ["ink – Inky, for the model primer"] == await offered(max_, "adapter", adapter="in")
    assert await offered(max_, "size", model="mine"), "sizes and their prices"
    message = await dreamt(max_, "a fox", model="mine")
    assert "mine" in message.text
    assert "mine" in whispered(await max_.slash("engine"))

    shutil.rmtree(trained / "mine")
    await until_known(world, "ink")
    assert [] == await offered(max_, "model", model="mine")
    answer = await max_.slash("dream", prompt="a fox", model="mine")
    assert "There is no model “mine”" in whispered(answer)


async def test_classes_are_offered_where_they_are_typed(world: World, max_: Person, trained: Path) -> None:
    flags = {**FLAGS, "context_dim": 0, "class_cond": True}
    put(
        trained,
        "pets",
        {"file": "w.safetensors", "flags": flags, "classes": ["Black Cat", "dog"], "perceptor": "primer"},
    )
    await until_known(world, "pets")

    names = ["class_id=black_cat · class 0: Black Cat", "class_id=dog · class 1: dog"]
    assert names == await offered(max_, "more", model="pets", more="class_id=")
    assert names[:1] == await offered(max_, "more", model="pets", more="class_id=cat")
    assert "class_id=goldfish · class 1: goldfish" in await offered(
        max_, "more", model="imagenet-128", more="class_id=go"
    )
    in_film = await max_.autocomplete("film", "more", model="pets", more="class_id=")
    assert names == [choice["name"] for choice in in_film]
    await max_.slash("settings mine", model="pets")
    assert names == await offered(max_, "more", more="class_id="), "the default model"
    message = await dreamt(max_, "a fox", more="class_id=black_cat")
    assert "class_id=0" in whispered(await max_.click(message, "Info"))
    assert "pets" in whispered(await max_.slash("dream", prompt="a fox", more="class_id=bird"))


@pytest.mark.bot(environ={"DREAMBOT_FAKE_SLOTS": "1"})
async def test_after_a_model_is_deleted_its_waiting_jobs_fail_in_words_and_cost_nothing(
    world: World, max_: Person, mo: Person, trained: Path
) -> None:
    put(trained, "mine", MINE)
    await until_known(world, "mine")
    painted = await dreamt(max_, "an owl", model="mine")
    used = (await world.services.jobs.quota.balance(max_.id)).used
    await max_.slash("settings mine", model="mine")
    busy = await begun(mo, "hang an owl")
    waiting = (await max_.slash("dream", prompt="a boat", model="mine")).message
    assert "Next in line" in waiting.text

    shutil.rmtree(trained)
    await mo.click(busy, "Cancel")
    await max_.wait_for(waiting, is_over)
    assert "There is no model “mine”." in waiting.text and "Nothing was charged." in waiting.text
    assert used == (await world.services.jobs.quota.balance(max_.id)).used
    assert "mine" not in MODELS

    answer = await max_.slash("dream", prompt="a boat")
    await max_.wait_for(answer.message, is_result)
    await world.until(lambda: len(answer.messages) > 1, what="a note")
    assert "The default model “mine” of your settings is not used: it is unknown here." in answer.messages[1].text
    settings = whispered(await max_.slash("settings mine"))
    assert "mine (unknown here)" in settings
    assert "The default model “mine” is not used: it is unknown here." in settings
    assert "unknown" not in whispered(await max_.slash("settings mine", model="usual"))

    assert "mine" in whispered(await max_.click(painted, "Info")), "what was painted is still there"
    assert job_id(painted) in whispered(await max_.slash("history"))
    assert "The model “mine” cannot be used here." in (await max_.click(painted, "Again")).messages[0].text
    assert "There is no model “mine”" in (await max_.click(painted, "Extend to the left")).messages[0].text
