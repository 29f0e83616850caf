"""Whether W&B can be used: a key that is configured, a server that answers."""

import os
import re
import urllib.error
import urllib.request

from pets_seg.errors import InputError

# How long a server may take for its first answer.
PATIENCE = 8


def quiet_wandb() -> None:
    """Make W&B print nothing and report no errors of its own; before anything else is asked of it."""
    # Else W&B tells its server of errors, and a process waits for that at its end.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # A process of W&B that the caller of this one started is not ours to end.
    os.environ.pop("WANDB_SERVICE", None)
    # Set but empty it says nothing, which W&B takes for a mode that it does not know.
    if not os.environ.get("WANDB_MODE"):
        os.environ.pop("WANDB_MODE", None)
    # W&B writes the address into its log. The key is what it shows the server, whoever else the address names.
    if address := os.environ.get("WANDB_BASE_URL"):
        os.environ["WANDB_BASE_URL"] = _without_account(address)
    import wandb

    wandb.setup(wandb.Settings(silent=True))


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
