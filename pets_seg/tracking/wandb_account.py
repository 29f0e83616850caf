"""Whether W&B can be used: its variables, a key that is configured, a server that answers."""

import logging
import os
import re
import urllib.error
import urllib.request
from functools import cache
from types import ModuleType
from typing import Any

from pets_seg.errors import InputError
from pets_seg.tracking.wandb_names import in_trial, project_name

NO_EFFECT = {
    "WANDB_RESUME": "the same command continues a run, and its W&B run",
    "WANDB_RESUME_FROM": "the same command continues a run, and its W&B run",
    "WANDB_FORK_FROM": "a run of other settings starts from epoch 1",
    "WANDB_DIR": "W&B's files are in the folder of their run",
    "WANDB_CONSOLE": "what is printed is kept in train.log",
}
# Of these two, `wandb agent` sets both for a trial of a W&B sweep.
NO_EFFECT_ALONE = {
    "WANDB_RUN_ID": "the id of a W&B run is derived from the run, so that a continued run keeps it",
    "WANDB_SWEEP_ID": "it needs WANDB_RUN_ID too; `wandb agent` sets both",
}
# Names are passed to W&B with each run, of which a process may have several.
NAMES = ("PROJECT", "ENTITY", "RUN_GROUP", "NAME", "JOB_TYPE", "TAGS", "NOTES")
HIDDEN = (*NO_EFFECT, *NO_EFFECT_ALONE, *(f"WANDB_{name}" for name in NAMES))
# What W&B takes for true and false.
TRUE, FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off")
# In seconds: how long a server may take for its first answer.
PATIENCE = 8
ACCOUNT_IN_ADDRESS = re.compile(r"(\w+://)[^/@\s]*@")
log = logging.getLogger("pets_seg")


def wanted_mode(given: str) -> str:
    """Return whether W&B is to be online (with a key), offline or disabled, for `given` as tracker.mode."""
    if given != "auto":
        return given
    if os.environ.get("WANDB_DISABLED", "").lower() in TRUE:
        return "disabled"
    mode = os.environ.get("WANDB_MODE") or "online"
    # W&B's own synonyms, and shared, which has no effect where one process writes a run.
    return {"dryrun": "offline", "run": "online", "shared": "online"}.get(mode, mode)


def check_variables(mode: str, project: str | None) -> None:
    """Raise InputError for tracker.project or one of W&B's variables that W&B refuses; warn of those without effect."""
    if wanted_mode(mode) == "disabled":
        return
    variables = {name for name, value in os.environ.items() if name.startswith("WANDB_") and value}
    disabled = os.environ.get("WANDB_DISABLED", "")
    if mode == "auto" and disabled and disabled.lower() not in FALSE:
        raise InputError(f"WANDB_DISABLED={disabled[:100]}: must be true or false; mend it, or unset WANDB_DISABLED")
    without_effect = NO_EFFECT if in_trial() else NO_EFFECT | NO_EFFECT_ALONE
    for name in sorted(variables & without_effect.keys()):
        _warn_once(f"{name} has no effect here: {without_effect[name]}")
    if os.environ.get("WANDB_MODE") == "shared" and mode == "auto":
        _warn_once("WANDB_MODE=shared is taken for online: one process writes a run")
    if project and project_name(project) != project:
        _warn_once(f"tracker.project={project} has no effect in a trial of a W&B sweep, whose agent names the project")
    # Importing W&B takes a second, and without variables there is nothing to check.
    if variables:
        quiet_wandb()
    if project:
        import wandb

        try:
            wandb.Settings(project=project)
        except Exception as error:
            raise InputError(f"tracker.project={project}: {_reason(error)}; give another name") from None


@cache
def _warn_once(line: str) -> None:
    log.warning(line)


def quiet_wandb() -> ModuleType:
    """Return the module wandb, which then prints nothing, reports no errors of its own and ignores HIDDEN variables.

    Raises InputError for one of W&B's variables that it refuses.
    """
    # Otherwise W&B reports errors to its server, and a process waits for that at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # Otherwise this process would share, and end, the W&B service of the process that started it.
    os.environ.pop("WANDB_SERVICE", None)
    # W&B refuses variables that are empty.
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]
    # W&B writes the address into its log. A user name in it has no effect: W&B authenticates by the key.
    if address := os.environ.get("WANDB_BASE_URL"):
        os.environ["WANDB_BASE_URL"] = _without_account(address)
    _refuse_wrong(tuple((name, value) for name, value in os.environ.items() if name.startswith("WANDB_")))
    hidden = {name: os.environ.pop(name) for name in HIDDEN if name in os.environ}
    try:
        import wandb

        wandb.setup(wandb.Settings(silent=True))
        return wandb
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
    return quiet_wandb().login(prompt=False, verify=False)


def check_server() -> None:
    """Raise InputError unless the W&B server gives an answer, whatever it is, within seconds."""
    address = server_address()
    request = urllib.request.Request(f"{_without_account(address)}/graphql", data=b"{}", method="POST")
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()
    # The server answers; that it refuses a request without a key is no matter.
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ValueError) as error:
        cause = getattr(error, "reason", error)
        raise InputError(f"the W&B server {without_secrets(address)} does not answer ({cause}); try later") from None


def server_address() -> str:
    """Return the address of the W&B server that is configured."""
    return str(quiet_wandb().setup().settings.base_url)


def one_line_without_secrets(error: BaseException) -> str:
    """Return an error's text as one line without secrets."""
    return without_secrets(" ".join(str(error).split())).rstrip(".")


def without_secrets(text: str) -> str:
    """Return `text` without the user's key and without names and passwords in addresses."""
    key = os.environ.get("WANDB_API_KEY")
    text = text.replace(key, "***") if key else text
    return ACCOUNT_IN_ADDRESS.sub(r"\1***@", text)


def _without_account(address: str) -> str:
    return ACCOUNT_IN_ADDRESS.sub(r"\1", address).rstrip("/")


def init_settings(sweep_id: str | None) -> Any:
    """Return the wandb.Settings of a run, perhaps a trial of a W&B sweep."""
    import wandb

    return wandb.Settings(
        silent=True,
        sweep_id=sweep_id,
        console="off",
        x_disable_stats=True,
        # A process that is killed loses the figures of one second at most.
        x_transaction_log_flush_interval=1,
        # The address of a remote may hold a token. The commit is in status.json.
        disable_git=True,
        init_timeout=PATIENCE,
        finish_timeout=PATIENCE,
        finish_timeout_raises=True,
    )
