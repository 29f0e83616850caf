"""A run gets its own data wherever it is evaluated, replayed or compared, and not what has the same name there."""

import csv
import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from conftest import only_run, picture
from PIL import ImageOps
from processes import forked

SMALL = ["data=folder", "data.size=32", "model.width=2", "train.epochs=1", "train.device=cpu", "tracker.mode=disabled"]
TRAIN = [*SMALL, "name=seven", "data.root=pets"]


def write_pets(folder: Path, inverted: bool) -> None:
    """Write 40 images and masks that in another project of the same layout are inverted."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for index in range(40):
        image, trimap = picture(index)
        mask = trimap.point(lambda value: 255 * (value != 2))
        image.save(folder / "images" / f"a{index:02}.png")
        (ImageOps.invert(mask) if inverted else mask).save(folder / "masks" / f"a{index:02}.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two projects whose pets/ differ and that made a run by the same command, and an empty one."""
    place = tmp_path_factory.mktemp("projects")
    for project in ("first", "second"):
        write_pets(place / project / "pets", inverted=project == "second")
        done = forked(*TRAIN, cwd=place / project)
        assert done.returncode == 0, done.stderr
    (place / "third").mkdir()
    return place


@pytest.fixture
def projects(trained: Path, tmp_path: Path) -> Path:
    """A copy of the projects whose runs record where the copies are."""
    shutil.copytree(trained, tmp_path / "projects")
    for file in (tmp_path / "projects").rglob("*.yaml"):
        file.write_text(file.read_text().replace(str(trained), str(tmp_path / "projects")))
    return tmp_path / "projects"


def run_of(projects: Path, project: str = "first") -> Path:
    return only_run(projects / project, "seven")


def loss(done: CompletedProcess[str]) -> float:
    assert done.returncode == 0, done.stderr
    return float(dict(word.split("=") for word in done.stdout.splitlines()[0].split())["loss"])


def own_loss(run: Path) -> float:
    return json.loads((run / "summary.json").read_text())["test_loss"]


def refusal(done: CompletedProcess[str]) -> str:
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    return line


