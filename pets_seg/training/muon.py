"""The Muon optimizer for convolutional networks."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW

# Of Jordan et al. 2024: five steps bring all but the smallest singular values of a matrix to between 0.7 and 1.2.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
EPSILON = 1e-7
# The update of a matrix is then about as large as one of AdamW, so that one learning rate serves both.
RMS = 0.2


class Muon(AdamW):
    """Momentum with orthogonalised updates for weights of two and more dimensions, AdamW for norms and biases.

    A convolution's weight (O,I,H,W) is a matrix (O, I H W), a transposed one's (I,O,H,W) a matrix (I, O H W). Jordan et
    al. 2024 (kellerjordan.github.io/posts/muon), scaled after Liu et al. 2025 (arXiv:2502.16982). PyTorch's own Muon
    takes two-dimensional weights alone. With fp16 the gradient scaler waits for the device once a step, as for every
    optimizer that is not fused.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 4e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        params = list(params)
        groups: list[dict[str, Any]] = [
            {"params": [weight for weight in params if weight.ndim < 2]},
            {"params": [weight for weight in params if weight.ndim >= 2], "momentum": momentum},
        ]
        super().__init__(groups, lr=lr, betas=betas, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every weight; the gradients of the matrices are set to None."""
        with torch.enable_grad():
            loss = closure() if closure else None
        _, group = self.param_groups
        by_shape: dict[torch.Size, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                by_shape[weight.shape].append((weight, weight.grad))
        # Matrices of one shape go together: on a GPU many small products would wait for their launches.
        for shape, pairs in by_shape.items():
            updates = torch.stack([self._momentum(*pair, group["momentum"]).flatten(1) for pair in pairs])
            scale = RMS * max(updates.shape[1:]) ** 0.5
            for (weight, _), update in zip(pairs, orthogonalise(updates), strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update.view(shape), alpha=-group["lr"] * scale)
                # AdamW, which updates the others, skips weights without a gradient.
                weight.grad = None
        super().step()
        return loss

    def _momentum(self, weight: torch.Tensor, gradient: torch.Tensor, momentum: float) -> torch.Tensor:
        """Return the averaged gradient in Nesterov's form."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
            # AdamW expects it in every state that it loads.
            state["step"] = torch.zeros(())
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum)


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Return about U V^T for every matrix U S V^T in (K,M,N): its singular values brought near 1 by Newton-Schulz.

    The steps run on the smaller Gram matrix, and their product is applied once: for a 3x3 convolution that is less
    than half the arithmetic of stepping with the matrix itself.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalise(matrices.mT).mT
    a, b, c = COEFFICIENTS

    def factor_of(gram: torch.Tensor) -> torch.Tensor:
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        return factor

    matrices = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + EPSILON)
    gram = matrices @ matrices.mT
    product = factor = factor_of(gram)
    for _ in range(STEPS - 1):
        gram = factor @ gram @ factor
        factor = factor_of(gram)
        product = factor @ product
    return product @ matrices
