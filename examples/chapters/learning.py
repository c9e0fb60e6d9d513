"""What the chapters that train have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigrad.experiments import Config, Experiment, Run


def learned(folder: Path, config: Config) -> tuple[Experiment, Any]:
    """The experiment and its trained model; a run in the folder that was stopped goes on."""
    run = Run.open(folder) if (folder / "config.json").exists() else Run.create(folder, config)
    first, beside = run.experiment.measures[run.experiment.headline], run.experiment.baselines()
    print(config.title)
    print(f"  guessing: {first.show(beside['chance'])}, optimum: {first.show(beside['optimum'])}")
    outcome = run.train(lambda event: tell(run, event), lambda step, numbers: None)
    return run.experiment, outcome.model


def tell(run: Run, event: dict[str, Any]) -> None:
    """One line for an evaluation."""
    if "evaluation" in event:
        name = run.experiment.headline
        found = run.experiment.measures[name].show(event["evaluation"][name])
        print(f"  after {event['step'] * run.config.batch:>7,} sequences: {found}")