def make_old(run: Path) -> None:
    """Let a run folder be one of an older version, which recorded paths as they were given."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["root"] = config.pop("given")["data.root"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_a_run_is_evaluated_on_its_own_data_from_anywhere(projects: Path) -> None:
    run = run_of(projects)
    assert run.name == run_of(projects, "second").name
    assert own_loss(run) != pytest.approx(own_loss(run_of(projects, "second")), rel=0.1)
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["data"]["root"], config["given"]) == (f"{projects}/first/pets", {"data.root": "pets"})
    for project in ("first", "second", "third"):
        done = forked("task=evaluate", f"checkpoint=../first/runs/seven/{run.name}", cwd=projects / project)
        assert loss(done) == pytest.approx(own_loss(run), abs=1e-4)
    recorded = json.loads((run / "evaluations" / "test" / "evaluation.json").read_text())
    assert recorded["data"]["root"] == f"{projects}/first/pets"


@pytest.mark.slow
@pytest.mark.parametrize("with_hydra", [True, False])
def test_an_older_run_is_evaluated_and_replayed_on_its_own_data(projects: Path, with_hydra: bool) -> None:
    run = run_of(projects)
    make_old(run)
    if not with_hydra:
        shutil.rmtree(run / ".hydra")
    for project in ("second", "third"):
        done = forked("task=evaluate", f"checkpoint=../first/runs/seven/{run.name}", cwd=projects / project)
        assert loss(done) == pytest.approx(own_loss(run), abs=1e-4)
    done = forked(f"replay={run}", "tracker.mode=disabled", cwd=projects / "second")
    assert done.returncode == 0, done.stderr
    assert own_loss(only_run(projects / "second", "replay")) == pytest.approx(own_loss(run), abs=1e-4)
    # Nothing says where a run without both was made.
    shutil.rmtree(run / ".hydra", ignore_errors=True)
    away = shutil.move(run, projects / "third" / run.name)
    line = refusal(forked("task=evaluate", f"checkpoint={away}", cwd=projects / "second"))
    assert line == (
        f"checkpoint={away}: data.root=pets is relative, and the folder in which the run was made is not known; "
        "give data.root=... beside it"
    )
    line = refusal(forked(f"replay={away}", "tracker.mode=disabled", cwd=projects / "second"))
    assert line.startswith(f"replay={away}: data.root=pets is relative")
    done = forked("task=evaluate", f"checkpoint={away}", "data.root=../first/pets", cwd=projects / "second")
    assert loss(done) == pytest.approx(own_loss(Path(away)), abs=1e-4)


@pytest.mark.slow
def test_a_replay_has_the_runs_own_data_and_at_home_its_name(projects: Path) -> None:
    run = run_of(projects)
    before = (run / "checkpoints" / "best.safetensors").read_bytes()
    for project in ("first", "second"):
        done = forked(f"replay=../first/runs/seven/{run.name}", "tracker.mode=disabled", cwd=projects / project)
        assert done.returncode == 0, done.stderr
        again = only_run(projects / project, "replay")
        assert (again / "checkpoints" / "best.safetensors").read_bytes() == before
        assert own_loss(again) == own_loss(run)
        # Elsewhere the name tells it from a replay of that project's own run.
        assert (again.name == run.name) == (project == "first")
    done = forked(f"replay={run_of(projects, 'second')}", "tracker.mode=disabled", cwd=projects / "second")
    assert "finished already" not in done.stdout
    assert len(list((projects / "second" / "runs" / "replay").iterdir())) == 2


@pytest.mark.slow
def test_a_project_that_moved_says_what_it_sought(projects: Path) -> None:
    (projects / "first").rename(projects / "renamed")
    run = run_of(projects, "renamed")
    where = projects / "renamed"
    line = refusal(forked("task=evaluate", f"checkpoint={run}", cwd=where))
    assert line == (
        f"checkpoint={run}: the run's data.root={projects}/first/pets is not there; give data.root=... beside it"
    )
    assert refusal(forked(f"replay={run}", cwd=where)).startswith(f"replay={run}: the run's data.root={projects}/first")
    assert loss(forked("task=evaluate", f"checkpoint={run}", "data.root=pets", cwd=where)) == pytest.approx(
        own_loss(run), abs=1e-4
    )
    done = forked(f"replay={run}", "data.root=pets", "tracker.mode=disabled", cwd=where)
    assert done.returncode == 0, done.stderr
    assert only_run(where, "replay").name == run.name
    # The same command finds its run.
    assert "finished already" in forked(*TRAIN, cwd=where).stdout
    line = refusal(forked("task=evaluate", f"checkpoint={run}", "data.root=3", cwd=where))
    assert "data.root=3: expected a string" in line
    line = refusal(forked("task=evaluate", f"checkpoint={run}", "data.root=pets", "split=train", cwd=where))
    assert "split=train" in line


def test_evaluations_on_folders_of_one_relative_name_do_not_replace_each_other(projects: Path) -> None:
    run = run_of(projects)
    # Both projects have the same images.
    other = ["data=folder", "data.root=pets", "split=test"]
    losses = [
        loss(forked("task=evaluate", f"checkpoint={run}", *other, cwd=projects / project))
        for project in ("first", "second")
    ]
    assert losses[0] == pytest.approx(own_loss(run), abs=1e-4)
    assert losses[1] != pytest.approx(losses[0], rel=0.1)
    assert len(list((run / "evaluations").iterdir())) == 2


def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_runs_of_two_projects_are_not_taken_for_the_same(projects: Path, old: bool) -> None:
    if old:
        for project in ("first", "second"):
            make_old(run_of(projects, project))
    done = forked("task=report", "runs=[../first/runs/seven,../second/runs/seven]", cwd=projects / "third")
    assert done.returncode == 0, done.stderr
    assert "2 runs: 2 finished" in done.stdout
    roots = {row["data.root"] for row in rows(projects / "first" / "runs" / "seven" / "runs.csv")}
    assert roots == {f"{projects}/{project}/pets" for project in ("first", "second")}


@pytest.mark.slow
def test_the_same_folder_is_the_same_data_however_it_was_given(projects: Path) -> None:
    make_old(run_of(projects))
    for root in (f"{projects}/first/pets", "./pets"):
        words = [*SMALL, "name=seven", f"data.root={root}", "seed=1"]
        assert forked(*words, cwd=projects / "first").returncode == 0
    done = forked("task=report", "runs=runs/seven", cwd=projects / "first")
    assert done.returncode == 0, done.stderr
    table = rows(projects / "first" / "runs" / "seven" / "runs.csv")
    assert [sorted(row["seed"] for row in table), "data.root" in table[0]] == [["0", "1", "1"], False]


@pytest.mark.slow
def test_swept_roots_keep_their_words_in_a_report(projects: Path) -> None:
    shutil.copytree(projects / "second" / "pets", projects / "first" / "other")
    done = forked("-m", *SMALL, "name=roots", "data.root=pets,other", "report.baseline=other", cwd=projects / "first")
    assert done.returncode == 0, done.stderr
    table = rows(projects / "first" / "runs" / "roots" / "runs.csv")
    assert {row["data.root"] for row in table} == {"pets", "other"}
