"""The backward pass in Python: the engine of PyTorch asks the driver of a CUDA device for its streams."""

from typing import Any

import torch
from torch.utils.checkpoint import GraphExecGroup


def backward(loss: torch.Tensor) -> None:
    """Add to the gradients of all parameters what `loss.backward()` adds."""
    pending: dict[Any, list[Any]] = {loss.grad_fn: [torch.ones_like(loss)]}
    # The group: checkpointed activations are computed again once.
    with torch.no_grad(), GraphExecGroup():
        while pending:
            # What was made last comes first, so that all gradients of a result are there when it is its turn.
            node = max(pending, key=lambda node: node._sequence_nr())
            gradients = pending.pop(node)
            if hasattr(node, "variable"):
                leaf = node.variable
                leaf.grad = gradients[0] if leaf.grad is None else leaf.grad.add_(gradients[0])
                continue
            given = node(*gradients) if callable(node) else node.apply(*gradients)
            given = given if isinstance(given, tuple) else (given,)
            if hasattr(node, "needs_input_grad"):
                # A torch.autograd.Function also answers for arguments that are no tensors.
                needed = iter([gradient for gradient, needs in zip(given, node.needs_input_grad, strict=True) if needs])
                given = [further and next(needed) for further, _ in node.next_functions]
            for (further, number), gradient in zip(node.next_functions, given, strict=True):
                if further is not None and gradient is not None:
                    wanted = further._input_metadata[number]
                    gradient = gradient.sum_to_size(wanted.shape).to(wanted.dtype)
                    sums = pending.setdefault(further, [None] * len(further._input_metadata))
                    sums[number] = gradient if sums[number] is None else sums[number] + gradient
