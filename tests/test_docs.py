"""README, docs/ and experiments/: links lead somewhere, commands can be given, options of one's own work as shown."""

import re
import shlex
from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from pets_seg.command.arguments import check_arguments
from pets_seg.command.replay import expand
from pets_seg.command.tasks.train import prepare
from pets_seg.config.checks import check

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDES = [README, *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [*GUIDES, *sorted((ROOT / "experiments").glob("*/README.md"))]
# What the commands of the pages wrote, as it was kept.
KEPT_REPORTS = [
    path for pattern in ("*", "*/*") for path in sorted((ROOT / "experiments").glob(f"{pattern}/report.md"))
]
MOST_WORDS = 1_700
# Where the pages keep a user's own options, and what stands in them for a run.
OWN, RUN = "/my/conf", "runs/NAME/RUN"
# A block between backticks, or one that is indented after an empty line.
CODE = re.compile(r"^```(?P<kind>.*)\n(?P<fenced>(?:.*\n)*?)```$|(?<=\n\n)(?P<indented>(?: {4}.*\n|\n(?= {4}))+)", re.M)
COMMAND = re.compile(r"^(?:.*\s)?(?:\S*python3? |torchrun .*)-m pets_seg\.run(?!\S)(.*)|^pets_seg (.*)")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def code(page: Path) -> Iterator[tuple[str, str]]:
    """Yield what follows the backticks of each block of code, and its text."""
    for block in CODE.finditer(page.read_text(encoding="utf-8")):
        yield block["kind"] or "", block["fenced"] or block["indented"] or ""


def links(page: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    found = re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(r'\b(?:src|srcset|href)="([^"]+)"', text)
    return found + re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, re.M)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page, and those that are written out."""
    text = prose(page)
    found = set(re.findall(r'<\w+ (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, re.M):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = first = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = 0
        while anchor in found:
            count += 1
            anchor = f"{first}-{count}"
        found.add(anchor)
    return found


def fault(page: Path, link: str) -> str | None:
    """Return what is wrong with a link of a page; one to another site is not tried."""
    if re.match(r"\w+:", link):
        return None
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return "is not there"
    if not target.is_relative_to(ROOT):
        return "leads out of the repository"
    return "has no such heading" if anchor and anchor not in anchors(target) else None


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the arguments of each command of pets_seg in a page's code."""
    for _, block in code(page):
        for line in block.replace("\\\n", " ").splitlines():
            # A command may stand within another, as in eval "$(...)".
            if match := COMMAND.search(line.strip().removeprefix("$ ").removesuffix(')"')):
                words = shlex.split(match[1] or match[2] or "", comments=True)
                end = next(
                    (index for index, word in enumerate(words) if word in ("|", ">", ">>", "&&", ";", "&")), None
                )
                # The shell's completion has no configuration.
                if "-sc" not in words:
                    yield words[:end]


def each(override: Override) -> Iterable[Any]:
    """Return the values of a sweep, of an interval its ends."""
    if override.is_interval_sweep():
        return [override.value().start, override.value().end]
    return override.sweep_string_iterator()


def jobs(arguments: list[str]) -> list[tuple[str, ...]]:
    """Return the overrides of the jobs of a command: of a sweep so many that each value is in one of them."""
    arguments = check_arguments(expand(arguments))
    overrides = OverridesParser.create().parse_overrides([word for word in arguments if "=" in word])
    # A study may list a sweep, and then needs no flag.
    if not {"-m", "--multirun"} & {*arguments} and not any(word.startswith("experiment=") for word in arguments):
        return [tuple(override.input_line for override in overrides)]
    values = [
        [f"{override.get_key_element()}={value}" for value in each(override)]
        if override.is_sweep_override()
        else [override.input_line]
        for override in overrides
    ]
    most = max(map(len, values))
    return [*zip(*(islice(cycle(some), most) for some in values), strict=True)]


def compose_jobs(arguments: list[str], sound: set[tuple[str, ...]] | None = None) -> None:
    """Raise what a user is told of a command that cannot be given; jobs that are known to be `sound` are left out."""
    sound = set() if sound is None else sound
    for job in set(jobs(arguments)) - sound:
        check(compose("config", overrides=[*job]))
        sound.add(job)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages show below /my/conf; modules are those below /my."""
    for page in GUIDES:
        for kind, text in code(page):
            if match := re.fullmatch(r"\w+ /my/(\S+)", kind):
                file = tmp_path / match[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "conf"


@pytest.mark.parametrize("page", [*PAGES, *KEPT_REPORTS], ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = {link: reason for link in links(page) if (reason := fault(page, link))}
    assert not wrong


def test_a_wrong_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`, c\n\n## Twice\n\n## Twice\n\n[a](#a-b-c) [![b](gone.png)](page.md#twice-1) [`c`](#twice-2)\n"
        '<img src="gone.svg">\n[e](https://example.org/x) [f](..) `[i](gone)` [j](#code)\n[d]: gone.md\n\n'
        "```sh\n# Code\n[g](gone)\n```\n\n    [h](gone)\n"
    )
    assert [link for link in links(page) if fault(page, link)] == [
        *("gone.png", "#twice-2", "..", "#code"),
        *("gone.svg", "gone.md"),
    ]


@pytest.mark.slow
def test_commands_can_be_given(own: Path) -> None:
    assert [*commands(README)]
    replayed = own.parent / "replayed"
    replayed.mkdir()
    wrong = {}
    # The entry point makes launchers known.
    import_module("pets_seg.command.main")
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        OmegaConf.save(compose("config"), replayed / "config.yaml", resolve=True)
        sound: set[tuple[str, ...]] = set()
        for page in GUIDES:
            for words in commands(page):
                filled = [word.replace(OWN, str(own)).replace(RUN, str(replayed)) for word in words]
                try:
                    compose_jobs(filled, sound)
                except Exception as error:
                    wrong[f"{named(page)}: {shlex.join(words)}"] = f"{type(error).__name__}: {error}"
    assert not wrong


def test_what_the_quickstart_proposes_is_in_the_documents() -> None:
    closing = OmegaConf.load(ROOT / "conf" / "experiment" / "quickstart.yaml")["closing"]
    assert closing.replace("{python}", "python") in (ROOT / "docs" / "terminal.md").read_text(encoding="utf-8")


def test_commands_are_found_and_all_that_is_wrong_with_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\npython -m pets_seg.run prose=1\n\n    git clone X pets_seg && cd pets_seg\n"
        "    A=b .venv/bin/python -m pets_seg.run -m aug=none,hflip seed=0,1,2 'name=a b' # said\n\n"
        "    make run\n\n```sh\n$ torchrun --nproc-per-node 2 -m pets_seg.run \\\n  seed=1 | head\npets_seg --help\n"
        "python -m pets_seg.runner x=1\npython -m pets_seg.run\n```\n"
    )
    sweep, *others = commands(page)
    assert sweep == ["-m", "aug=none,hflip", "seed=0,1,2", "name=a b"]
    assert others == [["seed=1"], ["--help"], []]
    assert jobs(sweep[:-1]) == [("aug=none", "seed=0"), ("aug=hflip", "seed=1"), ("aug=none", "seed=2")]
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        for words in (["aug=gone"], ["--gone"], ["train.epochs=0"], ["aug=none,hflip"], ["gone=1"], ["replay=gone"]):
            with pytest.raises(Exception, match=re.escape(words[0].partition("=")[2] or words[0])):
                compose_jobs(words)


def test_options_of_ones_own_can_be_trained_with(own: Path, oxford: Path) -> None:
    settings = [*tiny(oxford), f"hydra.searchpath=[file://{own}]", "aug=mine", "optimizer=nadam"]
    with initialize_config_module("pets_seg.conf", version_base="1.3"):
        # It makes the optimizer and tries the operations on images.
        prepare(compose("config", overrides=settings), overrides=[])


def test_the_readme_is_short() -> None:
    # All words count, those of tables and commands too; what does not fit belongs into docs/.
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS
