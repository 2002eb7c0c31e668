"""Several processes that train one net, as `torchrun` starts them: each computes its share of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from engine.errors import InvalidRequest


@dataclass(frozen=True)
class Ranks:
    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's rows of a batch of *count*."""
        size = count // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one message."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.world == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def gather(self, share: Tensor) -> Tensor:
        """The rows of all processes, [count], in the order of `share`."""
        if self.world == 1:
            return share
        parts = [torch.empty_like(share) for _ in range(self.world)]
        dist.all_gather(parts, share.contiguous())
        return torch.cat(parts)

    def leave(self) -> None:
        """End the exchange with the other processes."""
        if self.world > 1:
            dist.destroy_process_group()

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


def join(batch_size: int, environ: Mapping[str, str] = os.environ) -> Ranks:
    """Join the processes that torchrun has started; alone without it. Raises InvalidRequest for an uneven batch."""
    world = int(environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Ranks()
    if batch_size % world:
        raise InvalidRequest(f"batch_size {batch_size} cannot be divided evenly among {world} processes.")
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Ranks(dist.get_rank(), world, int(environ.get("LOCAL_RANK", "0")))
