"""What a page is made of: by it is known whether it has to be made again."""

import json
import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

from sweeps import write_sweep

from pets_seg.report.made_of import MADE_OF, digest, files_digest, is_made_of, stamps
from pets_seg.report.study.study import read_study
from pets_seg.run_folder.search import COMPLETE, Search, Trial


def test_what_a_page_is_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    write_sweep(folder, {"none": {}, "elastic": {}}, seeds=2, epochs=3)

    def now(settings: object = None) -> str:
        files = stamps(folder)
        return digest(read_study([folder]), files, settings)

    def made_with(first: str) -> bool:
        return is_made_of(folder, first)

    first = now()
    assert now() == first != now({"baseline": "elastic"})
    for name in ("report.html", "runs.csv", "comparison.csv"):
        (folder / name).write_text("")
    assert not made_with(first)
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / "curves_7in.svg").write_text("")
    text = "# sweep\n\n![curves](figures/curves_7in.svg)\n"
    (folder / "report.md").write_text(text)
    assert not made_with(first)
    (folder / "report.md").write_text(text + MADE_OF.format(first, files_digest(folder)))
    assert made_with(first)
    # What is beside the runs is not read.
    assert now() == first
    for name in ("report.html", "runs.csv", "comparison.csv", "figures/curves_7in.svg"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert not made_with(first), name
        (folder / name).write_bytes(content + b"another")
        assert not made_with(first), name
        (folder / name).write_bytes(content)
    # A table that not every sweep has.
    (folder / "main_effects.csv").write_text("")
    assert not made_with(first)
    (folder / "main_effects.csv").unlink()
    assert made_with(first)
    run = next(path.parent for path in folder.glob("*/status.json"))
    for name in ("config.yaml", "status.json", "summary.json", "metrics.csv", "per_image.csv"):
        kept = (run / name).stat()
        os.utime(run / name, ns=(kept.st_atime_ns, kept.st_mtime_ns + 1))
        assert now() != first, name
        os.utime(run / name, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert now() == first
    # A search that has found more is another page, also where its runs were there already.
    study = read_study([folder])
    empty = Search(folder, {}, {}, None, 0)
    assert digest(replace(study, searches=[empty]), stamps(folder), None) not in (
        first,
        digest(replace(study, searches=[replace(empty, trials=[Trial(1, COMPLETE, 0.5)])]), stamps(folder), None),
    )
    # A run that is said to be running is one that was interrupted once its process is gone.
    status = json.loads((run / "status.json").read_text())
    process = subprocess.Popen(["sleep", "60"])
    running = {**status, "state": "running", "pid": process.pid, "host": socket.gethostname()}
    (run / "status.json").write_text(json.dumps(running))
    before = now()
    process.kill()
    process.wait()
    assert now() != before
    shutil.rmtree(run)
    assert now() not in (first, before)
