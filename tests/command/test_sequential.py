"""hydra/sweeper=sequential: seeds until every group is told, by a design that was declared before."""

import csv
import json
import re
import shlex
import statistics
from pathlib import Path

import pytest
from conftest import command, tiny
from processes import finish, forked

SWEEP = ["-m", "hydra/sweeper=sequential", "name=s"]
SHORT = ["hydra.sweeper.margin=10", "hydra.sweeper.max_seeds=3", "hydra.sweeper.first_look=2"]
# A learning rate that learns nothing against one that does: told soon.
RATES = ["optimizer.lr=0.003,0.0000001"]
# Before the design, before and between the files of the verdicts, in the first run; then after the first look.
KILLS = [
    ("pets_seg.command.sequential.write_design", 1),
    ("pets_seg.command.sequential.write_verdicts", 1),
    ("pets_seg.report.sequential.verdict_files.write_text", 2),
    ("pets_seg.command.one_run.train", 1),
    ("pets_seg.command.sequential.write_verdicts", 2),
    ("pets_seg.report.sequential.verdict_files.write_text", 2),
    ("pets_seg.command.one_run.train", 2),
]


def words(root: Path, *more: str) -> list[str]:
    few = [word for word in tiny(root) if not word.startswith(("aug=", "train.epochs="))]
    learns = ["train.epochs=3", "train.batch_size=4", "optimizer.lr=0.01"]
    return [*SWEEP, *few, *SHORT, *learns, *more]


def verdicts(work: Path) -> dict[str, dict[str, str]]:
    with open(work / "runs" / "s" / "verdicts.csv", newline="") as file:
        return {row["group"]: row for row in csv.DictReader(file)}


def seeds(work: Path) -> dict[str, list[int]]:
    """Return the seeds of the finished runs by augmentation."""
    found: dict[str, list[int]] = {}
    for folder in sorted((work / "runs" / "s").glob("unet-*")):
        if json.loads((folder / "status.json").read_text())["state"] == "finished":
            _, aug, _, seed, _ = folder.name.split("-")
            found.setdefault(aug, []).append(int(seed[1:]))
    return found


@pytest.mark.slow
def test_it_adds_seeds_declares_its_design_and_goes_on_after_a_kill(oxford: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    arguments = words(oxford, "aug=none,hflip", "hydra.sweeper.margin=0.01")
    ran = forked(*arguments, cwd=whole)
    # Mostly nothing can be told with four images; it depends on how the processor rounds.
    told = verdicts(whole)
    code = 0 if told["aug=hflip"]["verdict"] in ("better", "worse") else 3
    assert ran.returncode == code, ran.stdout + ran.stderr
    design = json.loads((whole / "runs" / "s" / "design.json").read_text())
    assert [*design["groups"]] == ["aug=none", "aug=hflip"]
    assert (design["looks"], design["metric"], design["margin"]) == ([2, 3], "test_dice", 0.01)
    assert f"design {design['hash'][:12]}" in ran.stdout
    assert {row["verdict"] for row in told.values()} <= {"undecided", "needs_images", "better", "worse"}
    ran_seeds = seeds(whole)
    assert {len(ran_seeds[name.removeprefix("aug=")]) for name in told} == {int(row["seeds"]) for row in told.values()}
    assert len(ran_seeds["none"]) == max(map(len, ran_seeds.values()))
    page = (whole / "runs" / "s" / "report.html").read_text()
    assert design["hash"] in page
    assert "declared before the first run" in page

    for moment in KILLS:
        assert finish(cut, arguments, moment) < 0, moment
    assert {row["verdict"] for row in verdicts(cut).values()} == {"open"}
    assert forked(*arguments, cwd=cut).returncode == code
    assert verdicts(cut) == told
    assert json.loads((cut / "runs" / "s" / "design.json").read_text())["hash"] == design["hash"]
    again = forked(*arguments, cwd=whole)
    assert (again.returncode, verdicts(whole), seeds(whole)) == (code, told, ran_seeds)
    assert "runs now" not in again.stdout

    other = forked(*words(oxford, "aug=none,vflip", "hydra.sweeper.margin=2"), cwd=whole)
    assert other.returncode == 2
    assert "margin: was 0.01, is now 2.0; groups: was aug=none, aug=hflip, is now aug=none, aug=vflip" in other.stderr
    for ordinary in (["-m", "aug=none,hflip", "seed=0"], ["aug=none", "seed=0", "existing=restart"]):
        single = [word for word in words(oxford) if not word.startswith(("-m", "hydra"))]
        refused = forked(*single, *ordinary, cwd=whole)
        assert refused.returncode == 2
        assert "holds a sequential sweep, whose runs are those of its design alone" in refused.stderr
    assert seeds(whole) == ran_seeds
    shown = forked("task=report", "runs=runs/s", cwd=whole)
    assert shown.returncode == 0
    assert re.search(
        r"aug=hflip: .* points: (undecided|better than aug=none|worse than aug=none),? with \d seeds", shown.stdout
    )


@pytest.mark.slow
def test_what_is_told_gets_no_more_seeds_whatever_the_launcher(oxford: Path, tmp_path: Path) -> None:
    told = []
    launchers = (
        ("basic", []),
        ("local", ["hydra/launcher=local", "hydra.launcher.slots=2"]),
        ("submitit", ["hydra/launcher=submitit_local", "train.precision=fp32"]),
    )
    for name, launcher in launchers:
        work = tmp_path / name
        work.mkdir()
        found = command(*words(oxford, *RATES, "hydra.sweeper.margin=1", *launcher), cwd=work)
        assert found.returncode in (0, 3), found.stdout + found.stderr
        told.append(verdicts(work))
        assert "Traceback" not in found.stderr
        # A group that is told gets no more seeds, but for those that ran ahead in a slot.
        [row] = told[-1].values()
        ran = {seed for found in seeds(work).values() for seed in found}
        assert int(row["seeds"]) <= len(ran) <= int(row["seeds"]) + (name == "local")
    # Figures depend on the number of threads.
    for others in told[1:]:
        assert {group: row["verdict"] for group, row in others.items()} == {
            group: row["verdict"] for group, row in told[0].items()
        }


@pytest.mark.slow
def test_a_diverging_group_fails_and_the_exit_code_says_so(oxford: Path, tmp_path: Path) -> None:
    ran = forked(*words(oxford, "optimizer.lr=0.003,1e30", "train.batch_size=2"), cwd=tmp_path)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    [(_, row)] = verdicts(tmp_path).items()
    assert (row["verdict"], row["failed"], row["seeds"]) == ("fails", "2", "0")
    assert "fails, for 2 of 2 seeds failed" in ran.stdout
    # It would diverge again.
    again = forked(*words(oxford, "optimizer.lr=0.003,1e30", "train.batch_size=2"), cwd=tmp_path)
    assert again.returncode == 1
    assert "runs now" not in again.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["hydra.sweeper.margin=null"], "hydra.sweeper.margin: is needed: the difference that is not worth having"),
        (["hydra.sweeper.margin=0"], "hydra.sweeper.margin=0: must be a number of points above 0 and below 100"),
        (["hydra.sweeper.first_look=5"], "hydra.sweeper.first_look=5: must not be more than max_seeds (3)"),
        (["hydra.sweeper.look_every=x"], "hydra.sweeper.look_every=x: must be a whole number from 1 to 1000"),
        (["hydra.sweeper.alpha=1"], "hydra.sweeper.alpha=1: must be a number from 0.001 to 0.2"),
        (["hydra.sweeper.metric=val_dise"], "must be one of test_dice, val_dice, test_iou (did you mean val_dice?)"),
        (["seed=0,1"], "seed: a sequential sweep chooses its seeds itself"),
        (["++seed=3"], "seed: a sequential sweep chooses its seeds itself"),
        (["aug=none"], "compares groups, and this sweep has one"),
        (["existing=restart"], "existing=restart: runs of a sequential sweep are not trained again"),
        (["report.baseline=elastic"], "report.baseline=elastic: fits none of the groups"),
        (["aug=none,hflp"], "hflp"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_made(
    oxford: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    given = words(oxford, *([] if more[0].startswith("aug=") else ["aug=none,hflip"]), *more)
    ran = forked(*given, cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_group_that_no_baseline_fits_is_refused(oxford: Path, tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    for name, aug, decay in (("a", "none", 0.1), ("b", "hflip", 0.1), ("c", "hflip", 0.2), ("d", "vflip", 0.3)):
        lines = [
            "# @package _global_",
            "defaults:",
            f"  - override /aug: {aug}",
            f"optimizer: {{weight_decay: {decay}}}",
        ]
        (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")
    given = words(oxford, "experiment=a,b,c,d", f"hydra.searchpath=[file://{tmp_path}/conf]", "dry_run=true")
    refused = forked(*given, "report.baseline={aug:none}", cwd=tmp_path)
    assert refused.returncode == 2
    assert "leaves aug=hflip optimizer.weight_decay=0.2 (and 1 more) with no group" in refused.stderr
    assert "'report.baseline={aug:VALUE,optimizer.weight_decay:VALUE}'" in refused.stderr
    planned = forked(*given, "report.baseline={aug:none,optimizer.weight_decay:0.1}", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "4 groups" in planned.stdout
    # c has the values that are given, and is the baseline of none.
    unused = forked(*given, "report.baseline={aug:hflip}", cwd=tmp_path)
    assert unused.returncode == 2
    assert "leaves aug=hflip optimizer.weight_decay=0.2 (and 1 more) with no group" in unused.stderr


@pytest.mark.slow
def test_an_ordinary_sweep_that_tells_nothing_apart_proposes_one_that_decides(oxford: Path, tmp_path: Path) -> None:
    ordinary = [word for word in words(oxford) if not word.startswith(("-m", "hydra"))]
    ran = forked("-m", *ordinary, "aug=none,hflip", "seed=0,1", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    [line] = [line for line in ran.stdout.splitlines() if "hydra/sweeper=sequential" in line]
    assert "hydra.sweeper.first_seed=2" in line
    assert "name=s_decided" in line
    proposed = shlex.split(line)
    assert proposed[1:3] == ["-m", "pets_seg.run"]
    dry = forked(*proposed[3:], "dry_run=true", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    # The two seeds are a pilot.
    shown = " ".join(dry.stdout.split())
    assert "from 2 seeds of these groups in runs" in shown
    dice = {
        (name, seed): json.loads(
            next((tmp_path / "runs" / "s").glob(f"unet-{name}-*s{seed}-*/summary.json")).read_text()
        )["test_dice"]
        for name in ("none", "hflip")
        for seed in (0, 1)
    }
    points = [100 * (dice["hflip", seed] - dice["none", seed]) for seed in (0, 1)]
    assert f"to be {statistics.stdev(points):.2f} points over seeds" in shown
    one_more = forked("-m", *ordinary, "aug=vflip", "seed=0,1", cwd=tmp_path)
    assert "sequential" not in one_more.stdout


@pytest.mark.slow
def test_runs_from_before_the_design_are_refused(oxford: Path, tmp_path: Path) -> None:
    single = [word for word in words(oxford, "aug=hflip", "seed=1") if not word.startswith(("-m", "hydra"))]
    assert forked(*single, cwd=tmp_path).returncode == 0
    ran = forked(*words(oxford, "aug=none,hflip"), cwd=tmp_path)
    assert ran.returncode == 2
    assert "is older than the design (one run of its seeds)" in ran.stderr
    assert not (tmp_path / "runs" / "s" / "design.json").exists()
    dry = forked(*words(oxford, "aug=none,hflip"), "hydra.sweeper.first_seed=2", "dry_run=true", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr


def test_a_dry_run_says_what_can_be_expected(oxford: Path, tmp_path: Path) -> None:
    unknown = forked(*words(oxford, "aug=none,hflip"), "dry_run=true", cwd=tmp_path)
    assert unknown.returncode == 0, unknown.stderr
    assert "The chance of a verdict is not known" in unknown.stdout
    known = forked(*words(oxford, "aug=none,hflip"), "dry_run=true", "hydra.sweeper.sd=10", cwd=tmp_path)
    assert re.search(r"^10 points +0\.\d\d", known.stdout, re.M)
    assert "10.00 points over" in " ".join(known.stdout.split())
    assert not (tmp_path / "runs").exists()
