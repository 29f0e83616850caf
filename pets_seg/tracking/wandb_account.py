"""Whether W&B can be used: its variables, a key that is configured, a server that answers."""

import logging
import os
import re
import urllib.error
import urllib.request
from functools import cache

from pets_seg.errors import InputError
from pets_seg.tracking.wandb_names import in_trial, project_name

NO_EFFECT = {
    "WANDB_RESUME": "the same command continues a run, and its W&B run",
    "WANDB_RESUME_FROM": "the same command continues a run, and its W&B run",
    "WANDB_FORK_FROM": "a run of other settings is another one, from its beginning",
    "WANDB_DIR": "W&B's files are in the folder of their run",
    "WANDB_CONSOLE": "what is printed is kept in train.log",
}
# `wandb agent` sets both of them for a trial of a W&B sweep.
NO_EFFECT_ALONE = {
    "WANDB_RUN_ID": "a W&B run's id follows from the run, so that one that is continued is one W&B run",
    "WANDB_SWEEP_ID": "a trial of a W&B sweep has WANDB_RUN_ID too",
}
# What a run is called is passed to W&B with the run, and there may be several in a process.
NAMES = ("PROJECT", "ENTITY", "RUN_GROUP", "NAME", "JOB_TYPE", "TAGS", "NOTES")
HIDDEN = (*NO_EFFECT, *NO_EFFECT_ALONE, *(f"WANDB_{name}" for name in NAMES))
log = logging.getLogger("pets_seg")

# What W&B takes for true and false.
TRUE, FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")

# How long a server may take for its first answer.
PATIENCE = 8


def wanted_mode(given: str) -> str:
    """Return whether W&B is to be online (with a key), offline or disabled, for `given` as tracker.mode."""
    if given != "auto":
        return given
    if os.environ.get("WANDB_DISABLED", "").lower() in TRUE:
        return "disabled"
    word = os.environ.get("WANDB_MODE") or "online"
    # What W&B takes for these; one process writes a run, so that nothing is shared.
    return {"dryrun": "offline", "run": "online", "shared": "online"}.get(word, word)


def check_variables(mode: str, project: str | None) -> None:
    """Raise InputError for tracker.project or one of W&B's variables that W&B refuses; say which have no effect."""
    if wanted_mode(mode) == "disabled":
        return
    variables = {name for name, value in os.environ.items() if name.startswith("WANDB_") and value}
    disabled = os.environ.get("WANDB_DISABLED", "")
    if mode == "auto" and disabled and disabled.lower() not in FALSE:
        raise InputError(f"WANDB_DISABLED={disabled[:100]}: is true or false; mend it, or unset WANDB_DISABLED")
    ours = {*NO_EFFECT, *(() if in_trial() else NO_EFFECT_ALONE)}
    for name in sorted(variables & ours):
        _tell(f"{name} has no effect here: {(NO_EFFECT | NO_EFFECT_ALONE)[name]}")
    if os.environ.get("WANDB_MODE") == "shared" and mode == "auto":
        _tell("WANDB_MODE=shared is taken for online: one process writes a run")
    if project and project_name(project) != project:
        _tell(
            f"tracker.project={project} has no effect in a trial of a W&B sweep, which is of the project of its agent"
        )
    # Only then, for it takes a second.
    if variables:
        quiet_wandb()
    if project:
        import wandb

        try:
            wandb.Settings(project=project)
        except Exception as error:
            raise InputError(f"tracker.project={project}: {_reason(error)}; give another name") from None


def check_one_trial(mode: str) -> None:
    """Raise InputError if several runs were to become the one W&B run of a trial."""
    if in_trial() and wanted_mode(mode) != "disabled":
        raise InputError(
            "-m: a trial of a W&B sweep is one run; leave out -m, unset WANDB_SWEEP_ID, or give tracker.mode=disabled"
        )


@cache
def _tell(line: str) -> None:
    log.warning(line)


def quiet_wandb() -> None:
    """Make W&B print nothing and report no errors of its own; before anything else is asked of it.

    Raises InputError for one of its variables that it refuses. Of those that say what a run is called it sees none:
    it is told.
    """
    # Else W&B tells its server of errors, and a process waits for that at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # A process of W&B that the caller of this one started is not ours to end.
    os.environ.pop("WANDB_SERVICE", None)
    # Set but empty they say nothing, which W&B takes for words that it does not know.
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]
    # W&B writes the address into its log. The key is what it shows the server, whoever else the address names.
    if address := os.environ.get("WANDB_BASE_URL"):
        os.environ["WANDB_BASE_URL"] = _without_account(address)
    _refuse_wrong(tuple((name, value) for name, value in os.environ.items() if name.startswith("WANDB_")))
    hidden = {name: os.environ.pop(name) for name in HIDDEN if name in os.environ}
    try:
        import wandb

        wandb.setup(wandb.Settings(silent=True))
    finally:
        os.environ |= hidden


@cache
def _refuse_wrong(variables: tuple[tuple[str, str], ...]) -> None:
    import wandb

    for name, value in variables:
        try:
            wandb.Settings().update_from_env_vars({name: value})
        except Exception as error:
            shown = name if name == "WANDB_API_KEY" else f"{name}={without_secrets(value)}"
            raise InputError(f"{shown}: {_reason(error)}; mend it, or unset {name}") from None


def _reason(error: Exception) -> str:
    # W&B's settings are checked by pydantic, whose errors are lists.
    details = getattr(error, "errors", None)
    text = details()[0]["msg"] if callable(details) else str(error)
    return without_secrets(" ".join(text.removeprefix("Value error, ").split())).rstrip(".")


def key_configured() -> bool:
    """Return whether a W&B key is configured, asking neither user nor server; wandb.Error if it cannot be one."""
    quiet_wandb()
    import wandb

    return wandb.login(prompt=False, verify=False)


def check_server() -> None:
    """Raise InputError unless the W&B server gives an answer, whatever it is, within seconds."""
    address = server_address()
    question = urllib.request.Request(f"{_without_account(address)}/graphql", data=b"{}", method="POST")
    try:
        urllib.request.urlopen(question, timeout=PATIENCE).close()
    # It said no to a question without a key: it is there.
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"the W&B server {without_secrets(address)} does not answer ({reason}); try later") from None


def server_address() -> str:
    """Return the address of the W&B server that is configured."""
    quiet_wandb()
    import wandb

    return str(wandb.setup().settings.base_url)


def one_line_without_secrets(error: BaseException) -> str:
    """Return what an error says in a line that may be shown."""
    return without_secrets(" ".join(str(error).split())).rstrip(".")


def without_secrets(text: str) -> str:
    """Return `text` without the user's key and without names and passwords in addresses."""
    key = os.environ.get("WANDB_API_KEY")
    text = text.replace(key, "***") if key else text
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1***@", text)


def _without_account(address: str) -> str:
    return re.sub(r"(\w+://)[^/@\s]*@", r"\1", address).rstrip("/")
