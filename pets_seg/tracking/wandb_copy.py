"""A W&B run made of what a run folder says, for one whose training is over."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pets_seg.tracking.wandb_sink import WandbSink, saved_pictures


def copy_to_wandb(run: Path, mode: str, project: str | None, about: Mapping[str, Any] | None = None) -> WandbSink:
    """Pass rows, pictures and summary of a run folder to the W&B run `about`; without it, to that of now.

    Returns the sink, which knows whether W&B took it.
    """
    # Not by RunFolder, which needs torch, and so a second more.
    read = {name: json.loads(_text(run / f"{name}.json") or "{}") for name in ("status", "summary")}
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    rows = csv.DictReader(_text(run / "metrics.csv").splitlines())
    pictures = saved_pictures(run)
    sink = WandbSink(config, run, mode, project, about)
    for row in rows:
        sink.log({key: _number(value) for key, value in row.items()})
    if pictures:
        sink.log_pictures(pictures)
    sink.finish(read["summary"], failed=read["status"].get("state") != "finished")
    return sink


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _number(text: str) -> Any:
    if not text:
        return None
    return int(text) if text.lstrip("-").isdigit() else float(text)
